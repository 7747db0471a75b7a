// What the flags of the commands say; `serve` has its own settings, which chat and generate share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/settings.h"

namespace quire::cli {

struct Options {
  server::Settings settings;  // model, memory, scheduling, processor, log

  // Conversation and sampling. Negative numbers: the model's own defaults.
  std::string url, remote_model, client_key;
  std::string system, prompt, session, history, reasoning_effort;
  bool raw = false;  // no chat template
  double temperature = -1, top_p = -1, min_p = -1, repetition_penalty = -1;
  int top_k = -1;
  std::int64_t max_tokens = 0;  // 0: what the context leaves
  std::int64_t seed = -1;
  std::vector<std::string> stop;
  bool ignore_eos = false;

  // generate
  std::string batch;
  bool json = false;  // also of inspect, models, doctor, pull

  // hub
  std::string revision, cache_dir, endpoint, token, ca_file;
  bool offline = false, force = false;
  int connections = 8;
  double hub_timeout_s = 30;
  std::int64_t part_bytes = 16 << 20;
  int retries = 4;

  // quantize
  int bits = 4, group_size = 64;
  std::vector<std::string> mixed;
  std::string eval_text, shard_size = "5G";
  bool overwrite = false;

  // doctor, inspect
  double seconds = 2;
  bool tensors = false;

  // filters
  std::string template_file, now;
};

// Rows of the commands' own flags by name; CHECKs that each exists.
std::vector<const server::FlagSpec*> option_rows(std::string_view names);
// All of them.
std::span<const server::FlagSpec> option_specs();

}  // namespace quire::cli
