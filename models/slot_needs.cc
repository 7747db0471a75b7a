// The shapes of every weight, block by block: what the loader must provide and the blocks will
// read.
#include <algorithm>

#include "base/check.h"
#include "models/weights.h"

namespace quire::models {
namespace {

constexpr auto kVector = WeightKind::kVector;

using Needs = std::vector<SlotNeed>;

void need_norm(Needs& needs, const Norm& norm, Slot weight, std::int64_t width,
               std::string_view shape) {
  if (norm.kind == Norm::Kind::kNone || !norm.has_weight) return;
  needs.push_back({.slot = weight, .kind = kVector, .rows = width, .shape = shape});
}

void need_norm_bias(Needs& needs, const Norm& norm, Slot bias, std::int64_t width,
                    std::string_view shape) {
  if (norm.kind == Norm::Kind::kNone || !norm.has_bias) return;
  needs.push_back({.slot = bias, .kind = kVector, .rows = width, .shape = shape});
}

void need_bias(Needs& needs, bool present, Slot slot, std::int64_t width, std::string_view shape) {
  if (!present) return;
  needs.push_back({.slot = slot, .kind = kVector, .rows = width, .shape = shape});
}

// Letters: H query heads, K kv heads, E head size, D hidden.
void need_mixer(Needs& needs, const Attention& a, std::int64_t hidden) {
  const std::int64_t q = std::int64_t{a.heads} * a.head_dim;
  const std::int64_t kv = std::int64_t{a.kv_heads} * a.head_dim;
  const std::int64_t q_rows = a.output_gate ? 2 * q : q;
  needs.push_back({.slot = Slot::kQ,
                   .rows = q_rows,
                   .cols = hidden,
                   .shape = a.output_gate ? "H*2*E D" : "H*E D"});
  needs.push_back({.slot = Slot::kK, .rows = kv, .cols = hidden, .shape = "K*E D"});
  needs.push_back({.slot = Slot::kV, .rows = kv, .cols = hidden, .shape = "K*E D"});
  needs.push_back({.slot = Slot::kO, .rows = hidden, .cols = q, .shape = "D H*E"});
  need_bias(needs, a.qkv_bias, Slot::kQBias, q_rows, a.output_gate ? "H*2*E" : "H*E");
  need_bias(needs, a.qkv_bias, Slot::kKBias, kv, "K*E");
  need_bias(needs, a.qkv_bias, Slot::kVBias, kv, "K*E");
  need_bias(needs, a.out_bias, Slot::kOBias, hidden, "D");
  need_norm(needs, a.q_norm, Slot::kQNorm, a.head_dim, "E");
  need_norm(needs, a.k_norm, Slot::kKNorm, a.head_dim, "E");
}

// Letters: q query rank, r kv rank, n unrotated, o rotated and v value dims of a head.
void need_mixer(Needs& needs, const LatentAttention& a, std::int64_t hidden) {
  const std::int64_t q = std::int64_t{a.heads} * (a.nope_dim + a.rope_dim);
  const std::int64_t latent = std::int64_t{a.kv_rank} + a.rope_dim;
  if (a.q_rank == 0) {
    needs.push_back({.slot = Slot::kQ, .rows = q, .cols = hidden, .shape = "H*(n+o) D"});
  } else {
    needs.push_back({.slot = Slot::kQDown, .rows = a.q_rank, .cols = hidden, .shape = "q D"});
    need_bias(needs, a.bias, Slot::kQDownBias, a.q_rank, "q");
    need_norm(needs, a.latent_norm, Slot::kQDownNorm, a.q_rank, "q");
    needs.push_back({.slot = Slot::kQUp, .rows = q, .cols = a.q_rank, .shape = "H*(n+o) q"});
  }
  needs.push_back({.slot = Slot::kKvDown, .rows = latent, .cols = hidden, .shape = "r+o D"});
  need_bias(needs, a.bias, Slot::kKvDownBias, latent, "r+o");
  need_norm(needs, a.latent_norm, Slot::kKvDownNorm, a.kv_rank, "r");
  needs.push_back({.slot = Slot::kKvUpKey,
                   .rows = a.kv_rank,
                   .cols = a.nope_dim,
                   .shape = "r n",
                   .count = a.heads,
                   .read_per_token = a.heads});
  needs.push_back({.slot = Slot::kKvUpValue,
                   .rows = a.value_dim,
                   .cols = a.kv_rank,
                   .shape = "v r",
                   .count = a.heads,
                   .read_per_token = a.heads});
  needs.push_back({.slot = Slot::kO,
                   .rows = hidden,
                   .cols = std::int64_t{a.heads} * a.value_dim,
                   .shape = "D H*v"});
  need_bias(needs, a.bias, Slot::kOBias, hidden, "D");
}

// Letters: h heads, p head size, i = h*p, c convolution channels, w taps.
void need_mixer(Needs& needs, const Mamba2& m, std::int64_t hidden) {
  const std::int64_t in_rows = std::int64_t{m.inner()} + m.conv_channels() + m.heads;
  needs.push_back({.slot = Slot::kSsmIn, .rows = in_rows, .cols = hidden, .shape = "i+c+h D"});
  need_bias(needs, m.proj_bias, Slot::kSsmInBias, in_rows, "i+c+h");
  needs.push_back({.slot = Slot::kConv,
                   .kind = kVector,
                   .rows = m.conv_taps,
                   .cols = m.conv_channels(),
                   .shape = "w c"});
  need_bias(needs, m.conv_bias, Slot::kConvBias, m.conv_channels(), "c");
  needs.push_back({.slot = Slot::kALog, .kind = kVector, .rows = m.heads, .shape = "h"});
  needs.push_back({.slot = Slot::kD, .kind = kVector, .rows = m.heads, .shape = "h"});
  needs.push_back({.slot = Slot::kDtBias, .kind = kVector, .rows = m.heads, .shape = "h"});
  need_norm(needs, m.gated_norm, Slot::kGatedNorm, m.inner(), "i");
  needs.push_back({.slot = Slot::kSsmOut, .rows = hidden, .cols = m.inner(), .shape = "D i"});
  need_bias(needs, m.proj_bias, Slot::kSsmOutBias, hidden, "D");
}

// Letters: h value heads, v their size, c = [q | k | v] channels, w taps.
void need_mixer(Needs& needs, const GatedDelta& g, std::int64_t hidden) {
  const std::int64_t values = std::int64_t{g.value_heads} * g.value_dim;
  const std::int64_t channels = g.conv_channels();
  needs.push_back({.slot = Slot::kDeltaQkv, .rows = channels, .cols = hidden, .shape = "c D"});
  needs.push_back({.slot = Slot::kDeltaZ, .rows = values, .cols = hidden, .shape = "h*v D"});
  needs.push_back({.slot = Slot::kDeltaB, .rows = g.value_heads, .cols = hidden, .shape = "h D"});
  needs.push_back({.slot = Slot::kDeltaA, .rows = g.value_heads, .cols = hidden, .shape = "h D"});
  needs.push_back({.slot = Slot::kConv,
                   .kind = kVector,
                   .rows = g.conv_taps,
                   .cols = channels,
                   .shape = "w c"});
  needs.push_back({.slot = Slot::kALog, .kind = kVector, .rows = g.value_heads, .shape = "h"});
  needs.push_back({.slot = Slot::kDtBias, .kind = kVector, .rows = g.value_heads, .shape = "h"});
  need_norm(needs, g.gated_norm, Slot::kGatedNorm, g.value_dim, "v");
  needs.push_back({.slot = Slot::kSsmOut, .rows = hidden, .cols = values, .shape = "D h*v"});
}

void need_ffn(Needs&, const NoFfn&, std::int64_t) {}

void need_ffn(Needs& needs, const GatedMlp& m, std::int64_t hidden) {
  needs.push_back({.slot = Slot::kGate, .rows = m.inner, .cols = hidden, .shape = "F D"});
  needs.push_back({.slot = Slot::kUp, .rows = m.inner, .cols = hidden, .shape = "F D"});
  needs.push_back({.slot = Slot::kDown, .rows = hidden, .cols = m.inner, .shape = "D F"});
  need_bias(needs, m.bias, Slot::kGateBias, m.inner, "F");
  need_bias(needs, m.bias, Slot::kUpBias, m.inner, "F");
  need_bias(needs, m.bias, Slot::kDownBias, hidden, "D");
}

// Letters: X experts, F their width, f the width of the shared expert.
void need_ffn(Needs& needs, const MixtureOfExperts& m, std::int64_t hidden) {
  needs.push_back(
      {.slot = Slot::kRouter, .rows = m.experts, .cols = hidden, .shape = "X D", .keep_f32 = true});
  need_bias(needs, m.router.selection_bias, Slot::kRouterBias, m.experts, "X");
  for (const Slot slot : {Slot::kExpertGate, Slot::kExpertUp}) {
    needs.push_back({.slot = slot,
                     .rows = m.inner,
                     .cols = hidden,
                     .shape = "F D",
                     .count = m.experts,
                     .read_per_token = m.active});
  }
  needs.push_back({.slot = Slot::kExpertDown,
                   .rows = hidden,
                   .cols = m.inner,
                   .shape = "D F",
                   .count = m.experts,
                   .read_per_token = m.active});
  if (m.shared_inner == 0) return;
  needs.push_back(
      {.slot = Slot::kSharedGate, .rows = m.shared_inner, .cols = hidden, .shape = "f D"});
  needs.push_back(
      {.slot = Slot::kSharedUp, .rows = m.shared_inner, .cols = hidden, .shape = "f D"});
  needs.push_back(
      {.slot = Slot::kSharedDown, .rows = hidden, .cols = m.shared_inner, .shape = "D f"});
  if (!m.shared_gate) return;
  needs.push_back(
      {.slot = Slot::kSharedRouter, .rows = 1, .cols = hidden, .shape = "1 D", .keep_f32 = true});
}

Needs model_needs(const DecoderSpec& spec) {
  Needs needs;
  needs.push_back({.slot = Slot::kEmbed, .rows = spec.vocab, .cols = spec.hidden, .shape = "V D"});
  need_norm(needs, spec.final_norm, Slot::kFinalNorm, spec.hidden, "D");
  need_norm_bias(needs, spec.final_norm, Slot::kFinalNormBias, spec.hidden, "D");
  if (!spec.tied_head) {
    needs.front().read_per_token = 0;  // one row
    needs.push_back({.slot = Slot::kHead, .rows = spec.vocab, .cols = spec.hidden, .shape = "V D"});
  }
  return needs;
}

}  // namespace

std::vector<SlotNeed> slot_needs(const DecoderSpec& spec, int layer) {
  CHECK(layer >= -1 && layer < static_cast<int>(spec.layers.size()), "layer {} of {}", layer,
        spec.layers.size());
  if (layer == -1) return model_needs(spec);
  const Layer& of = spec.layers[static_cast<std::size_t>(layer)];
  const bool has_ffn = !std::holds_alternative<NoFfn>(of.ffn);
  const bool has_post = of.residual == Residual::kSandwich;
  CHECK(!has_post || !of.norm.has_bias, "layer {}: post norms have no bias slot", layer);
  Needs needs;
  need_norm(needs, of.norm, Slot::kMixerNorm, spec.hidden, "D");
  need_norm_bias(needs, of.norm, Slot::kMixerNormBias, spec.hidden, "D");
  std::visit([&](const auto& mixer) { need_mixer(needs, mixer, spec.hidden); }, of.mixer);
  if (has_post) need_norm(needs, of.norm, Slot::kMixerPostNorm, spec.hidden, "D");
  if (!has_ffn) return needs;
  need_norm(needs, of.norm, Slot::kFfnNorm, spec.hidden, "D");
  need_norm_bias(needs, of.norm, Slot::kFfnNormBias, spec.hidden, "D");
  std::visit([&](const auto& ffn) { need_ffn(needs, ffn, spec.hidden); }, of.ffn);
  if (has_post) need_norm(needs, of.norm, Slot::kFfnPostNorm, spec.hidden, "D");
  return needs;
}

}  // namespace quire::models
