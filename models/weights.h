// The weights of a loaded model by slot: packed matrices and f32 vectors, as the blocks want them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/arena.h"
#include "base/error.h"
#include "kernels/packed_matrix.h"
#include "models/spec.h"

namespace quire::models {

// What a weight is for. One enumerator per role in a block; a tensor rule names one.
enum class Slot {
  kEmbed,
  kFinalNorm,
  kFinalNormBias,
  kHead,
  kMixerNorm,
  kMixerNormBias,
  kMixerPostNorm,
  kFfnNorm,
  kFfnNormBias,
  kFfnPostNorm,
  // attention
  kQ,
  kK,
  kV,
  kO,
  kQBias,
  kKBias,
  kVBias,
  kOBias,
  kQNorm,
  kKNorm,
  // latent attention; kKvUpKey and kKvUpValue are one matrix per head (expert index = head)
  kQDown,
  kQDownBias,
  kQDownNorm,
  kQUp,
  kKvDown,
  kKvDownBias,
  kKvDownNorm,
  kKvUpKey,
  kKvUpValue,
  // state layers
  kSsmIn,
  kSsmInBias,
  kConv,
  kConvBias,
  kALog,
  kD,
  kDtBias,
  kGatedNorm,
  kSsmOut,
  kSsmOutBias,
  kDeltaQkv,
  kDeltaZ,
  kDeltaB,
  kDeltaA,
  // feed-forward
  kGate,
  kUp,
  kDown,
  kGateBias,
  kUpBias,
  kDownBias,
  kRouter,
  kRouterBias,
  kExpertGate,
  kExpertUp,
  kExpertDown,
  kSharedGate,
  kSharedUp,
  kSharedDown,
  kSharedRouter,
};
std::string_view slot_name(Slot slot);

enum class WeightKind { kMatrix, kVector };  // packed for matmul, or plain f32

// What a block needs: the loader provides exactly these, or says which is missing.
// A vector may have two dimensions (conv: [taps, channels]); it is stored row-major as f32.
struct SlotNeed {
  Slot slot;
  WeightKind kind = WeightKind::kMatrix;
  std::int64_t rows = 0, cols = 0;  // a vector has rows x max(cols, 1) elements
  std::string_view shape;           // the letters, for messages and docs: "H*E D"
  int count = 1;                    // experts or heads: one weight for each index
  int read_per_token = 1;           // how many of `count` one token reads: the active experts
  bool keep_f32 = false;  // a matrix that stays f32 whatever the weights' format is: routers
};

// Every slot that layer `layer` of the spec needs; layer -1 is the model itself (embedding, final
// norm, head). The one place where a block's weight shapes are written.
std::vector<SlotNeed> slot_needs(const DecoderSpec& spec, int layer);

// Immutable after loading. Lookups are for building the decoder, not for the step.
class Weights {
 public:
  // CHECKs that the slot was loaded: the loader is total over slot_needs().
  const kernels::PackedMatrix& matrix(int layer, Slot slot, int index = 0) const;
  std::span<const float> vector(int layer, Slot slot, int index = 0) const;
  bool has(int layer, Slot slot) const;
  std::size_t bytes() const { return arena_.bytes(); }
  // The formats of the matrices, those with the most bytes first: "affine4 g64, bf16".
  std::string format_names() const;

 private:
  friend class WeightBuilder;
  using Key = std::tuple<int, Slot, int>;  // layer, slot, index
  Arena arena_;
  std::map<Key, kernels::PackedMatrix> matrices_;
  std::map<Key, std::span<const float>> vectors_;
};

// Fills a Weights: sizes are declared first, so that the arena is allocated once.
class WeightBuilder {
 public:
  // Declares all `need.count` weights. Matrices are stored in `format`, or as f32 where
  // need.keep_f32 says so.
  void declare(int layer, const SlotNeed& need, const kernels::PackedFormat& format);
  std::size_t bytes() const { return bytes_; }  // needed so far
  // Allocates; no declare() afterwards. Zeroed.
  void allocate();
  // Where the loader writes. Matrix: the packed target; vector: f32.
  kernels::PackedMatrix matrix(int layer, Slot slot, int index) const;
  std::byte* matrix_data(int layer, Slot slot, int index) const;
  std::span<float> vector(int layer, Slot slot, int index) const;
  Weights finish();

 private:
  struct Entry {
    WeightKind kind;
    kernels::PackedFormat format;
    std::int64_t rows, cols;
    std::size_t offset;
  };
  const Entry& entry(const Weights::Key& key, WeightKind kind) const;

  std::map<Weights::Key, Entry> entries_;
  std::size_t bytes_ = 0;
  Arena arena_;
};

}  // namespace quire::models
