// Right answers: written by hand from the flags' own contract.
#include "bench/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quire::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Values {
  int count = 3;
  double rate = 0;
  std::string name;
  bool json = false;
  std::size_t kind = 99;
};

FlagTable table_for(Values& values) {
  FlagTable flags;
  flags.add("count", "how many", values.count, 1);
  flags.add("rate", "a second", values.rate, 0.0);
  flags.add("name", "of it", values.name);
  flags.add("json", "as JSON", values.json);
  flags.add_choice("kind", "which", {"ids", "text"}, [&](std::size_t i) { values.kind = i; });
  return flags;
}

TEST(FlagTable, SetsTargetsAndReturnsTheRest) {
  Values values;
  const auto rest = table_for(values).parse(
      {"--count", "7", "--model", "dir", "--rate=2.5", "--json", "--kind", "text", "--name", "-x"});
  ASSERT_TRUE(rest.has_value()) << rest.error().message;
  EXPECT_THAT(*rest, ElementsAre("--model", "dir"));
  EXPECT_EQ(values.count, 7);
  EXPECT_EQ(values.rate, 2.5);
  EXPECT_EQ(values.name, "-x");
  EXPECT_TRUE(values.json);
  EXPECT_EQ(values.kind, 1u);
}

TEST(FlagTable, ErrorsNameFlagValueAndLimit) {
  Values values;
  const FlagTable flags = table_for(values);
  const auto message = [&](std::vector<std::string> words) {
    const auto rest = flags.parse(words);
    return rest ? std::string("accepted") : rest.error().message;
  };
  EXPECT_EQ(message({"--count", "0"}), "--count must be a number from 1, got 0");
  EXPECT_EQ(message({"--count", "3x"}), "--count must be a number from 1, got 3x");
  EXPECT_EQ(message({"--rate=nan"}), "--rate must be a number from 0, got nan");
  EXPECT_EQ(message({"--kind", "bits"}), "--kind must be one of ids|text, got bits");
  EXPECT_EQ(message({"--name"}), "--name needs a value");
  EXPECT_EQ(message({"--json=1"}), "--json takes no value, got --json=1");
  EXPECT_EQ(values.count, 3);
}

TEST(FlagTable, HelpShowsDefaults) {
  Values values;
  const std::string help = table_for(values).help();
  EXPECT_THAT(help, HasSubstr("--count N"));
  EXPECT_THAT(help, HasSubstr("how many [3]"));
  EXPECT_THAT(help, HasSubstr("--kind ids|text"));
}

}  // namespace
}  // namespace quire::bench
