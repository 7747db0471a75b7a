// Config files: each accepted line is compared with the flag it stands for.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/settings.h"

namespace quire::server {
namespace {

ConfigPairs pairs(std::string_view text) {
  const auto parsed = parse_config_text(text);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed.value_or(ConfigPairs());
}

TEST(ConfigFile, YamlLines) {
  EXPECT_EQ(pairs("# comment\n---\nport: 81  # more\nhost: '::1'\n\nmodel: \"a # b\"\r\n"),
            (ConfigPairs{{"port", "81"}, {"host", "::1"}, {"model", "a # b"}}));
  EXPECT_EQ(pairs("api-key:\n  - a\n  - b\nport: 1\n"),
            (ConfigPairs{{"api-key", "a"}, {"api-key", "b"}, {"port", "1"}}));
  for (const char* bad : {"port", "port:81", ": 81", "a: {b: c}", "a: [1, 2]", "a: 'b", "- x"}) {
    EXPECT_FALSE(parse_config_text(bad)) << bad;
  }
}

TEST(ConfigFile, Json) {
  EXPECT_EQ(
      pairs(R"({"port": 81, "strict-fields": true, "api-key": ["a", "b"]})"),
      (ConfigPairs{{"port", "81"}, {"strict-fields", "true"}, {"api-key", "a"}, {"api-key", "b"}}));
  for (const char* bad : {"{", "{\"a\": {}}", "{\"a\": null}", "{\"a\": 1, \"a\": 2}"}) {
    EXPECT_FALSE(parse_config_text(bad)) << bad;
  }
}

TEST(ConfigFile, FlagsWinOverEnvironmentWinsOverFile) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "quire_config_test.yaml";
  std::ofstream(path) << "model: m\nport: 1\nthreads: 1\nmax_num_seqs: 1\n";
  const std::vector<std::string> flags = {"--config", path.string(), "--port", "3"};
  const std::vector<std::string> environment = {"QUIRE_PORT=2", "QUIRE_THREADS=2"};
  const ParsedSettings parsed = parse_settings(flags, environment);
  EXPECT_TRUE(parsed.errors.empty()) << parsed.errors.front();
  EXPECT_EQ(parsed.settings.port, 3);
  EXPECT_EQ(parsed.settings.engine.threads, 2);
  EXPECT_EQ(parsed.settings.engine.max_num_seqs, 1);
  std::ofstream(path) << "model: m\nprot: 1\nport: x\n";
  EXPECT_EQ(parse_settings(flags, {}).errors.size(), 2u) << "both name the file and the key";
  std::filesystem::remove(path);
  EXPECT_EQ(parse_settings(flags, {}).errors.size(), 2u) << "no file, and no model";
}

TEST(ConfigFile, SpellingsOfTheSameType) {
  const auto dtype = [](const char* word) {
    const std::vector<std::string> flags = {"m", "--dtype", word};
    return parse_settings(flags, {}).settings.engine.dtype;
  };
  EXPECT_EQ(dtype("float32"), "f32");
  EXPECT_EQ(dtype("bfloat16"), "bf16");
  const std::vector<std::string> one = {"m", "--tensor-parallel-size", "1"};
  EXPECT_TRUE(parse_settings(one, {}).errors.empty());
  const std::vector<std::string> two = {"m", "--tensor-parallel-size", "2"};
  ASSERT_EQ(parse_settings(two, {}).errors.size(), 1u);
  EXPECT_NE(parse_settings(two, {}).errors[0].find("one process"), std::string::npos);
}

}  // namespace
}  // namespace quire::server
