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
  HeadBlock(const DecoderSpec& spec, const BlockSite& site);
  void carve(Carver& carver);
  // Final norm and head. x, scratch [R, D], scratch is overwritten; logits [R, V].
  void forward(const Step& step, const TensorView& x, const TensorView& scratch,
               const TensorView& logits) const;
  // The final norm alone; x, out [count, D].
  void norm_rows(const Step& step, Rows x, Rows out, std::int64_t count) const;

 private:
  void finish_part(const kernels::Kernels& kernels, Rows logits, const Part& part) const;

  BlockSite site_;
  BoundNorm norm_;
  Linear head_;
  LinearInputs in_;
  float logit_scale_, softcap_;
};

}  // namespace quire::models
