// A model folder: which files hold the tensors, and reading them.
#include "models/load/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "models/load/json.h"

namespace quire::models {
namespace {

constexpr std::size_t kShardsMax = 10'000;
constexpr std::uint64_t kIndexBytesMax = 256u << 20;

// The same error with the file's name in front.
tl::unexpected<Error> in_file(const std::string& path, Error error) {
  error.message = fmt::format("{}: {}", path, error.message);
  error.param = path;
  return tl::unexpected<Error>(std::move(error));
}

struct Header {
  std::vector<TensorInfo> tensors;
  std::uint64_t data_begin = 0;
};

Result<Header> read_header(const File& file) {
  static_assert(std::endian::native == std::endian::little, "sizes are read as they lie");
  const SafetensorsLimits limits;
  std::uint64_t header_bytes = 0;
  if (file.bytes() < sizeof header_bytes) {
    return fail(ErrorCode::kInvalid, "{} bytes are no safetensors file", file.bytes());
  }
  QUIRE_TRY(file.read(0, std::as_writable_bytes(std::span(&header_bytes, 1))));
  if (header_bytes > limits.header_bytes) {
    return fail(ErrorCode::kInvalid, "header of {} bytes exceeds {}", header_bytes,
                limits.header_bytes);
  }
  if (header_bytes > file.bytes() - sizeof header_bytes) {
    return fail(ErrorCode::kInvalid, "header of {} bytes exceeds the file of {}", header_bytes,
                file.bytes());
  }
  std::string text(static_cast<std::size_t>(header_bytes), '\0');
  QUIRE_TRY(file.read(sizeof header_bytes, std::as_writable_bytes(std::span(text))));
  Header header{.tensors = {}, .data_begin = sizeof header_bytes + header_bytes};
  QUIRE_ASSIGN(header.tensors,
               parse_safetensors_header(text, file.bytes() - header.data_begin, limits));
  return header;
}

Status check_shard_name(const std::string& name) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain) {
    return fail(ErrorCode::kInvalid, "shard name \"{}\" is not a plain file name", name.c_str());
  }
  if (!name.ends_with(".safetensors")) {
    return fail(ErrorCode::kInvalid, "shard \"{}\" is not a .safetensors file", name);
  }
  return {};
}

// One error of several files, of which there are `count`.
Error joined(const std::vector<Error>& faults, std::size_t count) {
  constexpr std::size_t kShown = 20;
  Error error = faults.front();
  for (std::size_t i = 1; i < std::min(faults.size(), kShown); ++i) {
    error.message += "; " + faults[i].message;
  }
  if (faults.size() > 1) {
    error.message += fmt::format(" ({} of {} shards are not usable)", faults.size(), count);
  }
  return error;
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const std::filesystem::path& folder) {
  Checkpoint checkpoint;
  std::error_code ignored;
  const auto single = folder / "model.safetensors";
  const auto index = folder / "model.safetensors.index.json";
  if (std::filesystem::exists(single, ignored)) {
    QUIRE_TRY(checkpoint.add_file(single));
  } else if (std::filesystem::exists(index, ignored)) {
    QUIRE_ASSIGN(const std::string text, read_text_file(index, kIndexBytesMax));
    if (const Status added = checkpoint.add_shards(folder, text); !added) {
      return added.error().param.empty() ? in_file(index.string(), added.error())
                                         : tl::unexpected<Error>(added.error());
    }
  } else {
    return fail_at(folder.string(), ErrorCode::kNotFound,
                   "{} has neither model.safetensors nor model.safetensors.index.json "
                   "(other weight formats, such as .bin or .gguf, are not read)",
                   folder.string());
  }
  return checkpoint;
}

Status Checkpoint::add_file(const std::filesystem::path& path) {
  QUIRE_ASSIGN(File file, File::open(path));
  Result<Header> header = read_header(file);
  if (!header) return in_file(file.path(), header.error());
  for (TensorInfo& info : header->tensors) {
    const auto [at, is_new] = by_name_.try_emplace(info.name, tensors_.size());
    if (!is_new) {
      return fail_at(file.path(), ErrorCode::kInvalid, "{}: tensor \"{}\" is also in {}",
                     file.path(), info.name, file_of(tensors_[at->second]).path());
    }
    const std::uint64_t offset = header->data_begin + info.begin;
    tensors_.push_back({std::move(info), static_cast<int>(files_.size()), offset});
  }
  files_.push_back(std::move(file));
  return {};
}

Status Checkpoint::add_shards(const std::filesystem::path& folder, const std::string& index_text) {
  QUIRE_ASSIGN(const Json index, parse_json(index_text, {.nodes = 4'000'000}));
  const Json* map = find_member(index, "weight_map");
  if (map == nullptr || !map->is_object()) {
    return fail(ErrorCode::kInvalid, "weight_map must be an object");
  }
  std::unordered_map<std::string, std::string> shard_of;
  std::vector<std::string> shards;
  for (const auto& [tensor, shard] : map->items()) {
    QUIRE_ASSIGN(const std::string name,
                 json_string(shard, fmt::format("weight_map[\"{}\"]", tensor)));
    if (shards.empty() || shards.back() != name) shards.push_back(name);
    shard_of.emplace(tensor, name);
  }
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  if (shards.size() > kShardsMax) {
    return fail(ErrorCode::kInvalid, "{} shards exceed {}", shards.size(), kShardsMax);
  }
  for (const std::string& name : shards) QUIRE_TRY(check_shard_name(name));
  std::vector<Error> faults;  // of files; all are told
  for (const std::string& name : shards) {
    const std::size_t first = tensors_.size();
    if (const Status added = add_file(folder / name); !added) {
      faults.push_back(added.error());
      continue;
    }
    for (std::size_t i = first; i < tensors_.size(); ++i) {
      const auto it = shard_of.find(tensors_[i].info.name);
      if (it == shard_of.end() || it->second != name) {
        return fail(ErrorCode::kInvalid, "tensor \"{}\" of {} is not in the index",
                    tensors_[i].info.name, name);
      }
    }
  }
  if (!faults.empty()) return tl::unexpected<Error>(joined(faults, shards.size()));
  for (const auto& [tensor, shard] : shard_of) {
    if (find(tensor) == nullptr) {
      return fail(ErrorCode::kInvalid, "tensor \"{}\" is not in {}", tensor, shard);
    }
  }
  return {};
}

const Checkpoint::Tensor* Checkpoint::find(std::string_view name) const {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

Status Checkpoint::read(const Tensor& tensor, std::uint64_t offset,
                        std::span<std::byte> out) const {
  CHECK(offset <= tensor.info.bytes && out.size() <= tensor.info.bytes - offset,
        "read of {} bytes at {} from tensor {} of {}", out.size(), offset, tensor.info.name,
        tensor.info.bytes);
  const Status done = file_of(tensor).read(tensor.file_offset + offset, out);
  if (!done) {
    return fail_at(file_of(tensor).path(), done.error().code, "tensor \"{}\": {}", tensor.info.name,
                   done.error().message);
  }
  return {};
}

}  // namespace quire::models
