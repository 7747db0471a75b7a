// Writes safetensors whose tensors' sizes are known first and whose bytes come in any order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace quire::cli {

struct NewTensor {
  std::string name, dtype;  // dtype as the format spells it: BF16, U32 ...
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
};

// One checkpoint in a folder: model.safetensors, or shards of at most `shard_bytes` (a larger
// tensor has a shard of its own), and model.safetensors.index.json.
class SafetensorsWriter {
 public:
  static Result<std::unique_ptr<SafetensorsWriter>> create(const std::filesystem::path& folder,
                                                           std::vector<NewTensor> tensors,
                                                           std::uint64_t shard_bytes);
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // Bytes of the i-th tensor from `offset` on; any thread.
  Status write(std::size_t tensor, std::uint64_t offset, std::span<const std::byte> bytes);
  // Writes the index; the files are complete on the disk afterwards.
  Status finish();
  std::uint64_t bytes() const { return total_bytes_; }

 private:
  struct Shard {
    std::filesystem::path path;
    int fd = -1;
  };
  struct Place {
    std::size_t shard = 0;
    std::uint64_t offset = 0;  // in the file
  };
  explicit SafetensorsWriter(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Status open(std::uint64_t shard_bytes);
  Status open_shard(std::size_t shard, std::span<const std::size_t> members);

  const std::filesystem::path folder_;
  std::vector<NewTensor> tensors_;
  std::vector<Place> places_;
  std::vector<Shard> shards_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace quire::cli
