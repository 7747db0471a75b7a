// Right answers: laid out by hand.
#include "base/terminal.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace quire {
namespace {

TEST(Terminal, Wrap) {
  EXPECT_EQ(wrap("aa bb cc", 2, 7), "  aa bb\n  cc\n");
  EXPECT_EQ(wrap("abcdefghij k", 0, 4), "abcdefghij\nk\n") << "words are not split";
  EXPECT_EQ(wrap("", 4, 10), "");
}

TEST(Terminal, EntriesStandBesideOrUnderneath) {
  EXPECT_EQ(wrap_entry("  --a N", "what it is", 12, 80), "  --a N     what it is\n");
  EXPECT_EQ(wrap_entry("  --long-name N", "what it is", 12, 80),
            "  --long-name N\n            what it is\n");
  EXPECT_EQ(wrap_entry("  --a N", "what it is", 12, 40), "  --a N\n      what it is\n");
  EXPECT_EQ(wrap_entry("  --a", "", 12, 80), "  --a\n");
  EXPECT_EQ(wrap_entry("  --a-name-of-a-flag, --another-name-of-it N", "x", 12, 40),
            "  --a-name-of-a-flag,\n      --another-name-of-it N\n      x\n");
}

TEST(Terminal, CommandsStayWhatAShellReads) {
  EXPECT_EQ(wrap_command("quire serve demo  # the toy", 2, 80), "  quire serve demo  # the toy\n");
  EXPECT_EQ(wrap_command("quire serve demo  # the bundled toy model", 2, 40),
            "  # the bundled toy model\n  quire serve demo\n");
  EXPECT_EQ(wrap_command("quire chat org/repo --system \"Answer in one sentence.\"", 2, 40),
            "  quire chat org/repo --system \\\n      \"Answer in one sentence.\"\n");
}

TEST(Terminal, ColumnsFollowTheVariable) {
  const char* before = std::getenv("COLUMNS");
  const std::string kept = before == nullptr ? "" : before;
  const auto with = [](const char* value) {
    ::setenv("COLUMNS", value, 1);
    return terminal_columns();
  };
  EXPECT_EQ(with("57"), 57);
  EXPECT_EQ(with("10"), kColumnsMin);
  EXPECT_EQ(with("500"), kColumnsMax);
  if (before == nullptr) {
    ::unsetenv("COLUMNS");
  } else {
    ::setenv("COLUMNS", kept.c_str(), 1);
  }
}

}  // namespace
}  // namespace quire
