// dtype: auto and f32 keep the file's weights (widening them is exact), bf16 converts.
#include "engine/precision.h"

namespace quire::engine {
namespace {

Status check_word(const char* field, const std::string& word) {
  for (const char* known : {"auto", "f32", "float32", "bf16", "bfloat16"}) {
    if (word == known) return {};
  }
  return fail_at(field, ErrorCode::kInvalid, "{} is auto, f32 or bf16, got '{}'", field, word);
}

bool is_f32(const std::string& word) { return word == "f32" || word == "float32"; }
bool is_bf16(const std::string& word) { return word == "bf16" || word == "bfloat16"; }

}  // namespace

Status check_precision(const EngineConfig& config) {
  QUIRE_TRY(check_word("dtype", config.dtype));
  if (config.kv_cache_dtype == "int8") return {};
  if (const Status good = check_word("kv_cache_dtype", config.kv_cache_dtype); !good) {
    return fail_at("kv_cache_dtype", ErrorCode::kInvalid,
                   "kv_cache_dtype is auto, f32, bf16 or int8, got '{}'", config.kv_cache_dtype);
  }
  return {};
}

Precision choose_precision(const EngineConfig& config, std::int64_t parameters) {
  const bool is_small = parameters < kSmallModelParameters;
  Precision precision;
  if (is_bf16(config.dtype)) precision.matrix_dtype = DType::kBf16;
  const bool is_exact = is_f32(config.dtype) || (config.dtype == "auto" && is_small);
  precision.arithmetic = is_exact ? kernels::Arithmetic::kF32 : kernels::Arithmetic::kFast;
  const bool has_f32_pages =
      is_f32(config.kv_cache_dtype) || (config.kv_cache_dtype == "auto" && is_exact);
  precision.kv_dtype = has_f32_pages ? DType::kF32 : DType::kBf16;
  if (config.kv_cache_dtype == "int8") precision.kv_dtype = DType::kI8;
  return precision;
}

}  // namespace quire::engine
