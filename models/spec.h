// A decoder-only model as plain data: what a family file produces and the blocks read.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace quire::models {

enum class Activation { kSilu, kGeluTanh, kGeluErf, kRelu, kRelu2 };

// One normalisation. width comes from where it stands.
struct Norm {
  enum class Kind { kNone, kRms, kLayer };
  Kind kind = Kind::kRms;
  float eps = 1e-6f;
  float weight_offset = 0;  // 1 for checkpoints that store w - 1
  bool has_weight = true;
  bool has_bias = false;
  bool operator==(const Norm&) const = default;
};

// Frequency changes of a rotary embedding (text in docs/shapes.md gives the formulas' sources).
struct RopeLinear {
  float factor = 1;
  bool operator==(const RopeLinear&) const = default;
};
struct RopeLlama3 {
  float factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  std::int64_t original_positions = 8192;
  bool operator==(const RopeLlama3&) const = default;
};
struct RopeYarn {
  float factor = 1, beta_fast = 32, beta_slow = 1;
  float amplitude = 1;  // multiplies cos and sin; resolved from attention_factor / mscale at parse
  bool truncate = true;
  std::int64_t original_positions = 4096;
  bool operator==(const RopeYarn&) const = default;
};
struct RopeDynamic {  // dynamic NTK: a sequence that may pass the original length takes the base of
                      // the context
  float factor = 1;
  std::int64_t original_positions = 0;
  bool operator==(const RopeDynamic&) const = default;
};
struct RopeLong {  // longrope: the long list for a sequence that may pass the original length
  std::vector<float> short_factor = {}, long_factor = {};
  float amplitude = 1;
  std::int64_t original_positions = 4096;
  bool operator==(const RopeLong&) const = default;
};
using RopeScaling =
    std::variant<std::monostate, RopeLinear, RopeLlama3, RopeYarn, RopeDynamic, RopeLong>;

struct Rope {
  double theta = 10000;
  int dims = 0;  // rotated width R, even
  bool interleaved = false;
  RopeScaling scaling = {};
  bool operator==(const Rope&) const = default;
};

// Grouped-query attention (also multi-head and multi-query).
struct Attention {
  int heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 0;                            // of the scores, resolved
  std::int64_t window = 0;                    // tokens, self included; 0 = whole context
  float softcap = 0;                          // of the scores; 0 = none
  Norm q_norm = {.kind = Norm::Kind::kNone};  // per head, before rope
  Norm k_norm = {.kind = Norm::Kind::kNone};
  bool qkv_bias = false, out_bias = false;
  bool output_gate = false;  // q_proj makes [H, 2E]: query, then gate; o *= sigmoid(gate)
  bool has_rope = true;
  Rope rope = {};
};

// Multi-head latent attention, always computed in the absorbed form so that prefill and decode
// have one order: the cache holds [c | k_rope] per token.
struct LatentAttention {
  int heads = 0;
  int q_rank = 0;  // 0: a plain q_proj
  int kv_rank = 0;
  int nope_dim = 0, rope_dim = 0, value_dim = 0;
  float scale = 0;
  Norm latent_norm = {};  // of the q and kv latents
  bool bias = false;      // of the two down projections and of the output
  Rope rope = {};
};

// Mamba-2 (arXiv:2405.21060).
struct Mamba2 {
  int heads = 0, head_dim = 0, groups = 1, state_dim = 0, conv_taps = 4;
  float dt_min = 0, dt_max = 0;  // limits of the step; dt_max may be infinity
  bool conv_bias = true, proj_bias = false;
  Norm gated_norm = {};  // on y * silu(z), per norm_groups
  int norm_groups = 1;
  int inner() const { return heads * head_dim; }
  int conv_channels() const { return inner() + 2 * groups * state_dim; }
};

// Gated delta rule (arXiv:2412.06464) with a short convolution over [q | k | v].
struct GatedDelta {
  int key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0, conv_taps = 4;
  Norm gated_norm = {};  // per value head, then * silu(z)
  int conv_channels() const { return 2 * key_heads * key_dim + value_heads * value_dim; }
};

using Mixer = std::variant<Attention, LatentAttention, Mamba2, GatedDelta>;

struct NoFfn {};

struct GatedMlp {
  int inner = 0;
  Activation activation = Activation::kSilu;
  bool bias = false;
};

// How experts are chosen and weighted.
struct Router {
  enum class Score { kSoftmax, kSigmoid };
  Score score = Score::kSoftmax;
  bool selection_bias = false;  // e_score_correction_bias: for the choice, not for the weight
  bool renormalize = false;     // weights divided by their sum (+ 1e-20 with sigmoid scores)
  float weight_scale = 1;
  int groups = 1, groups_kept = 1;  // group score: sum of its two best biased scores
};

struct MixtureOfExperts {
  int experts = 0, active = 0, inner = 0;
  Activation activation = Activation::kSilu;
  Router router = {};
  int shared_inner = 0;      // 0: no shared expert
  bool shared_gate = false;  // shared output * sigmoid(w_g . x)
};

using Ffn = std::variant<NoFfn, GatedMlp, MixtureOfExperts>;

// Where the norms stand around a half layer.
enum class Residual {
  kPreNorm,   // x += f(norm(x))
  kSandwich,  // x += post(f(pre(x)))
};

struct Layer {
  Mixer mixer = {};
  Ffn ffn = {};
  Residual residual = Residual::kPreNorm;
  Norm norm = {};  // every block norm of the layer
};

struct DecoderSpec {
  int hidden = 0;                  // D
  int vocab = 0;                   // V
  std::int64_t positions_max = 0;  // max_position_embeddings
  float embed_scale = 1;
  float logit_softcap = 0;
  float logit_scale = 1;
  Norm final_norm = {};
  bool tied_head = false;          // the head is the embedding
  std::vector<Layer> layers = {};  // L
};

}  // namespace quire::models
