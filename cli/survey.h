// What can be told of a checkpoint without reading its weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/options.h"
#include "models/load/json.h"
#include "models/model.h"

namespace quire::cli {

// Weights in one format.
struct FormatShare {
  std::string format;         // in memory: "bf16", "affine4 g64" ...
  std::int64_t matrices = 0;  // with vectors counted as f32
  std::int64_t bytes = 0;     // in memory
};

struct TensorLine {
  std::string name, dtype, shape;
  std::uint64_t bytes = 0;
  bool is_claimed = false;
};

struct Survey {
  std::string folder, family;
  std::vector<std::string> problems;             // empty: it loads
  std::vector<std::string> notes;                // what is left out
  bool has_config = false, has_weights = false;  // were understood; else what follows is empty

  std::string model_type;
  models::DecoderSpec spec;
  std::int64_t parameters = 0;
  std::vector<std::string> layers;  // lines "0-4, 6: what they are"

  std::uint64_t file_bytes = 0;
  std::size_t tensor_count = 0, claimed_count = 0;
  std::vector<TensorLine> tensors;
  std::vector<std::pair<std::string, std::uint64_t>> stored;  // bytes by the file's dtype
  std::vector<FormatShare> formats;
  std::int64_t weight_bytes = 0;            // in memory
  std::int64_t weight_bytes_per_token = 0;  // read for one token: the active experts only

  std::string arithmetic, kv_dtype;
  std::vector<models::KvGroup> groups;
  std::int64_t kv_bytes_per_token = 0;  // of the groups that keep everything
  std::int64_t state_bytes = 0;
  std::int64_t memory_bytes = 0, available_bytes = 0;  // of the machine
  std::int64_t kv_budget_bytes = 0, context_fits = 0, kv_tokens = 0;
  bool has_tokenizer = false, has_template = false;
};

// Never fails as a whole: what goes wrong is in `problems`.
Survey survey_model(const std::string& folder, const server::Settings& settings);

std::string survey_text(const Survey& survey, const Options& options);
Json survey_json(const Survey& survey, const Options& options);

}  // namespace quire::cli
