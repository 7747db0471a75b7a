// A loaded model as a function from the tokens of a step to logits. No scheduling, no ownership of
// pages: memory comes in as views.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/team.h"
#include "kernels/kernels.h"
#include "kernels/paged_kv.h"
#include "models/spec.h"
#include "models/weights.h"

namespace quire::models {

// Layers with the same page geometry and retention. The cache keeps one page table per sequence
// and group.
struct KvGroup {
  kernels::KvLayout layout;  // of one layer; page_tokens and dtype set by the engine
  std::int64_t window = 0;   // tokens visible, self included; 0 = everything is kept
  std::vector<int> layers;   // decoder layer numbers, in page order
  std::int64_t token_bytes() const {
    return layout.token_bytes() * static_cast<std::int64_t>(layers.size());
  }
};

// After the row at `row` (0-based within the sequence's rows) copy the working state to `slot`.
struct StateSave {
  int row = 0;
  std::int32_t slot = 0;
};

// The rows of one sequence in a step: consecutive tokens from `position` on.
struct SequenceInput {
  int row_begin = 0, row_count = 0;  // in the step's flat token list
  std::int64_t position = 0;         // of the first row
  // Tokens the sequence may come to, prompt and output; 0: the whole context. Decides the ropes
  // that depend on the length, once for the sequence, since cached keys are already rotated.
  std::int64_t length_max = 0;
  std::span<const std::span<const std::int32_t>> page_tables = {};  // [KV group][page]
  std::int32_t state_slot = -1;  // working state, read and advanced; -1: model has none
  std::span<const StateSave> state_saves = {};  // ascending rows
};

struct StepInput {
  std::span<const std::int32_t> tokens = {};  // [T]
  std::span<const SequenceInput> sequences = {};
  std::span<const int> logit_rows = {};  // rows of `tokens` that go through the head, ascending
  // Rows whose hidden state behind the final norm is wanted, ascending, and where they go.
  std::span<const int> hidden_rows = {};
  float* hidden = nullptr;  // [hidden_rows, D]
};

// Memory of the step, owned by the cache. kv_base and kv_page_bytes have one entry per KV group.
struct StepMemory {
  std::span<std::byte* const> kv_base = {};
  std::span<const std::int64_t> kv_page_bytes = {};
  kernels::StateSlots states = {};
};

struct ModelOptions {
  DType kv_dtype = DType::kF32;
  int page_tokens = 16;
  std::int64_t context_max = 0;  // longest sequence that will be served, for dynamic ropes
  int step_tokens_max = 2048;    // T never exceeds this
  kernels::Isa isa = kernels::Isa::kScalar;
  kernels::Arithmetic arithmetic = kernels::Arithmetic::kF32;
};

// One engine thread calls forward(); everything else is immutable.
class Model {
 public:
  // Validates nothing about the weights: the loader did. Allocates all scratch of a step.
  Model(DecoderSpec spec, Weights weights, const ModelOptions& options);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const DecoderSpec& spec() const;
  std::span<const KvGroup> kv_groups() const;
  // Sequences of different classes must not share pages: their keys are rotated differently.
  int length_class(std::int64_t length_max) const;
  // Bytes of one state slot over all recurrent layers, a multiple of 64; 0: none. A zeroed slot is
  // the state before the first token.
  std::int64_t state_bytes() const;
  std::size_t weight_bytes() const;
  // Weight bytes that one decode step of one token reads (active experts only).
  std::size_t step_weight_bytes() const;

  // logits: [logit_rows, V] f32, rows in the order of step.logit_rows. Every row's bits depend only
  // on its own sequence's tokens up to it. Writes keys, values and states through `memory`.
  void forward(const StepInput& step, const StepMemory& memory, Team& team, float* logits);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Elements of all weights, every expert counted.
std::int64_t parameter_count(const DecoderSpec& spec);

// Pages and states as a spec implies them, without weights: for planning memory and `inspect`.
std::vector<KvGroup> kv_groups_of(const DecoderSpec& spec, const ModelOptions& options);
std::int64_t state_bytes_of(const DecoderSpec& spec);

}  // namespace quire::models
