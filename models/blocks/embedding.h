// The two ends of a decoder: token embeddings in, logits out.
#pragma once

#include "models/blocks/linear.h"
#include "models/blocks/norm.h"

namespace quire::models {

class EmbeddingBlock {
 public:
  EmbeddingBlock(const DecoderSpec& spec, const Weights& weights);
  // x = embedding of the step's tokens, scaled; x [T, D].
  void forward(const Step& step, const TensorView& x) const;

 private:
  const kernels::PackedMatrix* table_;
  float scale_;
};

class HeadBlock {
 public:
  HeadBlock(const DecoderSpec& spec, const Weights& weights);
  // Final norm and head of the step's logit rows. x [T, D]; scratch [T, D], overwritten;
  // logits [R, V] for the R logit rows.
  void forward(const Step& step, const TensorView& x, const TensorView& scratch,
               const TensorView& logits) const;
  // The final norm of those rows of x [T, D]; out [rows, D].
  void normed_rows(const Step& step, const TensorView& x, std::span<const int> wanted,
                   Rows out) const;

 private:
  void finish_part(const kernels::Kernels& kernels, Rows logits, const Part& part) const;

  BoundNorm norm_;
  Linear head_;
  float logit_scale_, softcap_;
};

}  // namespace quire::models
