// A folder that appears under its name when it is complete, and not before.
#pragma once

#include <filesystem>
#include <memory>

#include "base/error.h"

namespace quire::cli {

// While it is written it lies beside its place as NAME.partial, locked against a second writer.
// What is not published is removed; what a killed writer left is removed by the next one.
class NewFolder {
 public:
  enum class Existing { kRefused, kReplaced };  // a checkpoint that the place already holds

  // kInvalid if the place holds something that must not be replaced; kIo names the path.
  static Result<std::unique_ptr<NewFolder>> create(const std::filesystem::path& place,
                                                   Existing existing);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const std::filesystem::path& path() const { return partial_; }
  // Gives the folder its name. In a folder that exists already the files move one by one,
  // config.json last: a folder that has one is complete.
  Status publish();

 private:
  NewFolder(std::filesystem::path place, std::filesystem::path partial)
      : place_(std::move(place)), partial_(std::move(partial)) {}

  const std::filesystem::path place_, partial_;
  int fd_ = -1;  // of the partial folder, with the lock
};

}  // namespace quire::cli
