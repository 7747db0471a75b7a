// Weights by slot: one arena, sized by declarations, filled by the loader, read by the blocks.
#include "models/weights.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include "base/check.h"

namespace quire::models {
namespace {

constexpr std::size_t kAlignment = 64;

// In the order of the enumerators.
constexpr std::string_view kSlotNames[] = {
    "embed",
    "final_norm",
    "final_norm_bias",
    "head",
    "mixer_norm",
    "mixer_norm_bias",
    "mixer_post_norm",
    "ffn_norm",
    "ffn_norm_bias",
    "ffn_post_norm",
    "q",
    "k",
    "v",
    "o",
    "q_bias",
    "k_bias",
    "v_bias",
    "o_bias",
    "q_norm",
    "k_norm",
    "q_down",
    "q_down_bias",
    "q_down_norm",
    "q_up",
    "kv_down",
    "kv_down_bias",
    "kv_down_norm",
    "kv_up_key",
    "kv_up_value",
    "ssm_in",
    "ssm_in_bias",
    "conv",
    "conv_bias",
    "a_log",
    "d",
    "dt_bias",
    "gated_norm",
    "ssm_out",
    "ssm_out_bias",
    "delta_qkv",
    "delta_z",
    "delta_b",
    "delta_a",
    "gate",
    "up",
    "down",
    "gate_bias",
    "up_bias",
    "down_bias",
    "router",
    "router_bias",
    "expert_gate",
    "expert_up",
    "expert_down",
    "shared_gate",
    "shared_up",
    "shared_down",
    "shared_router",
};
static_assert(std::size(kSlotNames) == static_cast<std::size_t>(Slot::kSharedRouter) + 1);

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

std::string_view slot_name(Slot slot) { return kSlotNames[static_cast<std::size_t>(slot)]; }

const kernels::PackedMatrix& Weights::matrix(int layer, Slot slot, int index) const {
  const auto found = matrices_.find({layer, slot, index});
  CHECK(found != matrices_.end(), "layer {}: no matrix {} [{}]", layer, slot_name(slot), index);
  return found->second;
}

std::span<const float> Weights::vector(int layer, Slot slot, int index) const {
  const auto found = vectors_.find({layer, slot, index});
  CHECK(found != vectors_.end(), "layer {}: no vector {} [{}]", layer, slot_name(slot), index);
  return found->second;
}

std::string Weights::format_names() const {
  std::map<std::string, std::size_t> bytes;
  for (const auto& [key, matrix] : matrices_) {
    const kernels::PackedFormat& format = matrix.format;
    const bool is_affine =
        format.is_quantized() && format.kind != kernels::PackedFormat::Kind::kInt8;
    const std::string name = kernels::format_name(format.kind);
    bytes[is_affine ? fmt::format("{} g{}", name, format.group) : name] +=
        kernels::packed_bytes(format, matrix.rows, matrix.cols);
  }
  std::vector<std::pair<std::size_t, std::string>> sorted;
  for (const auto& [name, count] : bytes) sorted.emplace_back(count, name);
  std::ranges::sort(sorted, std::greater<>());
  std::string text;
  for (const auto& [count, name] : sorted) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool Weights::has(int layer, Slot slot) const {
  const Key key = {layer, slot, 0};
  return matrices_.contains(key) || vectors_.contains(key);
}

void WeightBuilder::declare(int layer, const SlotNeed& need, const kernels::PackedFormat& format) {
  CHECK(arena_.data() == nullptr, "declare({}) after allocate()", slot_name(need.slot));
  CHECK(need.rows > 0 && need.cols >= 0 && need.count > 0, "{}: {} x {} x {}", slot_name(need.slot),
        need.count, need.rows, need.cols);
  const bool is_matrix = need.kind == WeightKind::kMatrix;
  const kernels::PackedFormat own = is_matrix && !need.keep_f32 ? format : kernels::PackedFormat{};
  const std::int64_t cols = std::max<std::int64_t>(need.cols, 1);
  for (int index = 0; index < need.count; ++index) {
    const bool is_new =
        entries_
            .try_emplace({layer, need.slot, index}, Entry{need.kind, own, need.rows, cols, bytes_})
            .second;
    CHECK(is_new, "layer {}: {} [{}] declared twice", layer, slot_name(need.slot), index);
    bytes_ += aligned(is_matrix ? kernels::packed_bytes(own, need.rows, cols)
                                : static_cast<std::size_t>(need.rows * cols) * sizeof(float));
  }
}

void WeightBuilder::allocate() {
  CHECK(arena_.data() == nullptr, "allocated twice");
  arena_ = Arena(bytes_);
}

const WeightBuilder::Entry& WeightBuilder::entry(const Weights::Key& key, WeightKind kind) const {
  const auto& [layer, slot, index] = key;
  const auto found = entries_.find(key);
  CHECK(found != entries_.end() && found->second.kind == kind, "layer {}: {} [{}] was not declared",
        layer, slot_name(slot), index);
  CHECK(arena_.data() != nullptr, "{} before allocate()", slot_name(slot));
  return found->second;
}

kernels::PackedMatrix WeightBuilder::matrix(int layer, Slot slot, int index) const {
  const Entry& found = entry({layer, slot, index}, WeightKind::kMatrix);
  return {arena_.data() + found.offset, found.format, found.rows, found.cols};
}

std::byte* WeightBuilder::matrix_data(int layer, Slot slot, int index) const {
  return arena_.data() + entry({layer, slot, index}, WeightKind::kMatrix).offset;
}

std::span<float> WeightBuilder::vector(int layer, Slot slot, int index) const {
  const Entry& found = entry({layer, slot, index}, WeightKind::kVector);
  return {reinterpret_cast<float*>(arena_.data() + found.offset),
          static_cast<std::size_t>(found.rows * found.cols)};
}

Weights WeightBuilder::finish() {
  Weights weights;
  for (const auto& [key, found] : entries_) {
    const auto& [layer, slot, index] = key;
    if (found.kind == WeightKind::kMatrix) {
      weights.matrices_.emplace(key, matrix(layer, slot, index));
    } else {
      weights.vectors_.emplace(key, vector(layer, slot, index));
    }
  }
  entries_.clear();
  weights.arena_ = std::move(arena_);
  return weights;
}

}  // namespace quire::models
