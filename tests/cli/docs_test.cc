// docs/cli must say what the tables say. QUIRE_UPDATE_DOCS=1 rewrites it, so that it cannot drift.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

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

void expect_columns(const std::string& text, int columns) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), static_cast<std::size_t>(columns)) << line;
  }
}

TEST(CliDocs, HelpKeepsToTheColumns) {
  for (const int columns : {40, 50, 63, 64, 80, 100}) {
    expect_columns(program_help({columns, false}), columns);
    for (const Command& command : commands()) {
      SCOPED_TRACE(std::string(command.name));
      expect_columns(command_help(command, {columns, false}), columns);
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

}  // namespace
}  // namespace quire::cli
