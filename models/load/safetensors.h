// Checkpoints in the safetensors format: strict headers, one file or shards with an index.
// Source: the format's documentation in the safetensors repository; every rule there is enforced.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "models/load/file.h"

namespace quire::models {

struct TensorInfo {
  std::string name;
  std::string dtype_word;      // as the file spells it
  std::optional<DType> dtype;  // none: a known word (F4, F8_E8M0 ...) without a DType of ours
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // first byte, from the start of the data section
  std::uint64_t bytes = 0;
};

// "[3, 4]", for messages.
std::string shape_text(const std::vector<std::int64_t>& shape);

struct SafetensorsLimits {
  std::uint64_t header_bytes = 100'000'000;
  std::size_t tensors = 1'000'000;
  std::size_t rank = 8;
};

// Reads a header. The tensors come in the order of their bytes and cover [0, data_bytes) without
// holes or overlaps; names differ; each shape times its element size is the tensor's byte count.
// Messages name the tensor and the value, not the file.
Result<std::vector<TensorInfo>> parse_safetensors_header(std::string_view header,
                                                         std::uint64_t data_bytes,
                                                         const SafetensorsLimits& limits = {});

// All tensors of a model folder and the open files that hold them.
class Checkpoint {
 public:
  // model.safetensors, or the shards of model.safetensors.index.json. Shard names must be plain
  // file names: nothing in an index leads out of the folder.
  static Result<Checkpoint> open(const std::filesystem::path& folder);

  struct Tensor {
    TensorInfo info;
    int file = 0;
    std::uint64_t file_offset = 0;  // of the tensor's first byte
  };
  const std::vector<Tensor>& tensors() const { return tensors_; }
  // Null when there is none.
  const Tensor* find(std::string_view name) const;
  const File& file_of(const Tensor& tensor) const {
    return files_[static_cast<std::size_t>(tensor.file)];
  }
  // Bytes [offset, offset + out.size()) of the tensor. REQUIRES: within the tensor.
  Status read(const Tensor& tensor, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  Status add_file(const std::filesystem::path& path);
  Status add_shards(const std::filesystem::path& folder, const std::string& index_text);

  std::vector<File> files_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

}  // namespace quire::models
