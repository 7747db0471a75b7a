// rename() of a whole folder where the place is free; else config.json is what makes it valid.
#include "cli/new_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace quire::cli {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kConfig = "config.json";

tl::unexpected<Error> io_error(const fs::path& path, const std::error_code& error) {
  return fail(ErrorCode::kIo, "{}: {}", path.string(), error.message());
}

// What a checkpoint consists of, config.json first.
Status remove_checkpoint(const fs::path& folder) {
  std::error_code error;
  fs::remove(folder / kConfig, error);
  if (error) return io_error(folder / kConfig, error);
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const fs::path& path = entry.path();
    if (path.extension() != ".safetensors" && path.extension() != ".json") continue;
    fs::remove(path, error);
    if (error) return io_error(path, error);
  }
  return error ? io_error(folder, error) : Status{};
}

Status move_into(const fs::path& from, const fs::path& place) {
  std::error_code error;
  const auto move = [&](const fs::path& name) -> Status {
    fs::rename(from / name, place / name, error);
    return error ? Status(io_error(place / name, error)) : Status{};
  };
  for (const auto& entry : fs::directory_iterator(from, error)) {
    const fs::path name = entry.path().filename();
    if (name == kConfig) continue;
    if (entry.is_directory(error)) fs::remove_all(place / name, error);
    QUIRE_TRY(move(name));
  }
  if (error) return io_error(from, error);
  return move(kConfig);
}

}  // namespace

Result<std::unique_ptr<NewFolder>> NewFolder::create(const fs::path& place, Existing existing) {
  std::error_code error;
  fs::path trimmed = place.lexically_normal();
  if (!trimmed.has_filename()) trimmed = trimmed.parent_path();
  if (fs::exists(trimmed, error) && !fs::is_directory(trimmed, error)) {
    return fail(ErrorCode::kInvalid, "{} is a file: name a folder that does not exist yet",
                trimmed.string());
  }
  if (existing == Existing::kRefused && fs::exists(trimmed / kConfig, error)) {
    return fail(ErrorCode::kInvalid,
                "{} already holds a model: --overwrite replaces it, or name another folder",
                trimmed.string());
  }
  std::unique_ptr<NewFolder> folder(new NewFolder(trimmed, trimmed.string() + ".partial"));
  const fs::path& partial = folder->partial_;
  fs::create_directories(partial, error);
  if (error) return io_error(partial, error);
  const int fd = ::open(partial.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(ErrorCode::kIo, "{}: {}", partial.string(), std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return fail(ErrorCode::kIo, "{}: another program writes there: wait for it to end",
                partial.string());
  }
  folder->fd_ = fd;
  for (const auto& entry : fs::directory_iterator(partial, error)) {
    fs::remove_all(entry.path(), error);
  }
  return folder;
}

NewFolder::~NewFolder() {
  if (fd_ < 0) return;
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
  ::close(fd_);
}

Status NewFolder::publish() {
  if (::fsync(fd_) != 0) {
    return fail(ErrorCode::kIo, "{}: {}", partial_.string(), std::strerror(errno));
  }
  std::error_code error;
  fs::rename(partial_, place_, error);  // also onto an empty folder
  if (error) {
    if (!fs::is_directory(place_)) return io_error(place_, error);
    QUIRE_TRY(remove_checkpoint(place_));
    QUIRE_TRY(move_into(partial_, place_));
    fs::remove_all(partial_, error);
  }
  ::close(fd_);
  fd_ = -1;
  return {};
}

}  // namespace quire::cli
