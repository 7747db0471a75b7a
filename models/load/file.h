// Files of a checkpoint: opened once, regular files only, read by position.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/error.h"

namespace quire::models {

// One open file. Reads are positional, so any number of threads may share it.
//
// Files are read, not mapped: a file that is truncated while it is in use is then a short read,
// which is an error, and not a SIGBUS, which is the end of the process. It also means that no
// source page ever counts as the server's memory.
class File {
 public:
  // Refuses FIFOs, devices and directories without blocking on them. Symbolic links are followed:
  // the Hugging Face cache consists of them.
  static Result<File> open(const std::filesystem::path& path);
  ~File();
  File(File&& other) noexcept
      : path_(std::move(other.path_)), fd_(other.fd_), bytes_(other.bytes_) {
    other.fd_ = -1;
  }
  File& operator=(File&&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }  // when it was opened
  // Fills `out` from `offset`, or says which bytes are not there.
  Status read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  File(std::string path, int fd, std::uint64_t bytes)
      : path_(std::move(path)), fd_(fd), bytes_(bytes) {}

  std::string path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

// The whole file as text; larger files than `bytes_max` are refused.
Result<std::string> read_text_file(const std::filesystem::path& path, std::uint64_t bytes_max);

}  // namespace quire::models
