// Blocks of rows are read with pread into a thread's buffer and packed from there.
#include "models/load/pack.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <optional>
#include <span>

#include "base/parallel.h"

namespace quire::models {
namespace {

constexpr std::int64_t kBlockBytes = 4 << 20;

// Rows [row, row + rows) of a binding.
struct Block {
  const Binding* binding;
  std::int64_t row, rows;
};

std::vector<Block> cut_blocks(const std::vector<Binding>& bindings) {
  std::vector<Block> blocks;
  for (const Binding& binding : bindings) {
    const std::int64_t row_bytes = binding.cols * dtype_bytes(*binding.tensor->info.dtype);
    std::int64_t step = binding.rows;  // transposed or small: at once
    if (binding.col_stride == 1 && binding.kind == WeightKind::kMatrix) {
      step = std::max<std::int64_t>(1, kBlockBytes / row_bytes / kernels::kPanelRows) *
             kernels::kPanelRows;
    }
    for (std::int64_t row = 0; row < binding.rows; row += step) {
      blocks.push_back({&binding, row, std::min(step, binding.rows - row)});
    }
  }
  return blocks;
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

float element(const std::byte* data, DType dtype, std::int64_t at) {
  if (dtype == DType::kF32) {
    float value;
    std::memcpy(&value, data + at * 4, sizeof value);
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, data + at * 2, sizeof bits);
  return dtype == DType::kBf16 ? bf16_to_f32(bits) : f16_to_f32(bits);
}

Result<Hash128> pack_block(const Checkpoint& checkpoint, const Block& block,
                           const WeightBuilder& builder) {
  const Binding& binding = *block.binding;
  const DType dtype = *binding.tensor->info.dtype;
  const std::int64_t width = dtype_bytes(dtype);
  std::vector<std::byte> bytes(static_cast<std::size_t>(block.rows * binding.cols * width));
  // The elements of a block are contiguous whether or not the weight is transposed: a transposed
  // one is never cut.
  const std::int64_t first = binding.first + (block.row == 0 ? 0 : block.row * binding.row_stride);
  QUIRE_TRY(checkpoint.read(*binding.tensor, static_cast<std::uint64_t>(first * width), bytes));
  if (binding.kind == WeightKind::kVector) {
    const std::span<float> out = builder.vector(binding.layer, binding.slot, binding.index);
    for (std::int64_t r = 0; r < binding.rows; ++r) {
      for (std::int64_t c = 0; c < binding.cols; ++c) {
        out[static_cast<std::size_t>(r * binding.cols + c)] =
            element(bytes.data(), dtype, r * binding.row_stride + c * binding.col_stride);
      }
    }
  } else {
    const kernels::PackedMatrix target = builder.matrix(binding.layer, binding.slot, binding.index);
    kernels::pack_rows({.data = bytes.data(),
                        .dtype = dtype,
                        .rows = block.rows,
                        .cols = binding.cols,
                        .row_stride = binding.row_stride,
                        .col_stride = binding.col_stride},
                       block.row, target.rows, target.format,
                       builder.matrix_data(binding.layer, binding.slot, binding.index));
  }
  return digest_bytes(bytes);
}

}  // namespace

Result<Hash128> pack_weights(const Checkpoint& checkpoint, const BoundCheckpoint& bound,
                             const WeightBuilder& builder,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const std::vector<Block> blocks = cut_blocks(bound.bindings);
  std::vector<Hash128> digests(blocks.size());
  std::uint64_t total = 0, done = 0;
  const auto block_bytes = [](const Block& block) {
    return static_cast<std::uint64_t>(block.rows * block.binding->cols) *
           static_cast<std::uint64_t>(dtype_bytes(*block.binding->tensor->info.dtype));
  };
  for (const Block& block : blocks) total += block_bytes(block);

  std::mutex mutex;  // of `done`, `first_error` and the callback
  std::atomic<bool> failed = false;
  std::optional<Error> first_error;
  parallel_for(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t i) {
    if (failed) return;
    const Block& block = blocks[static_cast<std::size_t>(i)];
    const Result<Hash128> digest = pack_block(checkpoint, block, builder);
    const std::lock_guard lock(mutex);
    if (!digest) {
      failed = true;
      if (!first_error) first_error = digest.error();
      return;
    }
    digests[static_cast<std::size_t>(i)] = *digest;
    done += block_bytes(block);
    if (progress) progress(done, total);
  });
  if (first_error) return tl::unexpected<Error>(*first_error);
  Hasher hasher;
  for (const Hash128& digest : digests) hasher.add(digest.high).add(digest.low);
  return hasher.digest();
}

}  // namespace quire::models
