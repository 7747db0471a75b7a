// Blocks of rows are read with pread into a thread's buffer and packed from there.
#include "models/load/pack.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <thread>

#include "base/parallel.h"
#include "kernels/quantize.h"

namespace quire::models {
namespace {

// Small enough to stay in a second-level cache between reading, hashing and packing.
constexpr std::int64_t kBlockBytes = 1 << 20;

// Rows [row, row + rows) of a binding.
struct Block {
  const Binding* binding;
  std::int64_t row, rows;

  std::int64_t elements() const { return rows * binding->cols; }
  // The first element; those of a block follow each other whether or not the weight is transposed:
  // a transposed one is never cut.
  std::int64_t first() const { return binding->first + (row == 0 ? 0 : row * binding->row_stride); }
};

// A run of bytes of a tensor.
struct Run {
  const Checkpoint::Tensor* tensor = nullptr;
  std::int64_t offset = 0, bytes = 0;
};

// What a block reads: the elements, or codes, scales and biases.
struct BlockRuns {
  std::array<Run, 3> runs;
  std::int64_t bytes() const { return runs[0].bytes + runs[1].bytes + runs[2].bytes; }
};

BlockRuns runs_of(const Block& block) {
  const Binding& binding = *block.binding;
  if (!binding.affine) {
    const std::int64_t width = dtype_bytes(*binding.tensor->info.dtype);
    return {{Run{binding.tensor, block.first() * width, block.elements() * width}}};
  }
  const auto& [scales, biases, widths, scale_dtype] = *binding.affine;
  const std::int64_t width = dtype_bytes(scale_dtype);
  const std::int64_t first = block.first() / widths.group * width;
  const std::int64_t bytes = block.elements() / widths.group * width;
  return {{Run{binding.tensor, block.first() / 8 * widths.bits, block.elements() / 8 * widths.bits},
           Run{scales, first, bytes}, Run{biases, first, bytes}}};
}

std::vector<Block> cut_blocks(const std::vector<Binding>& bindings) {
  std::vector<Block> blocks;
  for (const Binding& binding : bindings) {
    const std::int64_t row_bytes = std::max<std::int64_t>(1, runs_of({&binding, 0, 1}).bytes());
    std::int64_t step = binding.rows;  // transposed or small: at once
    if (!binding.is_transposed() && binding.kind == WeightKind::kMatrix) {
      step = std::max<std::int64_t>(1, kBlockBytes / row_bytes / kernels::kPanelRows) *
             kernels::kPanelRows;
    }
    for (std::int64_t row = 0; row < binding.rows; row += step) {
      blocks.push_back({&binding, row, std::min(step, binding.rows - row)});
    }
  }
  return blocks;
}

// Indices of the blocks in the order of their bytes in the files, so that disks read ahead.
std::vector<std::size_t> reading_order(const std::vector<Block>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto place = [&](std::size_t i) {
    const Run run = runs_of(blocks[i]).runs[0];
    return std::pair(run.tensor->file,
                     run.tensor->file_offset + static_cast<std::uint64_t>(run.offset));
  };
  std::ranges::sort(order, {}, place);
  return order;
}

// A hash of all the bytes at memory speed: eight chains, each step a bijection of its word, so that
// any one changed word changes the result.
Hash128 digest_bytes(std::span<const std::byte> bytes) {
  constexpr std::size_t kLanes = 8, kRound = kLanes * sizeof(std::uint64_t);
  std::array<std::uint64_t, kLanes> lanes = {1, 2, 3, 4, 5, 6, 7, 8};
  std::array<std::uint64_t, kLanes> words;
  const std::size_t whole = bytes.size() / kRound * kRound;
  for (std::size_t at = 0; at < whole; at += kRound) {
    std::memcpy(words.data(), bytes.data() + at, kRound);
    for (std::size_t i = 0; i < kLanes; ++i) {
      lanes[i] = (std::rotl(lanes[i], 23) ^ words[i]) * 0x9e3779b97f4a7c15ull;
    }
  }
  Hasher hasher;
  for (const std::uint64_t lane : lanes) hasher.add(lane);
  const std::span<const std::byte> tail = bytes.subspan(whole);
  hasher.add(std::string_view(reinterpret_cast<const char*>(tail.data()), tail.size()));
  return hasher.digest();
}

void pack_vector(const Binding& binding, const std::byte* data, const WeightBuilder& builder) {
  const std::span<float> out = builder.vector(binding.layer, binding.slot, binding.index);
  for (std::int64_t r = 0; r < binding.rows; ++r) {
    for (std::int64_t c = 0; c < binding.cols; ++c) {
      out[static_cast<std::size_t>(r * binding.cols + c)] = kernels::widened(
          data, *binding.tensor->info.dtype, r * binding.row_stride + c * binding.col_stride);
    }
  }
}

// Whether some finite value of `count` at `data` becomes infinite as a float16.
bool exceeds_f16(const std::byte* data, DType dtype, std::int64_t count) {
  // Magnitudes order as their bits do: from the first that rounds to infinity up to infinity.
  const auto any = [&]<class T>(T begin, T end) {
    bool found = false;
    for (std::int64_t i = 0; i < count; ++i) {
      T bits;
      std::memcpy(&bits, data + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
      const T magnitude = bits & static_cast<T>(std::numeric_limits<T>::max() >> 1);
      found |= magnitude >= begin && magnitude < end;
    }
    return found;
  };
  if (dtype == DType::kF32) return any(std::uint32_t{0x477ff000}, std::uint32_t{0x7f800000});
  if (dtype == DType::kBf16) return any(std::uint16_t{0x4780}, std::uint16_t{0x7f80});
  return false;
}

Status pack_floats(const Block& block, const std::byte* data, DType dtype,
                   const WeightBuilder& builder) {
  const Binding& binding = *block.binding;
  const kernels::PackedMatrix target = builder.matrix(binding.layer, binding.slot, binding.index);
  if (target.format.kind == kernels::PackedFormat::Kind::kF16 &&
      exceeds_f16(data, dtype, block.elements())) {
    return fail(ErrorCode::kInvalid,
                "{}: a weight exceeds 65504, the largest float16: --dtype bfloat16 or float32",
                binding.tensor->info.name);
  }
  kernels::pack_rows({.data = data,
                      .dtype = dtype,
                      .rows = block.rows,
                      .cols = binding.cols,
                      .row_stride = binding.row_stride,
                      .col_stride = binding.col_stride},
                     block.row, target.rows, target.format,
                     builder.matrix_data(binding.layer, binding.slot, binding.index));
  return {};
}

// Codes as they are, or widened where the target is float.
Status pack_affine(const Block& block, const std::array<const std::byte*, 3>& data,
                   const WeightBuilder& builder) {
  const Binding& binding = *block.binding;
  const AffineTensors& affine = *binding.affine;
  const kernels::PackedMatrix target = builder.matrix(binding.layer, binding.slot, binding.index);
  // Rows as the tensor has them.
  const kernels::AffineSource source = {
      .codes = data[0],
      .scales = data[1],
      .biases = data[2],
      .bits = affine.widths.bits,
      .rows = binding.is_transposed() ? binding.cols : block.rows,
      .cols = binding.is_transposed() ? binding.rows : binding.cols};
  if (target.format.is_quantized()) {
    kernels::pack_affine_rows(source, block.row, target.rows, target.format,
                              builder.matrix_data(binding.layer, binding.slot, binding.index));
    return {};
  }
  std::vector<float> values(static_cast<std::size_t>(block.elements()));
  kernels::dequantize_rows(source, affine.widths.group, affine.scale_dtype, values.data());
  return pack_floats(block, reinterpret_cast<const std::byte*>(values.data()), DType::kF32,
                     builder);
}

// `buffer` is the thread's own; its size only grows.
Result<Hash128> pack_block(const Checkpoint& checkpoint, const Block& block,
                           const WeightBuilder& builder, std::vector<std::byte>& buffer) {
  const BlockRuns parts = runs_of(block);
  const auto total = static_cast<std::size_t>(parts.bytes());
  if (buffer.size() < total) buffer.resize(total);
  std::array<const std::byte*, 3> data = {};
  std::size_t at = 0;
  for (std::size_t i = 0; i < parts.runs.size(); ++i) {
    const Run& run = parts.runs[i];
    const auto bytes = static_cast<std::size_t>(run.bytes);
    data[i] = buffer.data() + at;
    if (run.tensor == nullptr) continue;
    QUIRE_TRY(checkpoint.read(*run.tensor, static_cast<std::uint64_t>(run.offset),
                              std::span(buffer).subspan(at, bytes)));
    at += bytes;
  }
  const Binding& binding = *block.binding;
  if (binding.kind == WeightKind::kVector) {
    pack_vector(binding, data[0], builder);
  } else if (binding.affine) {
    QUIRE_TRY(pack_affine(block, data, builder));
  } else {
    QUIRE_TRY(pack_floats(block, data[0], *binding.tensor->info.dtype, builder));
  }
  return digest_bytes(std::span(buffer).first(total));
}

}  // namespace

Result<Hash128> pack_weights(const Checkpoint& checkpoint, const BoundCheckpoint& bound,
                             const WeightBuilder& builder,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const std::vector<Block> blocks = cut_blocks(bound.bindings);
  const std::vector<std::size_t> order = reading_order(blocks);
  std::vector<Hash128> digests(blocks.size());
  std::uint64_t total = 0, done = 0;
  const auto block_bytes = [](const Block& block) {
    return static_cast<std::uint64_t>(runs_of(block).bytes());
  };
  for (const Block& block : blocks) total += block_bytes(block);

  std::mutex mutex;  // of `done`, `first_error` and the callback
  std::atomic<bool> failed = false;
  std::atomic<std::size_t> next = 0;
  std::optional<Error> first_error;
  const std::int64_t workers = std::max(1u, std::thread::hardware_concurrency());
  parallel_for(workers, [&](std::int64_t) {
    std::vector<std::byte> buffer;
    for (std::size_t i = next++; i < order.size() && !failed; i = next++) {
      const Block& block = blocks[order[i]];
      const Result<Hash128> digest = pack_block(checkpoint, block, builder, buffer);
      const std::lock_guard lock(mutex);
      if (!digest) {
        failed = true;
        if (!first_error) first_error = digest.error();
        return;
      }
      digests[order[i]] = *digest;
      done += block_bytes(block);
      if (progress) progress(done, total);
    }
  });
  if (first_error) return tl::unexpected<Error>(*first_error);
  Hasher hasher;
  for (const Hash128& digest : digests) hasher.add(digest.high).add(digest.low);
  return hasher.digest();
}

}  // namespace quire::models
