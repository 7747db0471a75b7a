// Loading of quantized weights: formats follow from the shapes, every disagreement between config
// and tensors is refused by name, and elements equal code * scale + bias worked out here. Whole
// models with values from MLX are in tests/golden.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "kernels/quantize.h"
#include "models/load/load.h"
#include "tests/golden/checkpoint_writer.h"

namespace quire::models {
namespace {

using kernels::PackedFormat;
using quire::testing::f32_tensor;
using quire::testing::RawTensor;
using quire::testing::safetensors_bytes;
using quire::testing::TempFolder;
using quire::testing::write_file;
using ::testing::AllOf;
using ::testing::HasSubstr;

using Kind = PackedFormat::Kind;

constexpr const char* kConfig = R"({
  "model_type": "qwen3", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
  "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 20,
  "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 10000.0)";
constexpr const char* kQuantization =
    R"(, "quantization": {"group_size": 64, "bits": 4, "mode": "affine"})";

RawTensor normals(const std::string& name, std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  Rng rng(static_cast<std::uint64_t>(count) + name.size());
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(rng.uniform() - 0.5f);
  return f32_tensor(name, shape, values);
}

std::string random_bytes(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::string bytes;
  while (bytes.size() < static_cast<std::size_t>(count)) {
    bytes.push_back(static_cast<char>(rng.below(256)));
  }
  return bytes;
}

// Codes, scales and biases of module `path` whose weights would be [.., cols].
std::vector<RawTensor> affine(const std::string& path, std::vector<std::int64_t> shape, int bits,
                              int group) {
  const std::int64_t cols = shape.back();
  std::vector<std::int64_t> codes = shape, scales = shape;
  codes.back() = cols * bits / 32;
  scales.back() = cols / group;
  std::int64_t words = 4;
  for (const std::int64_t dim : codes) words *= dim;
  RawTensor biases = normals(path + ".biases", scales);
  return {{path + ".weight", "U32", codes, random_bytes(words, path.size())},
          normals(path + ".scales", scales),
          biases};
}

void replace(std::vector<RawTensor>& tensors, const std::string& path,
             const std::vector<RawTensor>& by) {
  std::erase_if(tensors, [&](const RawTensor& t) { return t.name.starts_with(path + "."); });
  tensors.insert(tensors.end(), by.begin(), by.end());
}

const std::string kLayer = "model.layers.0.";

std::vector<RawTensor> qwen3() {
  return {normals("model.embed_tokens.weight", {20, 64}),
          normals("model.norm.weight", {64}),
          normals(kLayer + "input_layernorm.weight", {64}),
          normals(kLayer + "post_attention_layernorm.weight", {64}),
          normals(kLayer + "self_attn.q_proj.weight", {64, 64}),
          normals(kLayer + "self_attn.k_proj.weight", {32, 64}),
          normals(kLayer + "self_attn.v_proj.weight", {32, 64}),
          normals(kLayer + "self_attn.o_proj.weight", {64, 64}),
          normals(kLayer + "self_attn.q_norm.weight", {32}),
          normals(kLayer + "self_attn.k_norm.weight", {32}),
          normals(kLayer + "mlp.gate_proj.weight", {96, 64}),
          normals(kLayer + "mlp.up_proj.weight", {96, 64}),
          normals(kLayer + "mlp.down_proj.weight", {64, 96})};
}

Result<LoadedModel> load(const std::vector<RawTensor>& tensors,
                         const std::string& more = kQuantization, const LoadOptions& options = {},
                         const std::string& config = kConfig) {
  const TempFolder folder;
  write_file(folder / "config.json", config + more + "}");
  write_file(folder / "model.safetensors", safetensors_bytes(tensors));
  return load_model(folder.path(), options);
}

std::string message_of(const Result<LoadedModel>& result) {
  return result ? "(no error)" : result.error().message;
}

std::vector<float> row_of(const kernels::PackedMatrix& matrix, std::int64_t row) {
  std::vector<float> values(static_cast<std::size_t>(matrix.cols));
  kernels::kernels(kernels::Isa::kScalar).gather_row(matrix, row, values.data());
  return values;
}

float float_at(const RawTensor& tensor, std::int64_t index) {
  float value;
  std::memcpy(&value, tensor.bytes.data() + index * 4, sizeof value);
  return value;
}

// Weight (row, k) of an affine module, from the stream's own bits.
float weight_at(const std::vector<RawTensor>& module, int bits, int group, std::int64_t cols,
                std::int64_t row, std::int64_t k) {
  const std::int64_t first = (row * cols + k) * bits;
  int code = 0;
  for (int bit = 0; bit < bits; ++bit) {
    const auto byte =
        static_cast<unsigned char>(module[0].bytes[static_cast<std::size_t>((first + bit) / 8)]);
    code |= (byte >> (first + bit) % 8 & 1) << bit;
  }
  const std::int64_t place = row * cols / group + k / group;
  return std::fma(static_cast<float>(code), float_at(module[1], place), float_at(module[2], place));
}

TEST(LoadQuantized, BitsAndGroupFollowFromTheShapesOfEachModule) {
  struct Case {
    int bits, group;
    Kind kind;
  };
  for (const Case& c :
       {Case{2, 32, Kind::kAffine4}, Case{3, 64, Kind::kAffine4}, Case{4, 8, Kind::kAffine4},
        Case{4, 64, Kind::kAffine4}, Case{5, 16, Kind::kAffine8}, Case{6, 32, Kind::kAffine8},
        Case{8, 64, Kind::kAffine8}}) {
    std::vector<RawTensor> tensors = qwen3();
    const auto module = affine(kLayer + "self_attn.q_proj", {64, 64}, c.bits, c.group);
    replace(tensors, kLayer + "self_attn.q_proj", module);
    const auto model = load(tensors);
    ASSERT_TRUE(model) << message_of(model);
    const kernels::PackedMatrix& q = model->weights.matrix(0, Slot::kQ);
    EXPECT_EQ(q.format, (PackedFormat{c.kind, c.group, DType::kF32}));
    EXPECT_EQ(model->weights.matrix(0, Slot::kK).format.kind, Kind::kF32);
    for (std::int64_t row = 0; row < 64; row += 7) {
      const std::vector<float> got = row_of(q, row);
      for (std::int64_t k = 0; k < 64; ++k) {
        ASSERT_EQ(got[static_cast<std::size_t>(k)], weight_at(module, c.bits, c.group, 64, row, k))
            << c.bits << " bits, row " << row << " column " << k;
      }
    }
  }
}

TEST(LoadQuantized, EmbeddingsAndFormatNames) {
  std::vector<RawTensor> tensors = qwen3();
  replace(tensors, "model.embed_tokens", affine("model.embed_tokens", {20, 64}, 4, 32));
  const auto model = load(tensors);
  ASSERT_TRUE(model) << message_of(model);
  EXPECT_EQ(model->weights.matrix(-1, Slot::kEmbed).format.kind, Kind::kAffine4);
  EXPECT_EQ(model->weights.format_names(), "f32, affine4 g32");
}

TEST(LoadQuantized, DisagreementsAreRefusedByName) {
  const std::string path = kLayer + "self_attn.q_proj";
  const auto with = [&](const std::vector<RawTensor>& module) {
    std::vector<RawTensor> tensors = qwen3();
    replace(tensors, path, module);
    return tensors;
  };
  const std::vector<RawTensor> good = affine(path, {64, 64}, 4, 64);
  EXPECT_THAT(message_of(load(with(good), "")),
              AllOf(HasSubstr(path + ".scales"), HasSubstr("no quantization")));
  EXPECT_THAT(message_of(load(with({good[0], good[1]}))),
              AllOf(HasSubstr(path + ".biases"), HasSubstr("missing")));
  std::vector<RawTensor> wrong = good;
  wrong[1] = {path + ".scales", "U8", {64, 1}, std::string(64, '\1')};
  EXPECT_THAT(message_of(load(with(wrong))), AllOf(HasSubstr(path), HasSubstr("U8")));
  wrong = good;
  wrong[2] = normals(path + ".biases", {64, 2});
  EXPECT_THAT(message_of(load(with(wrong))), AllOf(HasSubstr(".biases"), HasSubstr("[64, 2]")));
  wrong = good;
  wrong[0] = {path + ".weight", "U32", {64, 14}, std::string(64 * 14 * 4, '\0')};  // 7 bits
  EXPECT_THAT(message_of(load(with(wrong))), AllOf(HasSubstr(path), HasSubstr("[64, 14]")));
  wrong = affine(path, {32, 64}, 4, 64);
  EXPECT_THAT(message_of(load(with(wrong))), AllOf(HasSubstr(path), HasSubstr("[32, 8]")));
  wrong = good;
  wrong[1] = normals(path + ".scales", {64, 16});  // groups of 4
  wrong[2] = normals(path + ".biases", {64, 16});
  EXPECT_THAT(message_of(load(with(wrong))), AllOf(HasSubstr(path), HasSubstr("[64, 16]")));
  const std::string norm = kLayer + "input_layernorm";
  std::vector<RawTensor> tensors = qwen3();
  tensors.push_back(normals(norm + ".scales", {1}));
  EXPECT_THAT(message_of(load(tensors)), HasSubstr("input_layernorm"));
}

TEST(LoadQuantized, TheConfigsWordOnAModuleIsChecked) {
  const std::string path = kLayer + "self_attn.q_proj";
  std::vector<RawTensor> tensors = qwen3();
  replace(tensors, path, affine(path, {64, 64}, 6, 32));
  const auto says = [&](const std::string& word, const std::string& of) {
    return load(tensors, R"(, "quantization": {"group_size": 64, "bits": 4, ")" + of + R"(": )" +
                             word + "}");
  };
  EXPECT_TRUE(says(R"({"group_size": 32, "bits": 6})", path));
  EXPECT_TRUE(says("false", kLayer + "self_attn.k_proj"));
  EXPECT_THAT(message_of(says(R"({"group_size": 32, "bits": 4})", path)),
              AllOf(HasSubstr(path), HasSubstr("6 bits in groups of 32"), HasSubstr("4 bits")));
  EXPECT_THAT(message_of(says("false", path)), AllOf(HasSubstr(path), HasSubstr("not quantized")));
  EXPECT_THAT(message_of(says("true", kLayer + "self_attn.k_proj")),
              AllOf(HasSubstr("k_proj.scales"), HasSubstr("missing")));
  EXPECT_THAT(message_of(says(R"({"mode": "mxfp4"})", path)), HasSubstr("mxfp4"));
  EXPECT_THAT(message_of(says("7", "shape_of_things")), HasSubstr("shape_of_things"));
}

constexpr const char* kMoe = R"({
  "model_type": "qwen3_moe", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
  "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 20,
  "num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "decoder_sparse_step": 1,
  "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
  "quantization": {"group_size": 32, "bits": 4})";

TEST(LoadQuantized, StackedExpertsAreSlicedAndRoutersAreWidened) {
  std::vector<RawTensor> tensors = qwen3();
  std::erase_if(tensors, [](const RawTensor& t) { return t.name.starts_with(kLayer + "mlp."); });
  const auto gate = affine(kLayer + "mlp.switch_mlp.gate_proj", {3, 32, 64}, 4, 32);
  const auto router = affine(kLayer + "mlp.gate", {3, 64}, 8, 64);
  for (const auto& module :
       {gate, router, affine(kLayer + "mlp.switch_mlp.up_proj", {3, 32, 64}, 4, 32),
        affine(kLayer + "mlp.switch_mlp.down_proj", {3, 64, 32}, 4, 32)}) {
    tensors.insert(tensors.end(), module.begin(), module.end());
  }
  const auto model = load(tensors, "", {}, kMoe);
  ASSERT_TRUE(model) << message_of(model);
  const kernels::PackedMatrix& routes = model->weights.matrix(0, Slot::kRouter);
  EXPECT_EQ(routes.format.kind, Kind::kF32);
  for (std::int64_t k = 0; k < 64; ++k) {
    EXPECT_EQ(row_of(routes, 2)[static_cast<std::size_t>(k)], weight_at(router, 8, 64, 64, 2, k));
    EXPECT_EQ(
        row_of(model->weights.matrix(0, Slot::kExpertGate, 1), 5)[static_cast<std::size_t>(k)],
        weight_at(gate, 4, 32, 64, 32 + 5, k));
  }
}

TEST(LoadQuantized, ExpertsOfOneProjectionShareAFormat) {
  std::vector<RawTensor> tensors = qwen3();
  std::erase_if(tensors, [](const RawTensor& t) { return t.name.starts_with(kLayer + "mlp."); });
  tensors.push_back(normals(kLayer + "mlp.gate.weight", {3, 64}));
  for (int x = 0; x < 3; ++x) {
    const std::string stem = fmt::format("{}mlp.experts.{}.", kLayer, x);
    for (const auto& module :
         {affine(stem + "gate_proj", {32, 64}, 4, x == 2 ? 64 : 32),
          affine(stem + "up_proj", {32, 64}, 4, 32), affine(stem + "down_proj", {64, 32}, 4, 32)}) {
      tensors.insert(tensors.end(), module.begin(), module.end());
    }
  }
  EXPECT_THAT(message_of(load(tensors, "", {}, kMoe)),
              AllOf(HasSubstr("experts.2.gate_proj"), HasSubstr("groups of 64")));
}

constexpr const char* kLatent = R"({
  "model_type": "deepseek_v3", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
  "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 20, "kv_lora_rank": 32,
  "q_lora_rank": null, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 32,
  "n_routed_experts": 8, "first_k_dense_replace": 1, "num_experts_per_tok": 1, "n_group": 1,
  "topk_group": 1, "moe_intermediate_size": 32, "rope_theta": 10000.0,
  "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
  "quantization": {"group_size": 32, "bits": 8})";

// Codes cannot be transposed: the keys' part of kv_b_proj is widened, the values' part stays.
TEST(LoadQuantized, LatentKeysOfAnUnsplitProjectionAreWidened) {
  const std::string attention = kLayer + "self_attn.";
  std::vector<RawTensor> tensors = {normals("model.embed_tokens.weight", {20, 64}),
                                    normals("model.norm.weight", {64}),
                                    normals(kLayer + "input_layernorm.weight", {64}),
                                    normals(kLayer + "post_attention_layernorm.weight", {64}),
                                    normals(attention + "q_proj.weight", {48, 64}),
                                    normals(attention + "kv_a_proj_with_mqa.weight", {40, 64}),
                                    normals(attention + "kv_a_layernorm.weight", {32}),
                                    normals(attention + "o_proj.weight", {64, 64}),
                                    normals(kLayer + "mlp.gate_proj.weight", {64, 64}),
                                    normals(kLayer + "mlp.up_proj.weight", {64, 64}),
                                    normals(kLayer + "mlp.down_proj.weight", {64, 64})};
  const auto module = affine(attention + "kv_b_proj", {2 * (16 + 32), 32}, 8, 32);
  tensors.insert(tensors.end(), module.begin(), module.end());
  const auto model = load(tensors, "", {}, kLatent);
  ASSERT_TRUE(model) << message_of(model);
  const kernels::PackedMatrix& keys = model->weights.matrix(0, Slot::kKvUpKey, 1);
  const kernels::PackedMatrix& values = model->weights.matrix(0, Slot::kKvUpValue, 1);
  EXPECT_EQ(keys.format.kind, Kind::kF32);
  EXPECT_EQ(values.format.kind, Kind::kAffine8);
  for (std::int64_t r = 0; r < 32; ++r) {
    for (std::int64_t n = 0; n < 16; ++n) {
      EXPECT_EQ(row_of(keys, r)[static_cast<std::size_t>(n)],
                weight_at(module, 8, 32, 32, 48 + n, r));
    }
    EXPECT_EQ(row_of(values, 3)[static_cast<std::size_t>(r)],
              weight_at(module, 8, 32, 32, 48 + 16 + 3, r));
  }
}

TEST(QuantizeAtLoad, MatricesButNotRoutersAndVectors) {
  const auto plain = load(qwen3(), "");
  const auto int8 = load(qwen3(), "", {.quantization = LoadQuantization::kInt8});
  const auto int4 = load(qwen3(), "", {.quantization = LoadQuantization::kInt4});
  ASSERT_TRUE(plain && int8 && int4);
  EXPECT_EQ(int8->weights.format_names(), "int8");
  EXPECT_EQ(int4->weights.matrix(-1, Slot::kEmbed).format,
            kernels::affine_format(4, 64, DType::kBf16));
  // 64 does not divide its rows of 96.
  EXPECT_EQ(int4->weights.matrix(0, Slot::kDown).format, PackedFormat::int8());
  EXPECT_NE(plain->fingerprint, int8->fingerprint);
  EXPECT_NE(int4->fingerprint, int8->fingerprint);
  // int8: the nearest of 255 steps. int4: MLX's codes (tests/golden), scale and bias rounded.
  const std::vector<float> exact = row_of(plain->weights.matrix(0, Slot::kQ), 9);
  const std::vector<float> eight = row_of(int8->weights.matrix(0, Slot::kQ), 9);
  const std::vector<float> four = row_of(int4->weights.matrix(0, Slot::kQ), 9);
  std::vector<std::uint8_t> codes(exact.size());
  const kernels::AffineGroup group = kernels::quantize_affine(exact.data(), 64, 4, codes.data());
  for (std::size_t k = 0; k < exact.size(); ++k) {
    EXPECT_NEAR(eight[k], exact[k], 0.5 / 127 / 2 * 1.001);
    EXPECT_EQ(four[k], std::fma(static_cast<float>(codes[k]), bf16_to_f32(f32_to_bf16(group.scale)),
                                bf16_to_f32(f32_to_bf16(group.bias))));
  }
}

TEST(QuantizeAtLoad, RoutersStayF32AndQuantizedCheckpointsAreRefused) {
  std::vector<RawTensor> tensors = qwen3();
  replace(tensors, kLayer + "self_attn.q_proj",
          affine(kLayer + "self_attn.q_proj", {64, 64}, 4, 64));
  EXPECT_THAT(message_of(load(tensors, kQuantization, {.quantization = LoadQuantization::kInt8})),
              AllOf(HasSubstr("already quantized"), HasSubstr("q_proj")));
  EXPECT_FALSE(parse_quantization("int3"));
  EXPECT_EQ(parse_quantization("int4"), LoadQuantization::kInt4);
}

}  // namespace
}  // namespace quire::models
