// A tiny model with random weights, its pages and states, and ways to run token lists through it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "models/model.h"

namespace quire::models {

// Weights as plain row-major numbers, for the reference.
using RawKey = std::tuple<int, Slot, int>;  // layer, slot, index
using RawWeights = std::map<RawKey, std::vector<float>>;

// Random values, rounded so that `dtype` holds them exactly; a function of seed, layer, slot,
// index.
RawWeights random_weights(const DecoderSpec& spec, std::uint64_t seed, DType dtype);
Weights pack_weights(const DecoderSpec& spec, const RawWeights& raw, DType dtype);

struct NamedSpec {
  std::string name;
  DecoderSpec spec;
};
inline void PrintTo(const NamedSpec& named, std::ostream* out) { *out << named.name; }
// One small spec for each family's set of blocks.
std::vector<NamedSpec> spec_zoo();

std::vector<std::int32_t> random_tokens(const DecoderSpec& spec, std::uint64_t seed, int count);

struct RunOptions {
  int page_tokens = 16;
  int threads = 1;
  kernels::Isa isa = kernels::Isa::kScalar;
  DType weight_dtype = DType::kF32;
  DType kv_dtype = DType::kF32;
  std::vector<int> chunks = {1 << 20};  // sizes of successive chunks, cycled
  int step_tokens_max = 256;
};

// Logits of every row of every sequence, [row * V] each.
using Logits = std::vector<std::vector<float>>;

// A model with memory for a few sequences. Fresh pages hold NaN; page numbers are scattered; pages
// behind a window leave the page table, as the cache frees them.
class Harness {
 public:
  Harness(const DecoderSpec& spec, const RawWeights& raw, const RunOptions& options);

  // Runs all sequences together from their first token on, each cut into chunks of its own cycle
  // (offset by its number), several sequences in a step.
  Logits run(const std::vector<std::vector<std::int32_t>>& sequences);

  // The same for sequences that begin with the same `shared` tokens, a multiple of the page size:
  // the first one computes them, the others take its pages and state. Rows from `shared` on.
  Logits run_forks(const std::vector<std::vector<std::int32_t>>& sequences, int shared);

  // The state of sequence `sequence` after run().
  std::vector<float> state(int sequence) const { return slot(sequence); }
  // Runs one sequence in one step, saving the state after each of the rows; a state for each.
  std::vector<std::vector<float>> saved_states(const std::vector<std::int32_t>& tokens,
                                               const std::vector<int>& rows);
  Model& model() { return *model_; }
  // Called right before and right behind each forward pass.
  std::function<void()> before_forward = [] {}, after_forward = [] {};

 private:
  static constexpr int kSequencesMax = 8;
  static constexpr int kTokensMax = 256;

  struct Part {
    int sequence = 0, done = 0, count = 0;
  };
  void reset();
  // Runs the sequences from done[i] tokens on to their ends.
  Logits finish(const std::vector<std::vector<std::int32_t>>& sequences, std::vector<int> done);
  void free_behind_windows(const Part& part);
  std::vector<float> step(const std::vector<std::vector<std::int32_t>>& sequences,
                          const std::vector<Part>& parts, const std::vector<StateSave>& saves);
  std::vector<float> slot(int number) const;

  RunOptions options_;
  int vocab_;
  std::unique_ptr<Model> model_;
  Team team_;
  std::vector<std::vector<std::byte>> pages_;                   // [group]
  std::vector<std::int64_t> page_bytes_;                        // [group]
  std::vector<std::vector<std::vector<std::int32_t>>> tables_;  // [sequence][group][page]
  std::vector<float> states_;
};

// Every instruction set that this machine has.
std::vector<kernels::Isa> supported_isas();

}  // namespace quire::models
