// Workers take parts of all files from one list, large files first.
#include "cli/download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "cli/checksum.h"
#include "cli/progress.h"

namespace quire::cli {
namespace fs = std::filesystem;

namespace {

tl::unexpected<Error> disk_error(const fs::path& path, int number) {
  if (number == ENOSPC || number == EFBIG || number == EDQUOT) {
    return fail(ErrorCode::kIo,
                "{}: the disk is full ({}); make room, or choose another disk with --cache-dir, "
                "and run the command again: it goes on where it stopped",
                path.string(), std::strerror(number));
  }
  return fail(ErrorCode::kIo, "{}: {}", path.string(), std::strerror(number));
}

// An open file that is closed.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> open_file(const fs::path& path, int flags) {
  Descriptor file(::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) return disk_error(path, errno);
  return file;
}

Status write_at(const Descriptor& file, const fs::path& path, std::uint64_t at,
                std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return disk_error(path, errno);
    at += static_cast<std::uint64_t>(count);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

// Whether a later attempt may get another answer.
bool may_pass(int status) { return status == 408 || status == 429 || status >= 500; }

// Seconds of a Retry-After field; a date, or none, is 0.
double retry_after(const HttpReply& reply) {
  constexpr double kLongest = 600;
  const std::string text = reply.field("retry-after");
  int seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return parsed.ec == std::errc() ? std::clamp<double>(seconds, 0, kLongest) : 0;
}

}  // namespace

void Patience::renew() {
  attempt_ = 1;
  pause_s_ = options_.retry_s;
}

bool Patience::wait(const HttpReply* reply, const std::atomic<bool>& stopped) {
  const auto is_over = [&] {
    return stopped.load() || (options_.cancelled != nullptr && options_.cancelled->load());
  };
  if (is_over() || attempt_ >= options_.attempts) return false;
  const double asked = reply == nullptr ? 0 : retry_after(*reply);
  if (asked > pause_s_) log(LogLevel::kWarning, "the hub asks to wait for {} s", asked);
  const Time end = SteadyClock().now() + from_seconds(std::max(pause_s_, asked));
  while (!is_over() && SteadyClock().now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  pause_s_ *= 2;
  ++attempt_;
  return !is_over();
}

Result<HttpReply> hub_answer(const HttpCall& call, const HubOptions& options) {
  static const std::atomic<bool> kNever{false};
  Patience patience(options);
  while (true) {
    Result<HttpReply> reply = http_call(call);
    if (reply && !may_pass(reply->status)) return reply;
    const bool is_final = !reply && reply.error().code != ErrorCode::kIo;
    // Names and certificates do not change while we wait; a cut or refused connection may.
    if (is_final || !patience.wait(reply ? &*reply : nullptr, kNever)) {
      if (!reply && reply.error().code == ErrorCode::kIo) {
        reply.error().message += fmt::format(
            " (is {} reachable from here? Another hub: --endpoint or HF_ENDPOINT; a "
            "proxy: https_proxy; only what the cache has: --offline)",
            options.endpoint);
      }
      return reply;
    }
  }
}

// One blob in the making. Construct, open(), then parts from any thread, then nothing: the last
// part finishes it.
class Downloader::Target {
 public:
  Target(const Download& download, fs::path blob, fs::path lock, std::uint64_t part_bytes)
      : download_(download),
        blob_(std::move(blob)),
        lock_path_(std::move(lock)),
        parts_path_(blob_.string() + ".parts"),
        done_path_(blob_.string() + ".parts.done"),
        part_bytes_(part_bytes) {}

  const Download& download() const { return download_; }
  std::uint64_t part_count() const {
    return std::max<std::uint64_t>(1, (download_.file.bytes + part_bytes_ - 1) / part_bytes_);
  }
  std::uint64_t part_begin(std::uint64_t index) const { return index * part_bytes_; }
  std::uint64_t part_size(std::uint64_t index) const {
    return std::min(part_bytes_,
                    download_.file.bytes - std::min(download_.file.bytes, part_begin(index)));
  }
  bool has_part(std::uint64_t index) const { return has_[index]; }

  // Waits for the lock, then reads which parts are there. True: the blob is already complete.
  Result<bool> open(bool anew) {
    std::error_code error;
    fs::create_directories(blob_.parent_path(), error);
    fs::create_directories(lock_path_.parent_path(), error);
    QUIRE_ASSIGN(lock_, open_file(lock_path_, O_RDWR));
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      log(LogLevel::kWarning, "{}: another program downloads it: waiting", download_.file.path);
      while (::flock(lock_.get(), LOCK_EX) != 0 && errno == EINTR) continue;
    }
    if (anew) fs::remove(blob_, error);
    if (fs::exists(blob_, error)) return true;
    QUIRE_ASSIGN(parts_, open_file(parts_path_, O_RDWR));
    QUIRE_ASSIGN(done_, open_file(done_path_, O_RDWR));
    has_.assign(part_count(), false);
    left_ = part_count();
    read_done();
    return false;
  }

  Status write(std::uint64_t at, std::string_view bytes) {
    return write_at(parts_, parts_path_, at, bytes);
  }

  // The part is in its place; the last one has the blob checked and named.
  Status complete(std::uint64_t index) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t word = index + 1;
    QUIRE_TRY(write_at(done_, done_path_, written_, {reinterpret_cast<const char*>(&word), 8}));
    written_ += 8;
    has_[index] = true;
    return --left_ > 0 ? Status{} : finish();
  }

  // With all parts there before anything was fetched.
  Status finish_if_complete() { return left_ > 0 ? Status{} : finish(); }

 private:
  // The journal: a head that says what it belongs to, then one word for each part.
  void read_done() {
    std::uint64_t word = 0;
    const std::uint64_t head = part_bytes_;
    bool fits = ::pread(done_.get(), &word, 8, 0) == 8 && word == head;
    if (!fits && (::ftruncate(done_.get(), 0) != 0 || ::pwrite(done_.get(), &head, 8, 0) != 8)) {
      log(LogLevel::kWarning, "{}: cannot be written; the download cannot be resumed later",
          done_path_.string());
    }
    written_ = 8;
    while (fits && ::pread(done_.get(), &word, 8, static_cast<off_t>(written_)) == 8) {
      if (word == 0 || word > part_count()) break;
      if (!has_[word - 1]) --left_;
      has_[word - 1] = true;
      written_ += 8;
    }
  }

  Status finish() {
    const HubFile& file = download_.file;
    QUIRE_ASSIGN(const std::string sum,
                 file.is_lfs ? sha256_of_file(parts_path_) : git_sha1_of_file(parts_path_));
    std::error_code error;
    if (sum != file.etag) {
      fs::remove(parts_path_, error);
      fs::remove(done_path_, error);
      return fail(ErrorCode::kInvalid,
                  "{}: the contents have the checksum {}, the hub says {}; they were thrown away, "
                  "run the command again",
                  file.path, sum, file.etag);
    }
    if (::fsync(parts_.get()) != 0) return disk_error(parts_path_, errno);
    fs::rename(parts_path_, blob_, error);
    if (error) return fail(ErrorCode::kIo, "{}: {}", blob_.string(), error.message());
    fs::remove(done_path_, error);
    return {};
  }

  const Download& download_;
  const fs::path blob_, lock_path_, parts_path_, done_path_;
  const std::uint64_t part_bytes_;
  Descriptor lock_, parts_, done_;
  std::mutex mutex_;
  std::vector<bool> has_;
  std::uint64_t left_ = 0, written_ = 0;
};

bool Downloader::is_stopped() const {
  return failed_.load() || (options_.cancelled != nullptr && options_.cancelled->load());
}

void Downloader::count(std::uint64_t bytes) {
  done_ += bytes;
  if (options_.progress) options_.progress(done_.load(), total_);
}

bool Downloader::take(Part& part) {
  const std::lock_guard lock(mutex_);
  if (parts_.empty()) return false;
  part = parts_.back();
  parts_.pop_back();
  return true;
}

struct Downloader::Attempt {
  std::uint64_t done = 0;          // bytes of the part, over all attempts
  bool is_fatal = false;           // no later attempt can mend it
  std::optional<HttpReply> reply;  // one that was no success
};

// Appends to the part from attempt.done on, and moves it forward.
Status Downloader::fetch_attempt(const Part& part, Attempt& attempt) {
  std::uint64_t& done = attempt.done;
  Target& target = *part.target;
  const std::uint64_t begin = target.part_begin(part.index), size = target.part_size(part.index);
  HttpCall call = hub_call(target.download().url, options_);
  const bool is_whole = target.part_count() == 1 && done == 0;
  if (!is_whole) {
    call.fields.emplace_back("Range", fmt::format("bytes={}-{}", begin + done, begin + size - 1));
  }
  std::uint64_t skip = 0;  // of an answer that begins at the file's beginning
  bool has_begun = false;
  const auto sink = [&](const HttpReply& head, std::string_view bytes) -> Status {
    if (!has_begun && head.status == 200) skip = begin + done;  // the server knows no ranges
    has_begun = true;
    const std::size_t drop = std::min<std::uint64_t>(skip, bytes.size());
    skip -= drop;
    bytes.remove_prefix(drop);
    bytes = bytes.substr(0, size - done);
    if (is_stopped()) return fail(ErrorCode::kCancelled, "cancelled");
    if (bytes.empty()) {
      return done == size ? fail(ErrorCode::kCancelled, "enough") : Status{};
    }
    if (const Status written = target.write(begin + done, bytes); !written) {
      attempt.is_fatal = true;
      return written;
    }
    done += bytes.size();
    fetched_ += bytes.size();
    count(bytes.size());
    return {};
  };
  const auto reply = http_call(call, sink);
  if (done == size && (reply || reply.error().code == ErrorCode::kCancelled)) return {};
  if (!reply) return tl::unexpected<Error>(reply.error());
  if (reply->status == 200 || reply->status == 206) {
    return fail(ErrorCode::kIo, "{}: the answer ended after {} of {} bytes",
                target.download().file.path, begin + done, target.download().file.bytes);
  }
  attempt.is_fatal = !may_pass(reply->status);
  attempt.reply = *reply;
  return tl::unexpected<Error>(hub_error(*reply, {repo_, "main"}, options_));
}

Status Downloader::fetch_part(const Part& part) {
  Attempt attempt;
  Patience patience(options_);
  while (true) {
    const std::uint64_t before = attempt.done;
    attempt.reply.reset();
    Status fetched = fetch_attempt(part, attempt);
    if (fetched) return part.target->complete(part.index);
    if (attempt.done > before) patience.renew();  // it moves: only standstill is counted
    if (attempt.is_fatal || is_stopped()) return fetched;
    log(LogLevel::kInfo, "{}; trying again", fetched.error().message);
    if (!patience.wait(attempt.reply ? &*attempt.reply : nullptr, failed_)) return fetched;
  }
}

Status Downloader::work() {
  Part part{};
  while (!is_stopped() && take(part)) QUIRE_TRY(fetch_part(part));
  return {};
}

Status Downloader::check_space(std::uint64_t missing_bytes) const {
  struct statvfs disk {};
  if (::statvfs(cache_.root().c_str(), &disk) != 0) return {};
  const std::uint64_t room = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (room >= missing_bytes) return {};
  return fail(ErrorCode::kIo,
              "{} more are needed, but {} has {} free; make room, or choose another disk with "
              "--cache-dir",
              bytes_text(missing_bytes), cache_.root().string(), bytes_text(room));
}

Status Downloader::run(const std::vector<Download>& downloads) {
  std::vector<std::unique_ptr<Target>> targets;
  std::set<std::string> seen;
  std::uint64_t missing = 0;
  for (const Download& download : downloads) {
    const HubFile& file = download.file;
    if (!seen.insert(file.etag).second) continue;  // two paths with the same contents
    total_ += file.bytes;
    auto target = std::make_unique<Target>(download, cache_.blob(repo_, file.etag),
                                           cache_.lock(repo_, file.etag), options_.part_bytes);
    QUIRE_ASSIGN(const bool is_complete, target->open(options_.force));
    if (is_complete) {
      done_ += file.bytes;
      continue;
    }
    for (std::uint64_t index = target->part_count(); index-- > 0;) {
      if (target->has_part(index)) {
        done_ += target->part_size(index);
      } else {
        parts_.push_back({target.get(), index});
        missing += target->part_size(index);
      }
    }
    QUIRE_TRY(target->finish_if_complete());
    targets.push_back(std::move(target));
  }
  QUIRE_TRY(check_space(missing));
  if (options_.progress && missing > 0) options_.progress(done_.load(), total_);
  std::vector<std::thread> workers;
  const auto count =
      std::min<std::size_t>(parts_.size(), static_cast<std::size_t>(options_.connections));
  for (std::size_t i = 0; i < count; ++i) {
    workers.emplace_back([this] {
      const Status worked = work();
      if (worked) return;
      const std::lock_guard lock(mutex_);
      if (fault_) fault_ = worked;
      failed_ = true;
    });
  }
  for (std::thread& worker : workers) worker.join();
  if (options_.cancelled != nullptr && options_.cancelled->load()) {
    return fail(ErrorCode::kCancelled, "cancelled");
  }
  return fault_;
}

}  // namespace quire::cli
