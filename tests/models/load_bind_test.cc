// Loading is total: a checkpoint with a tensor missing, added, misshapen or of another type is
// refused by that tensor's name. The base checkpoint is a golden model, which is known to load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "models/load/bind.h"
#include "models/load/load.h"
#include "models/registry.h"
#include "tests/golden/checkpoint_writer.h"

namespace quire::models {
namespace {

using quire::testing::f32_tensor;
using quire::testing::RawTensor;
using quire::testing::safetensors_bytes;
using quire::testing::TempFolder;
using quire::testing::write_file;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kConfig = R"({
  "model_type": "qwen3", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
  "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "vocab_size": 20,
  "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 10000.0)";

RawTensor ones(const std::string& name, std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  return f32_tensor(name, shape, std::vector<float>(static_cast<std::size_t>(count), 1));
}

std::vector<RawTensor> qwen3() {
  const std::string layer = "model.layers.0.";
  return {ones("model.embed_tokens.weight", {20, 8}),
          ones("model.norm.weight", {8}),
          ones(layer + "input_layernorm.weight", {8}),
          ones(layer + "post_attention_layernorm.weight", {8}),
          ones(layer + "self_attn.q_proj.weight", {8, 8}),
          ones(layer + "self_attn.k_proj.weight", {4, 8}),
          ones(layer + "self_attn.v_proj.weight", {4, 8}),
          ones(layer + "self_attn.o_proj.weight", {8, 8}),
          ones(layer + "self_attn.q_norm.weight", {4}),
          ones(layer + "self_attn.k_norm.weight", {4}),
          ones(layer + "mlp.gate_proj.weight", {12, 8}),
          ones(layer + "mlp.up_proj.weight", {12, 8}),
          ones(layer + "mlp.down_proj.weight", {8, 12})};
}

Result<LoadedModel> load(const std::vector<RawTensor>& tensors, const std::string& more = "",
                         const LoadOptions& options = {}) {
  const TempFolder folder;
  write_file(folder / "config.json", kConfig + more + "}");
  write_file(folder / "model.safetensors", safetensors_bytes(tensors));
  return load_model(folder.path(), options);
}

std::string message_of(const Result<LoadedModel>& result) {
  return result ? "(no error)" : result.error().message;
}

TEST(Bind, TheBaseLoads) {
  const auto model = load(qwen3());
  ASSERT_TRUE(model) << message_of(model);
  EXPECT_TRUE(model->spec.tied_head);  // the config is silent, and there is no head
}

TEST(Bind, EveryTensorIsNeeded) {
  for (std::size_t i = 0; i < qwen3().size(); ++i) {
    std::vector<RawTensor> tensors = qwen3();
    const std::string name = tensors[i].name;
    tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(message_of(load(tensors)), AllOf(HasSubstr(name), HasSubstr("missing"))) << name;
  }
}

TEST(Bind, EveryShapeIsChecked) {
  for (std::size_t i = 0; i < qwen3().size(); ++i) {
    const std::vector<std::int64_t> shape = qwen3()[i].shape;
    std::vector<std::vector<std::int64_t>> wrong = {shape, shape, shape};
    wrong[0].back() += 1;
    wrong[1].push_back(1);
    wrong[2].insert(wrong[2].begin(), 2);
    if (shape.size() == 2 && shape[0] != shape[1]) wrong.push_back({shape[1], shape[0]});
    for (const auto& other : wrong) {
      std::vector<RawTensor> tensors = qwen3();
      tensors[i] = ones(tensors[i].name, other);
      EXPECT_THAT(message_of(load(tensors)),
                  AllOf(HasSubstr(tensors[i].name), HasSubstr(shape_text(other)),
                        HasSubstr(shape_text(shape))));
    }
  }
}

TEST(Bind, TensorsWithoutUseAreRefused) {
  std::vector<RawTensor> tensors = qwen3();
  tensors.push_back(ones("model.layers.0.self_attn.q_proj.bias", {8}));
  EXPECT_THAT(message_of(load(tensors)),
              AllOf(HasSubstr("q_proj.bias"), HasSubstr("no use"), HasSubstr("qwen3")));
  tensors.back() = ones("model.layers.1.input_layernorm.weight", {8});
  EXPECT_THAT(message_of(load(tensors)), HasSubstr("layers.1"));
  tensors.back() = ones("model.layers.0.self_attn.rotary_emb.inv_freq", {2});
  EXPECT_TRUE(load(tensors));
}

TEST(Bind, OtherTypesAreRefusedByName) {
  std::vector<RawTensor> tensors = qwen3();
  tensors[4] = {tensors[4].name, "F8_E4M3", {8, 8}, std::string(64, '\0')};
  EXPECT_THAT(message_of(load(tensors)), AllOf(HasSubstr("q_proj"), HasSubstr("F8_E4M3")));
}

TEST(Bind, TheHeadOfTheFileWins) {
  std::vector<RawTensor> tensors = qwen3();
  EXPECT_THAT(message_of(load(tensors, R"(, "tie_word_embeddings": false)")),
              HasSubstr("lm_head.weight"));
  tensors.push_back(ones("lm_head.weight", {20, 8}));
  const auto model = load(tensors, R"(, "tie_word_embeddings": true)");
  ASSERT_TRUE(model) << message_of(model);
  EXPECT_FALSE(model->spec.tied_head);
}

TEST(Bind, PrefixesOfWrappersAreFound) {
  for (const std::string prefix : {"", "model.language_model.", "language_model.model."}) {
    std::vector<RawTensor> tensors = qwen3();
    for (RawTensor& tensor : tensors) tensor.name = prefix + tensor.name.substr(6);
    EXPECT_TRUE(load(tensors)) << prefix;
  }
}

TEST(Bind, ForcedTypeOfMatrices) {
  const auto model = load(qwen3(), "", {.matrix_dtype = DType::kBf16});
  ASSERT_TRUE(model);
  EXPECT_EQ(model->weights.matrix(0, Slot::kQ).format.kind, kernels::PackedFormat::Kind::kBf16);
}

TEST(Bind, GenerationDefaultsAndEos) {
  const TempFolder folder;
  write_file(folder / "config.json", std::string(kConfig) + R"(, "eos_token_id": 3})");
  write_file(folder / "model.safetensors", safetensors_bytes(qwen3()));
  EXPECT_EQ(load_model(folder.path(), {})->eos_ids, (std::vector<std::int32_t>{3}));
  write_file(folder / "generation_config.json",
             R"({"eos_token_id": [7, 5], "temperature": 0.7, "top_k": 20, "num_beams": 4})");
  const auto model = load_model(folder.path(), {});
  ASSERT_TRUE(model) << message_of(model);
  EXPECT_EQ(model->eos_ids, (std::vector<std::int32_t>{5, 7}));
  EXPECT_EQ(model->defaults.temperature, 0.7);
  EXPECT_EQ(model->defaults.top_k, 20);
  EXPECT_FALSE(model->defaults.top_p);
  write_file(folder / "generation_config.json", R"({"eos_token_id": 20})");
  EXPECT_THAT(message_of(load_model(folder.path(), {})),
              AllOf(HasSubstr("generation_config.json"), HasSubstr("eos_token_id 20")));
  write_file(folder / "generation_config.json", R"({"temperature": "hot"})");
  EXPECT_THAT(message_of(load_model(folder.path(), {})), HasSubstr("temperature"));
}

TEST(Bind, PatternsMatchAsGlobs) {
  EXPECT_TRUE(matches_pattern("*rotary_emb.inv_freq", "model.layers.3.rotary_emb.inv_freq"));
  EXPECT_TRUE(matches_pattern("mtp.*", "mtp.norm.weight"));
  EXPECT_TRUE(matches_pattern("*.mtp.*", "model.mtp.norm"));
  EXPECT_FALSE(matches_pattern("mtp.*", "model.mtp.norm"));
  EXPECT_FALSE(matches_pattern("mtp", "mtp.x"));
  EXPECT_TRUE(matches_pattern("*a*b", "xaxbxab"));
}

TEST(Families, NamesBelongToOneFamilyEach) {
  std::set<std::string_view> types, architectures;
  for (const ModelFamily* family : families()) {
    for (const auto type : family->model_types) EXPECT_TRUE(types.insert(type).second) << type;
    for (const auto name : family->architectures) {
      EXPECT_TRUE(architectures.insert(name).second) << name;
    }
  }
}

}  // namespace
}  // namespace quire::models
