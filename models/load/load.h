// Loads a model folder: config.json and safetensors become a spec and packed weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "models/load/formats.h"
#include "models/spec.h"
#include "models/weights.h"

namespace quire::models {

struct LoadOptions {
  // Of float matrices in memory: f32, bf16 or f16. Empty: as the file stores each.
  std::optional<DType> matrix_dtype = {};
  // Of a float checkpoint; see models/load/formats.h. --quantization
  LoadQuantization quantization = LoadQuantization::kNone;
  bool allow_unknown_config = false;     // --allow-unknown-config
  std::uint64_t memory_limit_bytes = 0;  // of the weights; 0: the machine's memory
  // Called from loading threads, one at a time, with bytes read of all bytes.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

// What generation_config.json recommends; an absent value leaves the server's own default.
struct GenerationDefaults {
  std::optional<bool> do_sample;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
};

struct LoadedModel {
  std::string family;
  DecoderSpec spec;
  Weights weights;
  std::vector<std::int32_t> eos_ids;  // ascending; generation_config.json before config.json
  GenerationDefaults defaults;
  // Of config and weights (names, types, shapes and bytes) and of their formats in memory, not of
  // their place: a cached page is valid for exactly the models with this fingerprint.
  Hash128 fingerprint;
  std::uint64_t file_bytes = 0;  // of all tensors in the files
};

// The spec that config.json asks for, without weights.
struct ParsedConfig {
  const struct ModelFamily* family = nullptr;
  DecoderSpec spec;
  std::vector<std::int64_t> eos_ids;  // of config.json, within the vocabulary
  QuantizationConfig quantization;
};
Result<ParsedConfig> parse_model_config(const std::string& text, bool allow_unknown);

// Messages begin with the file at fault.
Result<LoadedModel> load_model(const std::filesystem::path& folder, const LoadOptions& options);

}  // namespace quire::models
