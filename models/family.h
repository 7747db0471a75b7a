// A model family as a value: the names it answers to, how its config becomes a spec, its tensors.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "models/load/config.h"
#include "models/spec.h"
#include "models/weights.h"

namespace quire::models {

// One slot's part of a tensor. Transposed: the tensor holds [cols, rows] of the slot.
struct TensorPart {
  Slot slot = Slot::kEmbed;
  bool transposed = false;
};
constexpr TensorPart transposed(Slot slot) { return {slot, true}; }

// The slots that share a tensor, in the order of their rows.
class TensorParts {
 public:
  static constexpr std::size_t kMax = 4;
  constexpr TensorParts(Slot slot) : parts_{TensorPart{slot}}, count_(1) {}  // NOLINT: one slot
  constexpr TensorParts(std::initializer_list<TensorPart> parts) : count_(parts.size()) {
    for (std::size_t i = 0; i < count_; ++i) parts_[i] = parts.begin()[i];
  }
  constexpr const TensorPart* begin() const { return parts_.data(); }
  constexpr const TensorPart* end() const { return parts_.data() + count_; }
  constexpr std::size_t size() const { return count_; }

 private:
  std::array<TensorPart, kMax> parts_ = {};
  std::size_t count_;
};

// How a tensor holds its parts. R: the sum of the parts' rows, C: their columns, X: the index.
enum class TensorForm {
  kPlain,    // [R, C], or [R] for a vector; one tensor for each index when the name has {x}
  kStacked,  // [X, R, C]
  kMerged,   // [X*R, C]: for each index the rows of every part
  kConv,     // [C, 1, R] as Hugging Face has it, or [C, R, 1] as MLX has it; R taps, C channels
};

// One tensor of a checkpoint. In names {p} is the prefix that the checkpoint uses, {l} the layer
// and {x} the index of an expert or head. Several rules may name the same slot: exactly one of
// them must be in the checkpoint.
struct TensorRule {
  std::string_view name;
  TensorParts parts;
  TensorForm form = TensorForm::kPlain;
};
using TensorRules = std::span<const TensorRule>;

// Tensors that a checkpoint may hold and that text generation does not need; * matches anything.
struct IgnoredTensors {
  std::string_view pattern;
  std::string_view what;
};

struct ModelFamily {
  std::string_view name;
  std::string_view summary;  // one line for docs/models.md
  std::span<const std::string_view> model_types;
  std::span<const std::string_view> architectures;
  DecoderSpec (*parse)(const Config&);  // faults are recorded in the config
  std::span<const TensorRules> tensors;
  std::span<const std::string_view> prefixes;  // what {p} may be; tried in this order
  std::span<const IgnoredTensors> ignored = {};
  bool mtp_layers = false;       // layers past the last one predict further tokens: not loaded
  bool mlx_adds_offset = false;  // the MLX layout stores 1 + w where this one stores w
};

}  // namespace quire::models
