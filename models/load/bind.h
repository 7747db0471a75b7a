// Matches the tensors of a checkpoint to the slots of a spec: total on both sides, or an error.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/family.h"
#include "models/load/quantization.h"
#include "models/load/safetensors.h"

namespace quire::models {

// Where the elements of one weight lie: slot element (r, c) is tensor element
// first + r * row_stride + c * col_stride.
struct Binding {
  int layer = 0;
  Slot slot = Slot::kEmbed;
  int index = 0;
  WeightKind kind = WeightKind::kMatrix;
  const Checkpoint::Tensor* tensor = nullptr;
  std::int64_t first = 0;
  std::int64_t rows = 0, cols = 0;  // cols >= 1
  std::int64_t row_stride = 0, col_stride = 1;
  std::optional<AffineTensors> affine;  // the tensor holds codes; elements are counted unpacked

  bool is_transposed() const { return col_stride != 1; }
};

struct BoundCheckpoint {
  std::vector<SlotNeed> needs;     // of all layers; need i belongs to layers[i]
  std::vector<int> layers;         // -1: the model itself
  std::vector<Binding> bindings;   // need by need, index by index
  std::vector<std::string> notes;  // what was left out, for the log
  std::string prefix;              // {p} of the rules, as this checkpoint has it
};

// Finds for each need of the spec exactly one tensor of the right shape, and for each tensor a need
// or a reason to leave it out. Settles two things that only the checkpoint knows, in `spec`: the
// head is the file's own if it has one, and norms that the MLX layout stores with their offset lose
// it. Scales and biases of quantized tensors belong to them, without a rule of their own.
// `checkpoint` must outlive the result. Fails with the first fault and the count of the others;
// `faults`, unless null, takes every one.
Result<BoundCheckpoint> bind_checkpoint(const ModelFamily& family, const Checkpoint& checkpoint,
                                        const QuantizationConfig& quantization, DecoderSpec& spec,
                                        std::vector<Error>* faults = nullptr);

// The name under which MLX keeps all experts or heads of a slot as one tensor [count, rows, cols];
// empty where the family has no such name.
std::string stacked_name(const ModelFamily& family, Slot slot, std::string_view prefix, int layer);

// Glob with * for any run of characters.
bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace quire::models
