// Settings: the table is turned against itself, and the documented spellings are tried one by one.
#include "server/settings.h"

#include <gtest/gtest.h>

#include <set>

#include "base/edit_distance.h"

namespace quire::server {
namespace {

ParsedSettings parse(std::vector<std::string> arguments,
                     std::vector<std::string> environment = {}) {
  arguments.insert(arguments.begin(), "--model=m");
  return parse_settings(arguments, environment);
}

std::string error_of(std::vector<std::string> arguments) {
  const ParsedSettings parsed = parse(std::move(arguments));
  return parsed.errors.empty() ? "" : parsed.errors.front();
}

TEST(Settings, NamesAreUnique) {
  std::set<std::string> names;
  for (const SettingSpec& spec : setting_specs()) {
    std::string all = fmt::format("{} {}", spec.name, spec.aliases);
    for (std::size_t begin = 0; begin < all.size();) {
      const std::size_t end = std::min(all.find(' ', begin), all.size());
      EXPECT_TRUE(end == begin || names.insert(all.substr(begin, end - begin)).second) << all;
      begin = end + 1;
    }
  }
}

TEST(Settings, EveryNumberRefusesWhatIsOutsideItsRange) {
  for (const SettingSpec& spec : setting_specs()) {
    if (!(spec.max > spec.min)) continue;
    const std::string flag = fmt::format("--{}", spec.name);
    EXPECT_NE(error_of({flag, fmt::format("{:.0f}", spec.max + 1)}), "") << flag;
    EXPECT_NE(error_of({flag, "-5"}), "") << flag;
    EXPECT_NE(error_of({flag, "x"}), "") << flag;
    EXPECT_NE(error_of({flag}), "") << flag << " without a value";
    EXPECT_EQ(error_of({flag, fmt::format("{:.0f}", spec.max)}), "") << flag;
  }
}

TEST(Settings, EverySettingIsInTheEnvironment) {
  EXPECT_EQ(parse({}, {"QUIRE_MAX_NUM_SEQS=7"}).settings.engine.max_num_seqs, 7);
  EXPECT_EQ(parse({"--max-num-seqs=8"}, {"QUIRE_MAX_NUM_SEQS=7"}).settings.engine.max_num_seqs, 8);
  EXPECT_FALSE(parse({}, {"QUIRE_MAX_NUM_SEQS=x"}).errors.empty());
  EXPECT_EQ(parse({}, {"QUIRE_NONSENSE=1"}).warnings.size(), 1u);
}

TEST(Settings, Spellings) {
  EXPECT_EQ(parse({"-t", "3"}).settings.engine.threads, 3);
  EXPECT_EQ(parse({"--threads=3"}).settings.engine.threads, 3);
  EXPECT_EQ(parse({"--max-queue", "9"}).settings.engine.max_num_waiting, 9);
  EXPECT_EQ(parse({"-c", "32k"}).settings.engine.max_model_len, 32'000);
  EXPECT_EQ(parse({"--max-model-len", "32K"}).settings.engine.max_model_len, 32'768);
  EXPECT_FALSE(parse({"--no-prefix-cache"}).settings.engine.prefix_cache);
  EXPECT_FALSE(parse({"--no-enable-prefix-caching"}).settings.engine.prefix_cache);
  EXPECT_TRUE(parse({"--enable-prefix-caching"}).settings.engine.prefix_cache);
  EXPECT_EQ(parse({"--port", "0"}).settings.port, 0);
  for (const char* name : {"--kv-cache-memory", "--kv-cache-memory-bytes", "--kv-cache-size"}) {
    for (const char* good : {"auto", "1000", "64K", "2M", "1.5G", "30%"}) {
      EXPECT_EQ(parse({name, good}).settings.engine.kv_cache_memory, good);
    }
    for (const char* bad : {"", "0", "-1", "101%", "0%", "2X", "M", "nan", "inf"}) {
      EXPECT_NE(error_of({name, bad}), "") << bad;
    }
  }
  const std::vector<std::string> positional{"folder"};
  EXPECT_EQ(parse_settings(positional, {}).settings.engine.model, "folder");
}

TEST(Settings, ErrorsNameTheClosestFlagAndComeAllAtOnce) {
  EXPECT_NE(error_of({"--max-num-sequences", "3"}).find("--max-num-seqs"), std::string::npos);
  EXPECT_NE(error_of({"--treads", "3"}).find("--threads"), std::string::npos);
  const ParsedSettings parsed =
      parse({"--port", "99999", "--isa", "mmx", "--nope", "--dtype=f8", "--strict-fields=1x"});
  EXPECT_EQ(parsed.errors.size(), 5u) << fmt::format("{}", fmt::join(parsed.errors, "; "));
  EXPECT_EQ(parse_settings({}, {}).errors.size(), 1u) << "the model is missing";
}

TEST(Settings, EditDistance) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("top_p", "top_k"), 1);
  EXPECT_EQ(edit_distance("temprature", "temperature"), 1);
  EXPECT_EQ(edit_distance("sotp", "stop"), 1) << "a swap is one edit";
}

}  // namespace
}  // namespace quire::server
