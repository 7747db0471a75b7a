// What the engine is started with, and what it reports about the loaded model.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"

namespace quire::engine {

struct EngineConfig {
  std::string model;  // checkpoint folder
  // auto, f32, bf16: how matmuls compute; see engine/precision.h.
  std::string dtype = "auto";
  // none, int8, int4: what loading makes of a float checkpoint's matrices; models/load/formats.h.
  std::string quantization = "none";
  std::string kv_cache_dtype = "auto";   // auto, f32, bf16, int8
  std::string kv_cache_memory = "auto";  // bytes with K, M, G, or a share of memory ("30%")
  bool kv_cache_prefault = false;        // its memory is taken at start, not at first use
  std::string isa = "auto";              // auto, scalar, avx2, avx512
  int threads = 0;                       // 0: the processors this process may use
  int block_size = 16;                   // tokens per page: 16, 32, 48 or 64
  int max_num_seqs = 64;
  int max_num_waiting = 256;
  std::int64_t max_waiting_tokens = 2'000'000;  // of the prompts that run and wait
  int max_num_batched_tokens = 512;
  std::int64_t max_model_len = 0;  // 0: what the model says, within memory
  double step_target_ms = 100;
  bool prefix_cache = true;
  bool allow_unknown_config = false;
  std::string speculation = "ngram";  // none, ngram
  int max_draft_tokens = 4;
  int max_logprobs = 20;
  int debug_preempt_every = 0;                     // steps; test knob
  int debug_chunk_tokens = 0;                      // fixed prefill chunk; test knob
  int invariant_check_every = 1024;                // steps
  std::function<void(double done)> progress = {};  // loading, 0 to 1
};

// Facts of the loaded model for banners, /v1/models, /props and request defaults.
struct ModelCard {
  std::string family;
  std::vector<std::string> media;  // what it reads besides text: "image", "audio"
  std::string folder;
  std::int64_t context_max = 0;
  int vocab = 0;
  std::int64_t hidden = 0;  // D
  std::vector<std::int32_t> eos_ids;
  // Sampling defaults of generation_config.json, by field name (temperature, top_p ...).
  std::map<std::string, double> generation_defaults;
  std::string isa;
  int threads = 0;
  std::string weights_dtype;  // formats in memory, "bf16" or "affine4 g64, bf16"
  std::string arithmetic;     // "f32" or "fast"
  std::string kv_dtype;
  std::int64_t weight_bytes = 0, kv_bytes = 0, kv_tokens = 0, state_slots = 0;
  std::int64_t kv_bytes_per_token = 0;
  int block_size = 0;
  double read_bytes_per_second = 0;  // of memory, measured with the engine's threads; 0: unknown
  int max_num_seqs = 0;
  std::string fingerprint;
};

}  // namespace quire::engine
