// Writes model folders for tests: safetensors files, shards and their index.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "models/load/json.h"

namespace quire::testing {

// A folder of its own, removed at the end of the scope.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "quire-test-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr, "cannot make {}", name);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
}

// A tensor as a file holds it.
struct RawTensor {
  std::string name;
  std::string dtype = "F32";  // as safetensors spells it
  std::vector<std::int64_t> shape;
  std::string bytes;
};

inline RawTensor f32_tensor(std::string name, std::vector<std::int64_t> shape,
                            const std::vector<float>& values) {
  return {std::move(name), "F32", std::move(shape),
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float))};
}

// Header and data, built as the format's documentation says.
inline std::string safetensors_bytes(const std::vector<RawTensor>& tensors) {
  Json header = Json::object();
  header["__metadata__"] = {{"format", "pt"}};
  std::string data;
  for (const RawTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  std::string text = dump_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + data;
}

// The tensors dealt out to `count` shards in turn, with an index.
inline void write_shards(const std::filesystem::path& folder, const std::vector<RawTensor>& tensors,
                         std::size_t count) {
  std::vector<std::vector<RawTensor>> shards(count);
  Json map = Json::object();
  const auto name_of = [&](std::size_t shard) {
    return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, count);
  };
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    shards[i % count].push_back(tensors[i]);
    map[tensors[i].name] = name_of(i % count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    write_file(folder / name_of(i), safetensors_bytes(shards[i]));
  }
  write_file(folder / "model.safetensors.index.json",
             dump_json({{"metadata", Json::object()}, {"weight_map", map}}));
}

}  // namespace quire::testing
