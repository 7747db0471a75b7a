// POSIX files behind Result.
#include "models/load/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace quire::models {

Result<File> File::open(const std::filesystem::path& path) {
  const std::string name = path.string();
  if (name.find('\0') != std::string::npos) {
    return fail(ErrorCode::kInvalid, "file name \"{}\" contains NUL", name.c_str());
  }
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    const int error = errno;
    const ErrorCode code = error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return fail_at(name, code, "cannot open {}: {}", name, std::strerror(error));
  }
  File file(name, fd, 0);  // closes on every return below
  struct stat status = {};
  if (::fstat(fd, &status) != 0) {
    return fail_at(name, ErrorCode::kIo, "cannot read the status of {}: {}", name,
                   std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail_at(name, ErrorCode::kInvalid, "{} is not a regular file", name);
  }
  file.bytes_ = static_cast<std::uint64_t>(status.st_size);
  return file;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Status File::read(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd_, out.data() + done, std::min(out.size() - done, std::size_t{1} << 30),
                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return fail_at(path_, ErrorCode::kIo, "cannot read {} at byte {}: {}", path_, offset + done,
                     std::strerror(errno));
    }
    if (got == 0) {
      return fail_at(path_, ErrorCode::kIo, "{} ends at byte {}, {} bytes were expected from {}",
                     path_, offset + done, out.size(), offset);
    }
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Result<std::string> read_text_file(const std::filesystem::path& path, std::uint64_t bytes_max) {
  QUIRE_ASSIGN(const File file, File::open(path));
  if (file.bytes() > bytes_max) {
    return fail_at(file.path(), ErrorCode::kInvalid, "{} has {} bytes, more than {}", file.path(),
                   file.bytes(), bytes_max);
  }
  std::string text(static_cast<std::size_t>(file.bytes()), '\0');
  QUIRE_TRY(file.read(0, std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace quire::models
