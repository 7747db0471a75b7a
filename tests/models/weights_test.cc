// Weight shapes, the builder, memory layout and byte counts, compared with numbers worked out from
// the specs by hand; and the checks that must stop a wrong caller.
#include <gtest/gtest.h>

#include <algorithm>

#include "models/memory_layout.h"
#include "tests/models/decoder_harness.h"

namespace quire::models {
namespace {

using kernels::PackedFormat;

const PackedFormat f32 = PackedFormat::of(DType::kF32);

DecoderSpec zoo(std::string_view name) {
  for (NamedSpec& entry : spec_zoo()) {
    if (entry.name == name) return entry.spec;
  }
  ADD_FAILURE() << name;
  return {};
}

const SlotNeed* find(const std::vector<SlotNeed>& needs, Slot slot) {
  const auto found = std::ranges::find(needs, slot, &SlotNeed::slot);
  return found == needs.end() ? nullptr : &*found;
}

TEST(SlotNeeds, TiedModelsHaveNoHead) {
  const std::vector<SlotNeed> tied = slot_needs(zoo("gemma3"), -1);
  EXPECT_EQ(find(tied, Slot::kHead), nullptr);
  EXPECT_EQ(find(tied, Slot::kEmbed)->rows, 83);
  EXPECT_EQ(find(tied, Slot::kEmbed)->cols, 48);
  EXPECT_NE(find(slot_needs(zoo("llama"), -1), Slot::kHead), nullptr);
}

TEST(SlotNeeds, OptionalPartsAppearOnlyWhereTheSpecHasThem) {
  const std::vector<SlotNeed> llama = slot_needs(zoo("llama"), 0);
  for (const Slot slot : {Slot::kQBias, Slot::kOBias, Slot::kQNorm, Slot::kMixerPostNorm,
                          Slot::kMixerNormBias, Slot::kGateBias, Slot::kRouter}) {
    EXPECT_EQ(find(llama, slot), nullptr) << slot_name(slot);
  }
  EXPECT_NE(find(slot_needs(zoo("qwen2"), 0), Slot::kQBias), nullptr);
  EXPECT_NE(find(slot_needs(zoo("gemma3"), 0), Slot::kFfnPostNorm), nullptr);
  const std::vector<SlotNeed> mamba = slot_needs(zoo("mamba2"), 0);
  EXPECT_EQ(find(mamba, Slot::kFfnNorm), nullptr);
  EXPECT_EQ(find(mamba, Slot::kSsmIn)->rows, 96 + (96 + 2 * 2 * 20) + 6);
  EXPECT_EQ(find(mamba, Slot::kConv)->rows, 4);
  EXPECT_EQ(find(mamba, Slot::kConv)->cols, 96 + 2 * 2 * 20);
}

TEST(SlotNeeds, LatentKeysAreTransposedPerHead) {
  const std::vector<SlotNeed> needs = slot_needs(zoo("deepseek_v3"), 0);
  const SlotNeed* key = find(needs, Slot::kKvUpKey);
  EXPECT_EQ(std::tie(key->count, key->rows, key->cols), std::make_tuple(4, 32, 18));
  const SlotNeed* value = find(needs, Slot::kKvUpValue);
  EXPECT_EQ(std::tie(value->count, value->rows, value->cols), std::make_tuple(4, 14, 32));
}

TEST(SlotNeeds, EverySlotHasItsName) {
  EXPECT_EQ(slot_name(Slot::kEmbed), "embed");
  EXPECT_EQ(slot_name(Slot::kKvUpValue), "kv_up_value");
  EXPECT_EQ(slot_name(Slot::kSharedRouter), "shared_router");
}

TEST(WeightBuilder, RoutersAndVectorsStayF32) {
  const DecoderSpec spec = zoo("qwen3_moe");
  const Weights weights = pack_weights(spec, random_weights(spec, 1, DType::kBf16), DType::kBf16);
  EXPECT_EQ(weights.matrix(0, Slot::kRouter).format, f32);
  EXPECT_EQ(weights.matrix(0, Slot::kExpertDown, 6).format, PackedFormat::of(DType::kBf16));
  EXPECT_EQ(weights.vector(0, Slot::kQNorm).size(), 24u);
  EXPECT_TRUE(weights.has(1, Slot::kGate));
  EXPECT_FALSE(weights.has(0, Slot::kGate));
}

TEST(WeightBuilderDeathTest, SaysWhatWasNotDeclared) {
  const DecoderSpec spec = zoo("llama");
  const Weights weights = pack_weights(spec, random_weights(spec, 1, DType::kF32), DType::kF32);
  EXPECT_DEATH(weights.matrix(0, Slot::kRouter), "layer 0: no matrix router");
  WeightBuilder builder;
  const SlotNeed need = slot_needs(spec, 0)[0];
  builder.declare(0, need, f32);
  EXPECT_DEATH(builder.declare(0, need, f32), "declared twice");
  EXPECT_DEATH(builder.vector(0, need.slot, 0), "before allocate");
  builder.allocate();
  EXPECT_DEATH(builder.vector(0, need.slot, 1), "was not declared");
}

TEST(MemoryLayout, LayersOfOneWindowShareAGroup) {
  const MemoryLayout layout = memory_layout_of(zoo("gemma3"), {.page_tokens = 32});
  ASSERT_EQ(layout.groups.size(), 2u);
  EXPECT_EQ(layout.groups[0].layers, (std::vector<int>{0, 2}));
  EXPECT_EQ(layout.groups[0].window, 16);
  EXPECT_EQ(layout.groups[1].layers, (std::vector<int>{1}));
  EXPECT_EQ(layout.groups[1].window, 0);
  const std::int64_t layer_bytes = 2 * (24 + 32) * 4 * 32;  // values padded to sixteens
  EXPECT_EQ(layout.kv[2].layer_offset, layer_bytes);
  EXPECT_EQ(layout.groups[0].token_bytes() * 32, 2 * layer_bytes);
}

TEST(MemoryLayout, LatentLayersKeepOneVectorPerToken) {
  const auto groups = kv_groups_of(zoo("deepseek_v3"), {.kv_dtype = DType::kBf16});
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].token_bytes(), 3 * (32 + 8) * 2);
}

TEST(MemoryLayout, StatesFollowEachOtherAndRecurrentLayersHaveNoPages) {
  const MemoryLayout layout = memory_layout_of(zoo("qwen3_5"), {});
  ASSERT_EQ(layout.groups.size(), 1u);
  EXPECT_EQ(layout.kv[0].group, -1);
  // [q | k | v] = 2 * 2 * 20 + 6 * 12 channels, three taps of history; six states of 12 x 20.
  const std::int64_t floats = 3 * (80 + 72) + 6 * 12 * 20;
  EXPECT_EQ(layout.state_offsets, (std::vector<std::int64_t>{0, -1, (floats + 15) / 16 * 64}));
  EXPECT_EQ(layout.state_bytes, 2 * ((floats + 15) / 16 * 64));
  EXPECT_EQ(state_bytes_of(zoo("llama")), 0);
  EXPECT_TRUE(kv_groups_of(zoo("mamba2"), {}).empty());
}

// A decode step reads every weight but the embedding of an untied model and the idle experts.
TEST(Model, StepWeightBytesLeaveOutIdleExperts) {
  const DecoderSpec spec = zoo("qwen3_moe");
  Harness harness(spec, random_weights(spec, 1, DType::kF32), {});
  const std::size_t expert =
      kernels::packed_bytes(f32, 24, 48) * 2 + kernels::packed_bytes(f32, 48, 24);
  const std::size_t embedding = kernels::packed_bytes(f32, 83, 48);
  const std::size_t all = harness.model().weight_bytes(),
                    step = harness.model().step_weight_bytes();
  // Vectors are padded to 64 bytes in the arena: less than a line for each.
  EXPECT_LE(step, all - 4 * expert - embedding);
  EXPECT_GT(step, all - 4 * expert - embedding - 64 * 32);
}

class ModelDeathTest : public ::testing::Test {
 protected:
  // One sequence of `count` tokens on pages for 16 positions.
  void run(const std::vector<std::int32_t>& tokens, int pages) {
    Team team(1);
    const std::vector<std::int32_t> table(static_cast<std::size_t>(pages));
    const std::vector<std::span<const std::int32_t>> tables = {table};
    const std::vector<SequenceInput> sequences = {
        {.row_count = static_cast<int>(tokens.size()), .page_tables = tables}};
    std::byte* base = memory_.data();
    const std::int64_t page_bytes = static_cast<std::int64_t>(memory_.size());
    model_.forward({.tokens = tokens, .sequences = sequences},
                   {.kv_base = {&base, 1}, .kv_page_bytes = {&page_bytes, 1}}, team, nullptr);
  }
  DecoderSpec spec_ = zoo("llama");
  Model model_{spec_,
               pack_weights(spec_, random_weights(spec_, 1, DType::kF32), DType::kF32),
               {.step_tokens_max = 20}};
  std::vector<std::byte> memory_ =
      std::vector<std::byte>(static_cast<std::size_t>(model_.kv_groups()[0].token_bytes() * 16));
};

TEST_F(ModelDeathTest, StopsWrongSteps) {
  run({1, 2, 3}, 1);
  EXPECT_DEATH(run(std::vector<std::int32_t>(21, 1), 2), "21 tokens in a step, at most 20");
  EXPECT_DEATH(run(std::vector<std::int32_t>(17, 1), 1), "1 pages for positions");
  EXPECT_DEATH(run({1, 83}, 1), "token 83 of 83");
  EXPECT_DEATH(run({-1}, 1), "token -1 of 83");
}

}  // namespace
}  // namespace quire::models
