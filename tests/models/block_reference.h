// The blocks' formulas written down once more, in double and in the most direct form: whole
// sequences, no pages, no states, latent attention expanded, experts one token at a time.
#pragma once

#include <vector>

#include "tests/models/decoder_harness.h"

namespace quire::models {

// Logits of every row, [T * V].
std::vector<double> reference_logits(const DecoderSpec& spec, const RawWeights& raw,
                                     const std::vector<std::int32_t>& tokens);

}  // namespace quire::models
