// docs/cli must say what the tables say. QUIRE_UPDATE_DOCS=1 rewrites it, so that it cannot drift.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "cli/documents.h"
#include "models/load/file.h"

namespace quire::cli {
namespace {

namespace fs = std::filesystem;

fs::path folder() { return fs::path(QUIRE_SOURCE_DIR) / "docs" / "cli"; }

void check_page(const std::string& name, const std::string& wanted) {
  const fs::path path = folder() / name;
  if (std::getenv("QUIRE_UPDATE_DOCS") != nullptr) {
    fs::create_directories(folder());
    std::ofstream(path, std::ios::binary) << wanted;
  }
  const auto found = models::read_text_file(path, 1 << 20);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, wanted) << "run QUIRE_UPDATE_DOCS=1 build/cli_tests --gtest_filter=CliDocs*";
}

TEST(CliDocs, EveryCommandHasItsPage) {
  std::set<std::string> pages = {"README.md"};
  check_page("README.md", commands_index());
  for (const Command& command : commands()) {
    const std::string name = std::string(command.name) + ".md";
    pages.insert(name);
    check_page(name, command_page(command));
  }
  for (const auto& entry : fs::directory_iterator(folder())) {
    EXPECT_TRUE(pages.contains(entry.path().filename().string())) << entry.path();
  }
}

TEST(CliDocs, HelpKeepsToTheColumns) {
  for (const int columns : {60, 80, 100}) {
    for (const Command& command : commands()) {
      std::string help = command_help(command, {columns, false});
      help.resize(help.find("\nExamples:"));  // lines to be copied are not broken
      for (std::size_t begin = 0; begin < help.size();) {
        const std::size_t end = std::min(help.find('\n', begin), help.size());
        const std::string line = help.substr(begin, end - begin);
        // A line that is one flag with all its names may be long.
        EXPECT_TRUE(line.size() <= static_cast<std::size_t>(columns) || line.starts_with("  -") ||
                    line.starts_with("Usage:"))
            << command.name << " at " << columns << ": " << line;
        begin = end + 1;
      }
    }
  }
}

TEST(CliDocs, HelpAndManualNameEveryFlag) {
  const std::string manual = manual_page();
  for (const Command& command : commands()) {
    const std::string help = command_help(command, {80, false});
    Options options;
    for (const server::FlagTable& table : flag_tables(command, options)) {
      for (const server::FlagSpec* spec : table.specs) {
        EXPECT_NE(help.find("--" + std::string(spec->name)), std::string::npos)
            << command.name << " " << spec->name;
      }
    }
    EXPECT_NE(manual.find(std::string(".SS quire ") + std::string(command.name.substr(0, 4))),
              std::string::npos)
        << command.name;
  }
}

TEST(CliDocs, FlagsOfACommandHaveDifferentNames) {
  for (const Command& command : commands()) {
    Options options;
    std::set<std::string_view> names;
    for (const server::FlagTable& table : flag_tables(command, options)) {
      for (const server::FlagSpec* spec : table.specs) {
        for (const std::string_view name : server::names_of(*spec)) {
          EXPECT_TRUE(names.insert(name).second) << command.name << " " << name;
        }
      }
    }
  }
}

TEST(CliDocs, Wrap) {
  EXPECT_EQ(wrap("aa bb cc", 2, 7), "  aa bb\n  cc\n");
  EXPECT_EQ(wrap("abcdefghij k", 0, 4), "abcdefghij\nk\n") << "words are not split";
  EXPECT_EQ(wrap("", 4, 10), "");
}

}  // namespace
}  // namespace quire::cli
