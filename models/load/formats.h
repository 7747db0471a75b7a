// In which format each weight of a checkpoint stays in memory.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "models/load/bind.h"

namespace quire::models {

// What loading makes of float matrices.
enum class LoadQuantization {
  kNone,
  kInt8,  // codes of 8 bits, a scale for each row
  kInt4,  // affine codes of 4 bits, bf16 scale and bias for 64 neighbours of a row
};
// "none", "int8" or "int4"; another word is refused with these.
Result<LoadQuantization> parse_quantization(std::string_view word);

struct FormatOptions {
  std::optional<DType> matrix_dtype;  // of float matrices; empty: as the file stores them
  LoadQuantization quantization = LoadQuantization::kNone;
};

// One format for each need, in order; all indices of a need share it.
//  - Quantized in the file: as it is. Needs that stay f32 are widened. What the file holds
//    transposed (latent keys in kv_b_proj) is widened to the type of its scales, because codes
//    cannot be turned around.
//  - Float: quantized if the options say so, else matrix_dtype, else the file's type; f32 where
//    the tensors of one need differ. Rows that 64 does not divide become int8 under kInt4.
// Refused: quantization of a quantized checkpoint, and indices quantized in different formats.
Result<std::vector<kernels::PackedFormat>> choose_formats(const BoundCheckpoint& bound,
                                                          const FormatOptions& options);

}  // namespace quire::models
