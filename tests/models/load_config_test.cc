// config.json, right and wrong. What must fail follows from the meaning of each key; the configs
// themselves are those of the golden models, which are known to load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "models/load/config.h"
#include "models/load/file.h"
#include "models/load/load.h"
#include "models/registry.h"
#include "tests/golden/checkpoint_writer.h"

namespace quire::models {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr const char* kLlama = R"({
  "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32,
  "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
  "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 512,
  "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "eos_token_id": 2})";

Json llama() { return *parse_json(kLlama); }

Result<ParsedConfig> parse(const Json& config) {
  return parse_model_config(dump_json(config), false);
}
std::string message_of(const Result<ParsedConfig>& result) {
  return result ? "(no error)" : result.error().message;
}
// The llama config with one key changed.
std::string error_with(const char* key, const Json& value) {
  Json config = llama();
  config[key] = value;
  return message_of(parse(config));
}

TEST(Config, ReadsAndRemembers) {
  const auto config = Config::parse(R"({"a": 3, "b": {"c": 1.5, "d": true}, "e": null, "f": 1})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->size("a"), 3);
  EXPECT_EQ(config->object("b").number("c", {0, 2}), 1.5);
  EXPECT_EQ(config->size("e", 7), 7);
  EXPECT_TRUE(config->is_null("e"));
  EXPECT_FALSE(config->object("x").present());
  EXPECT_EQ(config->unread_keys(), (std::vector<std::string>{"f", "b.d"}));
  EXPECT_THAT(config->finish(false).error().message, AllOf(HasSubstr("f"), HasSubstr("b.d")));
  EXPECT_TRUE(config->finish(true));
}

TEST(Config, ReportsAllFaultsTogether) {
  const auto config = Config::parse(R"({"a": "x", "b": 0, "c": {"d": -1}})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->size("a"), 1);  // the smallest allowed value, so that parsing goes on
  config->size("b");
  config->size("missing");
  config->object("c").number("d", {0, 1});
  EXPECT_THAT(config->finish(false).error().message,
              AllOf(HasSubstr("a must be"), HasSubstr("b must be"), HasSubstr("missing is missing"),
                    HasSubstr("c.d must be")));
}

TEST(Config, InfinityComesInTwoSpellings) {
  for (const char* text :
       {R"({"a": [0.0, Infinity]})", R"({"a": [0, {"__float__": "Infinity"}]})"}) {
    const auto config = Config::parse(text);
    ASSERT_TRUE(config) << text;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    EXPECT_EQ(config->numbers("a", {0, kInfinity}), (std::vector<double>{0, kInfinity})) << text;
  }
  const auto nan = Config::parse(R"({"a": NaN})");
  nan->number("a", {0, 1});
  EXPECT_THAT(nan->finish(false).error().message, HasSubstr("got nan"));
}

TEST(Config, RefusesDamagedJson) {
  for (const char* text :
       {"", "[]", "3", "{", "{\"a\":1,\"a\":2}", "{\"a\":1}x", "{\"a\":1e999}"}) {
    EXPECT_FALSE(parse_model_config(text, false)) << text;
  }
}

TEST(ModelConfig, AcceptsTheBase) { EXPECT_TRUE(parse(llama())) << message_of(parse(llama())); }

TEST(ModelConfig, NamesTheFieldAtFault) {
  EXPECT_THAT(error_with("hidden_size", 0), HasSubstr("hidden_size must be"));
  EXPECT_THAT(error_with("hidden_size", nullptr), HasSubstr("hidden_size must not be null"));
  EXPECT_THAT(error_with("num_hidden_layers", 1'000'000'000), HasSubstr("num_hidden_layers"));
  EXPECT_THAT(error_with("num_key_value_heads", 3), HasSubstr("not a multiple"));
  EXPECT_THAT(error_with("num_attention_heads", 5), HasSubstr("num_attention_heads"));
  EXPECT_THAT(error_with("eos_token_id", 96), HasSubstr("eos_token_id 96"));
  EXPECT_THAT(error_with("eos_token_id", {1, 200}), HasSubstr("eos_token_id 200"));
  EXPECT_THAT(error_with("hidden_act", "mish"), HasSubstr("\"mish\" is not supported"));
  EXPECT_THAT(error_with("layer_types", {"full_attention"}), HasSubstr("layer_types"));
  EXPECT_THAT(error_with("head_dim", 7), HasSubstr("head_dim must be even"));
}

// Each factor is in range, the product would leave an int.
TEST(ModelConfig, ProductsOfSizesAreBounded) {
  Json config = llama();
  config["num_attention_heads"] = config["num_key_value_heads"] = 1 << 20;
  config["head_dim"] = 1 << 20;
  EXPECT_THAT(message_of(parse(config)), HasSubstr("num_attention_heads makes a width of"));
  config = *parse_json(R"({"model_type": "mamba2", "hidden_size": 16777216, "expand": 16777216,
    "num_heads": 16777216, "head_dim": 16777216, "state_size": 16777216, "n_groups": 1048576,
    "vocab_size": 10, "num_hidden_layers": 1})");
  EXPECT_THAT(message_of(parse(config)),
              AllOf(HasSubstr("num_heads makes"), HasSubstr("state_size makes")));
}

TEST(ModelConfig, ChecksRopes) {
  const auto rope = [](const char* text) { return error_with("rope_scaling", *parse_json(text)); };
  EXPECT_EQ(rope(R"({"type": "linear", "factor": 2.0})"), "(no error)");
  EXPECT_THAT(rope(R"({"type": "spiral", "factor": 2.0})"), HasSubstr("\"spiral\""));
  EXPECT_THAT(rope(R"({"type": "linear"})"), HasSubstr("rope_scaling.factor is missing"));
  EXPECT_THAT(rope(R"({"type": "linear", "factor": 0})"), HasSubstr("rope_scaling.factor"));
  EXPECT_THAT(rope(R"({"type": "linear", "factor": 2, "twist": 1})"),
              HasSubstr("rope_scaling.twist"));
  EXPECT_THAT(rope(R"({"type": "longrope", "short_factor": [1], "long_factor": [1, 1, 1, 1]})"),
              HasSubstr("short_factor must have 4 numbers"));
  EXPECT_THAT(rope(R"({"type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 3})"),
              HasSubstr("beta_fast"));
  std::string text = kLlama;
  text.insert(text.rfind('}'), R"(, "rope_scaling": {"type": "linear", "factor": NaN})");
  EXPECT_THAT(message_of(parse_model_config(text, false)),
              AllOf(HasSubstr("rope_scaling.factor"), HasSubstr("nan")));
  Json both = llama();
  both["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500.0}};
  EXPECT_THAT(message_of(parse(both)), HasSubstr("rope_theta"));
}

TEST(ModelConfig, UnknownKeysAreRefusedByName) {
  Json config = llama();
  config["swirl"] = 1;
  EXPECT_THAT(message_of(parse(config)), HasSubstr("swirl"));
  EXPECT_TRUE(parse_model_config(dump_json(config), true));
  config["swirl"] = nullptr;  // unset
  EXPECT_TRUE(parse(config));
}

TEST(ModelConfig, QuantizedCheckpointsAreRefusedByMethod) {
  const auto refused = [](const char* key, const char* text, const char* method) {
    Json config = llama();
    config[key] = *parse_json(text);
    const auto result = parse(config);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(result.error().message, AllOf(HasSubstr(key), HasSubstr(method)));
  };
  refused("quantization_config", R"({"quant_method": "fp8", "weight_block_size": [128, 128]})",
          "fp8");
  refused("quantization_config", R"({"quant_method": "awq", "bits": 4})", "4-bit awq");
  refused("quantization", R"({"group_size": 32, "bits": 4, "mode": "mxfp4"})", "mxfp4");
}

TEST(ModelConfig, FamiliesAreFoundByTypeOrArchitecture) {
  Json config = llama();
  config["model_type"] = "LLaMA";  // matched in lower case
  EXPECT_TRUE(parse(config));
  config["model_type"] = "somebody_elses";
  EXPECT_EQ(parse(config)->family->name, "llama");
  config["architectures"] = {"DFlashDraftModel"};
  EXPECT_THAT(message_of(parse(config)), HasSubstr("somebody_elses"));
  config["model_type"] = "llama";
  EXPECT_THAT(message_of(parse(config)), HasSubstr("DFlashDraftModel"));
}

// Keys whose value cannot change a forward pass; everything else must be checked.
const std::set<std::string> kWithoutEffect = {"attention_dropout",
                                              "bos_token_id",
                                              "chunk_size",
                                              "ep_size",
                                              "initializer_range",
                                              "intermediate_size of no dense layer",
                                              "max_window_layers",
                                              "num_nextn_predict_layers",
                                              "pad_token_id",
                                              "pretraining_tp",
                                              "router_aux_loss_coef",
                                              "time_step_floor",
                                              "time_step_max",
                                              "time_step_min",
                                              "time_step_rank",
                                              "_sliding_window_pattern",
                                              "attn_logit_softcapping",
                                              "head_dim of latent attention",
                                              "qk_head_dim",
                                              "sliding_window_pattern"};

// Every number of every golden config in turn becomes a string, negative, 0, 1, 2^31, 1e308, NaN,
// null and missing. Nothing may crash; what is no number or out of any range is refused by name.
TEST(ModelConfig, EveryNumberIsChecked) {
  int refused = 0, accepted = 0;
  const std::filesystem::path folder = std::filesystem::path(QUIRE_SOURCE_DIR) / "tests/golden";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const auto text = read_text_file(entry.path(), 4u << 20);
    const auto golden = parse_json(*text, {.allow_non_finite = true});
    const Json& config = golden->at("config");
    const auto type = config.at("model_type").get<std::string>();
    for (const auto& [key, value] : config.items()) {
      if (!value.is_number()) continue;
      const bool is_inert = kWithoutEffect.contains(key) ||
                            (key == "head_dim" && type == "deepseek_v3") ||
                            (key == "intermediate_size" && type.find("moe") != std::string::npos);
      for (const char* bad : {"\"x\"", "-1", "0", "1", "2147483648", "1e308", "NaN", "null", ""}) {
        Json changed = config;
        changed[key] = "@";
        if (*bad == '\0') changed.erase(key);
        std::string changed_text = dump_json(changed);
        if (const auto at = changed_text.find("\"@\""); at != std::string::npos) {
          changed_text.replace(at, 3, bad);
        }
        const auto result = parse_model_config(changed_text, false);
        ++(result ? accepted : refused);
        if (!result) {
          const std::string other = key == "num_local_experts" ? "num_experts" : key;
          EXPECT_THAT(result.error().message, AnyOf(HasSubstr(key), HasSubstr(other)))
              << entry.path() << " " << bad;
        }
        const std::set<std::string> never = {"\"x\"", "-1", "1e308", "NaN"};
        if (!is_inert && never.contains(bad)) {
          EXPECT_FALSE(result) << entry.path() << ": " << key << " = " << bad;
        }
      }
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(accepted, 100);  // or the base configs were wrong already
}

}  // namespace
}  // namespace quire::models
