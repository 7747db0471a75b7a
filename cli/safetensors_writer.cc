// Headers first, padded so that the data begins at a multiple of 8; then positional writes.
#include "cli/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "models/load/json.h"

namespace quire::cli {
namespace {

tl::unexpected<Error> write_error(const std::filesystem::path& path, int number) {
  if (number == ENOSPC || number == EFBIG || number == EDQUOT) {
    return fail(ErrorCode::kIo,
                "{}: the disk is full ({}); make room, or name a target on another disk",
                path.string(), std::strerror(number));
  }
  return fail(ErrorCode::kIo, "{}: {}", path.string(), std::strerror(number));
}

Status write_all(int fd, std::uint64_t at, std::span<const std::byte> bytes,
                 const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return write_error(path, errno);
    at += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace

SafetensorsWriter::~SafetensorsWriter() {
  for (const Shard& shard : shards_) {
    if (shard.fd >= 0) ::close(shard.fd);
  }
}

Result<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::create(
    const std::filesystem::path& folder, std::vector<NewTensor> tensors,
    std::uint64_t shard_bytes) {
  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter(folder));
  writer->tensors_ = std::move(tensors);
  QUIRE_TRY(writer->open(shard_bytes));
  return writer;
}

Status SafetensorsWriter::open(std::uint64_t shard_bytes) {
  std::vector<std::vector<std::size_t>> shards(1);
  std::uint64_t used = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const std::uint64_t bytes = tensors_[i].bytes;
    total_bytes_ += bytes;
    if (used > 0 && used + bytes > shard_bytes) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(i);
    used += bytes;
  }
  places_.resize(tensors_.size());
  for (std::size_t s = 0; s < shards.size(); ++s) {
    const std::string name =
        shards.size() == 1 ? "model.safetensors"
                           : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
    shards_.push_back({folder_ / name, -1});
    QUIRE_TRY(open_shard(s, shards[s]));
  }
  return {};
}

Status SafetensorsWriter::open_shard(std::size_t shard, std::span<const std::size_t> members) {
  Json header = {{"__metadata__", {{"format", "mlx"}}}};
  std::uint64_t at = 0;
  for (const std::size_t i : members) {
    const NewTensor& tensor = tensors_[i];
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {at, at + tensor.bytes}}};
    places_[i] = {shard, at};
    at += tensor.bytes;
  }
  std::string text = dump_json(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t size = text.size();
  for (const std::size_t i : members) places_[i].offset += 8 + size;
  Shard& out = shards_[shard];
  out.fd = ::open(out.path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (out.fd < 0) return fail(ErrorCode::kIo, "{}: {}", out.path.string(), std::strerror(errno));
  QUIRE_TRY(write_all(out.fd, 0, std::as_bytes(std::span(&size, 1)), out.path));
  return write_all(out.fd, 8, std::as_bytes(std::span(text.data(), text.size())), out.path);
}

Status SafetensorsWriter::write(std::size_t tensor, std::uint64_t offset,
                                std::span<const std::byte> bytes) {
  const Place& place = places_[tensor];
  const Shard& shard = shards_[place.shard];
  return write_all(shard.fd, place.offset + offset, bytes, shard.path);
}

Status SafetensorsWriter::finish() {
  Json map = Json::object();
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    map[tensors_[i].name] = shards_[places_[i].shard].path.filename().string();
  }
  for (const Shard& shard : shards_) {
    if (::fsync(shard.fd) != 0) return write_error(shard.path, errno);
  }
  const auto path = folder_ / "model.safetensors.index.json";
  std::ofstream file(path, std::ios::binary);
  file << dump_json({{"metadata", {{"total_size", total_bytes_}}}, {"weight_map", map}}) << "\n";
  if (!file.flush()) return fail(ErrorCode::kIo, "cannot write {}", path.string());
  return {};
}

}  // namespace quire::cli
