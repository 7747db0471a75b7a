// Equal layers share a line, wherever they stand.
#include "cli/survey_layers.h"

#include <fmt/format.h>

#include <utility>

namespace quire::cli {
namespace {

std::string describe(const models::Attention& block) {
  std::string out = fmt::format("attention, {} heads on {} KV heads of {}", block.heads,
                                block.kv_heads, block.head_dim);
  if (block.window > 0) out += fmt::format(", window {}", block.window);
  if (block.softcap > 0) out += fmt::format(", soft cap {:g}", block.softcap);
  if (block.q_norm.kind != models::Norm::Kind::kNone) out += ", q/k norm";
  if (block.qkv_bias) out += ", bias";
  if (block.output_gate) out += ", output gate";
  out += block.has_rope ? fmt::format(", rope {:g}", block.rope.theta) : ", no rope";
  return out;
}

std::string describe(const models::LatentAttention& block) {
  return fmt::format("latent attention, {} heads, latent {} + rope {}", block.heads, block.kv_rank,
                     block.rope_dim);
}

std::string describe(const models::Mamba2& block) {
  return fmt::format("Mamba-2, {} heads of {}, state {}", block.heads, block.head_dim,
                     block.state_dim);
}

std::string describe(const models::GatedDelta& block) {
  return fmt::format("gated delta rule, {} key and {} value heads, state {} x {}", block.key_heads,
                     block.value_heads, block.key_dim, block.value_dim);
}

std::string describe(const models::NoFfn&) { return ""; }

std::string describe(const models::GatedMlp& block) {
  return fmt::format("gated MLP {}", block.inner);
}

std::string describe(const models::MixtureOfExperts& block) {
  std::string out = fmt::format("{} of {} experts {}", block.active, block.experts, block.inner);
  if (block.shared_inner > 0) out += fmt::format(", shared {}", block.shared_inner);
  return out;
}

std::string describe_layer(const models::Layer& layer) {
  const auto words = [](const auto& block) { return describe(block); };
  const std::string mixer = std::visit(words, layer.mixer), ffn = std::visit(words, layer.ffn);
  return ffn.empty() ? mixer : mixer + "; " + ffn;
}

// "0-4, 6, 8-10"
std::string ranges(const std::vector<int>& numbers) {
  std::string out;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + 1) ++end;
    out += out.empty() ? "" : ", ";
    out += end == i ? std::to_string(numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[end]);
    i = end + 1;
  }
  return out;
}

}  // namespace

std::vector<std::string> describe_layers(const models::DecoderSpec& spec) {
  std::vector<std::pair<std::string, std::vector<int>>> kinds;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const std::string words = describe_layer(spec.layers[i]);
    auto* kind = static_cast<std::vector<int>*>(nullptr);
    for (auto& [known, numbers] : kinds) {
      if (known == words) kind = &numbers;
    }
    if (kind == nullptr) kind = &kinds.emplace_back(words, std::vector<int>()).second;
    kind->push_back(static_cast<int>(i));
  }
  std::vector<std::string> lines;
  for (const auto& [words, numbers] : kinds) {
    lines.push_back(fmt::format("{}: {}", ranges(numbers), words));
  }
  return lines;
}

}  // namespace quire::cli
