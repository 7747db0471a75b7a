// A FIFO or a device in a checkpoint must not hang the server: opened without blocking, then
// checked.
#include "models/text/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace quire::text {
namespace {

constexpr std::int64_t kFileBytesMax = std::int64_t{1} << 30;

class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<std::optional<std::string>> read_if_present(const std::string& path) {
  const Descriptor file(path);
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return fail(ErrorCode::kIo, "{}: {}", path, std::strerror(errno));
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) {
    return fail(ErrorCode::kIo, "{}: {}", path, std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::kInvalid, "{} is not a regular file", path);
  if (status.st_size > kFileBytesMax) {
    return fail(ErrorCode::kInvalid, "{} has {} bytes, more than {}", path, status.st_size,
                kFileBytesMax);
  }
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = read(file.get(), bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(ErrorCode::kIo, "{}: {}", path, std::strerror(errno));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

JsonLimits vocabulary_limits() {
  JsonLimits limits;
  limits.nodes = 20'000'000;
  limits.string_bytes = 64u << 20;
  return limits;
}

Result<Json> read_json_if_present(const std::string& path) {
  QUIRE_ASSIGN(const auto bytes, read_if_present(path));
  if (!bytes) return Json();
  auto json = parse_json(*bytes, vocabulary_limits());
  if (!json) return fail(json.error().code, "{}: {}", path, json.error().message);
  return json;
}

}  // namespace quire::text
