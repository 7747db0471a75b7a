// dtype: auto and f32 keep the file's weights (widening them is exact), bf16 and f16 convert.
#include "engine/precision.h"

namespace quire::engine {
namespace {

bool is_f32(const std::string& word) { return word == "f32" || word == "float32"; }
bool is_bf16(const std::string& word) { return word == "bf16" || word == "bfloat16"; }
bool is_f16(const std::string& word) { return word == "f16" || word == "float16"; }

}  // namespace

Status check_precision(const EngineConfig& config) {
  const std::string& dtype = config.dtype;
  if (dtype != "auto" && !is_f32(dtype) && !is_bf16(dtype) && !is_f16(dtype)) {
    return fail_at("dtype", ErrorCode::kInvalid, "dtype is auto, f32, bf16 or f16, got '{}'",
                   dtype);
  }
  const std::string& pages = config.kv_cache_dtype;
  if (pages != "auto" && !is_f32(pages) && !is_bf16(pages) && pages != "int8") {
    return fail_at("kv_cache_dtype", ErrorCode::kInvalid,
                   "kv_cache_dtype is auto, f32, bf16 or int8, got '{}'", pages);
  }
  return {};
}

Precision choose_precision(const EngineConfig& config, std::int64_t parameters) {
  const bool is_small = parameters < kSmallModelParameters;
  Precision precision;
  if (is_bf16(config.dtype)) precision.matrix_dtype = DType::kBf16;
  if (is_f16(config.dtype)) precision.matrix_dtype = DType::kF16;
  const bool is_exact = is_f32(config.dtype) || (config.dtype == "auto" && is_small);
  precision.arithmetic = is_exact ? kernels::Arithmetic::kF32 : kernels::Arithmetic::kFast;
  const bool has_f32_pages =
      is_f32(config.kv_cache_dtype) || (config.kv_cache_dtype == "auto" && is_exact);
  precision.kv_dtype = has_f32_pages ? DType::kF32 : DType::kBf16;
  if (config.kv_cache_dtype == "int8") precision.kv_dtype = DType::kI8;
  return precision;
}

}  // namespace quire::engine
