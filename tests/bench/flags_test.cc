// Right answers: written by hand from the flags' own contract.
#include "bench/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "bench/commands.h"
#include "bench/load_test.h"

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
  const std::string help = table_for(values).help(80);
  EXPECT_THAT(help, HasSubstr("--count N"));
  EXPECT_THAT(help, HasSubstr("how many [3]"));
  EXPECT_THAT(help, HasSubstr("--kind ids|text"));
}

TEST(FlagTable, RefusalNamesTheNearestFlag) {
  Values values;
  const FlagTable flags = table_for(values);
  EXPECT_EQ(flags.refusal("--coutn=3"), "unknown flag --coutn; did you mean --count?");
  EXPECT_EQ(flags.refusal("--zzzzzzzzzz"), "unknown flag --zzzzzzzzzz");
  EXPECT_EQ(flags.refusal("word"), "\"word\" is one word too many");
}

TEST(BenchHelp, KeepsToTheColumns) {
  for (const int columns : {40, 60, 80, 100}) {
    for (const char* name : {"", "serve", "latency", "throughput"}) {
      std::istringstream lines(bench_help(name, columns));
      for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(line.size(), static_cast<std::size_t>(columns)) << name << ": " << line;
      }
    }
  }
}

// Nothing listens on port 9 of the loopback address; the kernel answers at once.
TEST(LoadTest, WhatCannotBeReachedIsTold) {
  const auto message = [](const std::string& url, const std::string& model) {
    LoadOptions options;
    options.url = url;
    options.model = model;
    const auto records = run_load(options);
    return records ? std::string("reached") : records.error().message;
  };
  for (const char* model : {"", "named"}) {
    EXPECT_EQ(message("http://127.0.0.1:9", model),
              "--url http://127.0.0.1:9: Connection refused: does a server run there? quire serve "
              "MODEL starts one, --url names another");
  }
  EXPECT_THAT(message("[::1]:9/base", ""), HasSubstr("--url [::1]:9/base: "));
  EXPECT_THAT(message("https://127.0.0.1:9", ""), HasSubstr("only http:// is spoken"));
  EXPECT_THAT(message("127.0.0.1:99999", ""), HasSubstr("\"99999\" must be 1 to 65535"));
  EXPECT_THAT(message("127.0.0.1:x", ""), HasSubstr("\"x\" must be 1 to 65535"));
  EXPECT_THAT(message("http://", ""), HasSubstr("a host is missing"));
}

}  // namespace
}  // namespace quire::bench
