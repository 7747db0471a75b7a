// Downloads repositories of a Hugging Face hub, or of a mirror, into the cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/hub_cache.h"
#include "cli/options.h"

namespace quire::cli {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";
  std::string token;    // empty: none is sent
  std::string ca_file;  // empty: the system's authorities
  bool offline = false;
  bool force = false;              // fetch what is there, too
  std::vector<std::string> files;  // paths with * for any letters; empty: what a model needs
  int connections = 8;
  double silence_s = 30;
  // Files are fetched in parts of this size; a part that fails is tried again.
  std::uint64_t part_bytes = 16 << 20;
  int attempts = 5;
  double retry_s = 0.5;  // before the second attempt; doubles with each
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

// HF_ENDPOINT, HF_TOKEN (HF_TOKEN_PATH, HF_HOME/token), HF_HUB_OFFLINE; flags win over them.
HubOptions hub_options(const Options& options);

// A file of a repository: where it is kept and how its contents are checked.
struct HubFile {
  std::string path;
  std::string etag;  // name of the blob
  std::uint64_t bytes = 0;
  bool is_lfs = false;  // the etag is the SHA-256 of the contents, else git's SHA-1 of them
};

// The files that running a model needs, of all the paths of a repository: configuration, tokenizer,
// chat templates, and the weights. Where there is an index of shards, `model.safetensors` is left
// out; the caller fetches the shards that the index names.
bool is_small_model_file(std::string_view path);

struct PullResult {
  std::filesystem::path folder;  // of the snapshot
  std::string commit;
  std::uint64_t fetched_bytes = 0;  // from the network
};

// Brings what a model needs into the cache and points the revision's ref to it. What came before a
// failure stays, and the next call goes on from there. Errors say what to do next.
Result<PullResult> pull(const RepoName& name, const HubCache& cache, const HubOptions& options);

}  // namespace quire::cli
