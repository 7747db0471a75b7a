// The forward pass over the blocks of a spec: the only loop over layers.
#pragma once

#include <variant>
#include <vector>

#include "base/arena.h"
#include "models/blocks/attention.h"
#include "models/blocks/embedding.h"
#include "models/blocks/gated_delta.h"
#include "models/blocks/gated_mlp.h"
#include "models/blocks/kv_ahead.h"
#include "models/blocks/latent_attention.h"
#include "models/blocks/mamba2.h"
#include "models/blocks/mixture_of_experts.h"
#include "models/blocks/norm.h"
#include "models/blocks/rope.h"

namespace quire::models {

class Decoder {
 public:
  // References are kept: spec and weights must outlive the decoder and stay where they are.
  Decoder(const DecoderSpec& spec, const Weights& weights, const MemoryLayout& layout,
          const ModelOptions& options);

  int length_class(std::int64_t length_max) const { return ropes_.length_class(length_max); }

  // See Model::forward.
  void forward(const StepInput& input, const StepMemory& memory, Team& team, float* logits);

 private:
  using MixerBlock =
      std::variant<AttentionBlock, LatentAttentionBlock, Mamba2Block, GatedDeltaBlock>;
  using FfnBlock = std::variant<std::monostate, GatedMlpBlock, MixtureBlock>;
  // A norm, what stands behind it, and with Residual::kSandwich a second norm on the way out.
  struct HalfNorms {
    BoundNorm before, after;
  };
  struct LayerBlocks {
    Residual residual;
    HalfNorms mixer_norms, ffn_norms;
    MixerBlock mixer;
    FfnBlock ffn;
  };
  // The views of one step's rows.
  struct StepRows {
    TensorView x;       // [T, D]: the residual stream
    TensorView normed;  // [T, D]
    TensorView branch;  // [T, D]: what a sandwich's second norm reads
  };

  LayerBlocks build_layer(int layer, const Weights& weights, const MemoryLayout& layout);
  void carve(Carver& carver);
  StepRows views(std::int64_t rows) const;
  StepRows keep_wanted_rows(const StepInput& input) const;
  void cut_blocks(const StepInput& input);
  void check(const StepInput& input, const StepMemory& memory) const;
  template <class Block>
  void run_half(const Step& step, const StepRows& rows, const HalfNorms& norms,
                const Block& block) const;

  const DecoderSpec& spec_;
  ModelOptions options_;
  std::size_t kv_groups_;
  bool has_state_;
  const kernels::Kernels& kernels_;
  RopeTables ropes_;
  EmbeddingBlock embedding_;
  HeadBlock head_;
  std::vector<LayerBlocks> layers_;
  std::vector<RowBlock> blocks_;
  std::vector<PageSharing> sharing_;  // [KV group]
  KvAhead kv_ahead_;
  Arena scratch_;
  float* x_ = nullptr;
  float* normed_ = nullptr;
  float* branch_ = nullptr;
};

}  // namespace quire::models
