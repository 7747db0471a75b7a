// Downloads of blobs: parts in parallel, resumed after a cut, checked before they count.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "cli/http_client.h"
#include "cli/hub.h"

namespace quire::cli {

struct Download {
  HubFile file;
  std::string url;
};

// Fetches every file that the cache lacks into its blob. While a blob is incomplete it lies beside
// its place as <etag>.parts, and <etag>.parts.done names the parts it has. One process at a time
// writes a blob: a lock file that huggingface_hub respects as well guards it.
// Errors: kIo for the network and the disk, kInvalid for a wrong checksum, kCancelled.
class Downloader {
 public:
  Downloader(const std::string& repo, const HubCache& cache, const HubOptions& options)
      : repo_(repo), cache_(cache), options_(options) {}

  Status run(const std::vector<Download>& downloads);
  std::uint64_t fetched_bytes() const { return fetched_; }

 private:
  class Target;
  struct Part {
    Target* target;
    std::uint64_t index;
  };

  Status work();
  bool take(Part& part);
  Status fetch_part(const Part& part);
  struct Attempt;
  Status fetch_attempt(const Part& part, Attempt& attempt);
  Status check_space(std::uint64_t missing_bytes) const;
  bool is_stopped() const;
  void count(std::uint64_t bytes);

  const std::string repo_;
  const HubCache& cache_;
  const HubOptions& options_;
  std::mutex mutex_;
  std::vector<Part> parts_;  // to do; the last goes first
  Status fault_;             // the first
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> done_{0}, fetched_{0};
  std::uint64_t total_ = 0;
};

// The text of a failed answer of the hub, with what to do next.
Error hub_error(const HttpReply& reply, const RepoName& name, const HubOptions& options);

// Fields that every request to the hub carries.
HttpCall hub_call(const std::string& url, const HubOptions& options);

// The answer to a small request, asked again where a later attempt may do better. What cannot be
// reached is kIo with what to do next.
Result<HttpReply> hub_answer(const HttpCall& call, const HubOptions& options);

// Attempts with growing pauses between them.
class Patience {
 public:
  explicit Patience(const HubOptions& options) : options_(options), pause_s_(options.retry_s) {}

  // Something came: what follows counts as the first attempt.
  void renew();
  // False when no attempt is left, or when it was cancelled or `stopped`; else waits, for as long
  // as the hub asked (Retry-After) if that is longer.
  bool wait(const HttpReply* reply, const std::atomic<bool>& stopped);

 private:
  const HubOptions& options_;
  double pause_s_;
  int attempt_ = 1;
};

}  // namespace quire::cli
