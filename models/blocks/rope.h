// Rotary embeddings: frequencies with their scalings, and the cos and sin rows of a step.
#pragma once

#include <vector>

#include "models/blocks/step.h"

namespace quire::models {

// Angle per position of each pair, f32 as Transformers computes it (modeling_rope_utils.py), and
// the factor on cos and sin. length chooses the base of dynamic NTK and the list of longrope.
struct RopeFrequencies {
  std::vector<float> per_pair;  // [dims / 2]
  float amplitude = 1;
};
RopeFrequencies rope_frequencies(const Rope& rope, std::int64_t length);
// Sequences that never become longer than this have the frequencies of a short text.
std::int64_t short_length_max(const Rope& rope);

// sin and cos of a finite f32 angle, |angle| < 2^40, each within one unit in the last place, the
// same on every machine (the C library's depend on the processor).
struct SinCos {
  float sin = 0, cos = 0;
};
SinCos sin_cos_f32(float angle);

// The distinct ropes of a model with their tables for the step under way.
class RopeTables {
 public:
  // Returns the index of the rope among the distinct ones.
  int add(const Rope& rope, std::int64_t context_max);
  void carve(Carver& carver, int rows_max);
  // Fills the rows of all tables; one region.
  void fill(const Step& step) const;
  std::span<const RopeRows> rows() const { return rows_; }
  // How many of the ropes treat a sequence of this length as long: equal numbers, equal tables.
  int length_class(std::int64_t length_max) const;

 private:
  struct Table {
    Rope rope;
    std::int64_t short_max = 0;
    RopeFrequencies short_text, long_text;
    const RopeFrequencies& of(std::int64_t length_max) const {
      return length_max == 0 || length_max > short_max ? long_text : short_text;
    }
    float* cos = nullptr;
    float* sin = nullptr;
  };
  std::vector<Table> tables_;
  std::vector<RopeRows> rows_;
};

// Rotates the first dims of each of `heads` heads of a row of the step, in place.
struct HeadRow {
  float* x = nullptr;  // [heads, head_stride]
  std::int64_t heads = 0, head_stride = 0;
};
void rotate(const Step& step, int rope, bool interleaved, std::int64_t row, const HeadRow& heads);

}  // namespace quire::models
