// Loads the demo model that ships with the repository. Its sizes are known from demo/config.json;
// that the weights mean what they should is tested by the golden models.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "models/load/load.h"
#include "models/load/safetensors.h"
#include "models/registry.h"

namespace quire::models {
namespace {

const std::filesystem::path kDemo = std::filesystem::path(QUIRE_SOURCE_DIR) / "demo";

TEST(LoadDemo, LoadsWithItsDefaults) {
  std::uint64_t done = 0, total = 0;
  const auto model = load_model(kDemo, {.progress = [&](std::uint64_t a, std::uint64_t b) {
                                  done = a;
                                  total = b;
                                }});
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->family, "qwen3");
  EXPECT_EQ(model->spec.layers.size(), 5u);
  EXPECT_EQ(model->spec.hidden, 256);
  EXPECT_TRUE(model->spec.tied_head);
  EXPECT_EQ(model->eos_ids, (std::vector<std::int32_t>{3063, 3065}));
  EXPECT_EQ(model->defaults.temperature, 0.4);
  EXPECT_EQ(model->defaults.top_k, 20);
  EXPECT_EQ(done, total);
  EXPECT_EQ(total, model->file_bytes);
  EXPECT_EQ(model->weights.matrix(-1, Slot::kEmbed).format.kind,
            kernels::PackedFormat::Kind::kBf16);
}

TEST(LoadDemo, TheFingerprintIsOfTheContent) {
  const auto copy = std::filesystem::temp_directory_path() / "quire-load-demo-test";
  std::filesystem::remove_all(copy);
  std::filesystem::create_directory(copy);
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(kDemo / name, copy / name);
  }
  const auto original = load_model(kDemo, {});
  const auto copied = load_model(copy, {});
  ASSERT_TRUE(original && copied);
  EXPECT_EQ(original->fingerprint, copied->fingerprint);
  {
    std::fstream file(copy / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-1, std::ios::end);
    const int last = file.get();
    file.seekp(-1, std::ios::end);
    file.put(static_cast<char>(last ^ 1));
  }
  const auto changed = load_model(copy, {});
  ASSERT_TRUE(changed);
  EXPECT_NE(original->fingerprint, changed->fingerprint);
  std::filesystem::remove_all(copy);
}

// The model file with the first weight of a matrix set to the bfloat16 of these bits.
std::filesystem::path copy_with_weight(std::uint16_t bits) {
  const auto copy = std::filesystem::temp_directory_path() / "quire-load-f16-test";
  std::filesystem::remove_all(copy);
  std::filesystem::create_directory(copy);
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(kDemo / name, copy / name);
  }
  const auto checkpoint = Checkpoint::open(copy);
  EXPECT_TRUE(checkpoint);
  for (const Checkpoint::Tensor& tensor : checkpoint->tensors()) {
    if (tensor.info.name != "model.layers.0.mlp.up_proj.weight") continue;
    std::fstream file(copy / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(tensor.file_offset));
    file.write(reinterpret_cast<const char*>(&bits), sizeof(bits));
    return copy;
  }
  ADD_FAILURE() << "no such tensor";
  return copy;
}

TEST(LoadDemo, Float16TakesWhatFitsOnly) {
  // 65280 is the largest bfloat16 below the limit, 65536 the next.
  const auto fits = load_model(copy_with_weight(0x477f), {.matrix_dtype = DType::kF16});
  ASSERT_TRUE(fits) << fits.error().message;
  EXPECT_EQ(fits->weights.matrix(0, Slot::kUp).format.kind, kernels::PackedFormat::Kind::kF16);
  const auto copy = copy_with_weight(0xc780);
  const auto exceeds = load_model(copy, {.matrix_dtype = DType::kF16});
  ASSERT_FALSE(exceeds);
  EXPECT_NE(exceeds.error().message.find("mlp.up_proj"), std::string::npos)
      << exceeds.error().message;
  EXPECT_TRUE(load_model(copy, {}));
  std::filesystem::remove_all(copy);
}

TEST(LoadDemo, RefusesMoreMemoryThanAllowed) {
  const auto model = load_model(kDemo, {.memory_limit_bytes = 1 << 20});
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("the limit is 1048576"), std::string::npos);
}

}  // namespace
}  // namespace quire::models
