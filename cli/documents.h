// What is said about the commands, all from their rows: help, manual page, web pages, completions.
#pragma once

#include <string>

#include "base/terminal.h"
#include "cli/command.h"

namespace quire::cli {

// How text is set on a terminal.
struct TextStyle {
  int columns = kColumnsDefault;
  bool colour = false;
};
// The reader's width, and colour unless NO_COLOR is set or standard output is no terminal.
TextStyle terminal_style();

std::string program_help(const TextStyle& style);
std::string command_help(const Command& command, const TextStyle& style);

// Troff source of quire(1).
std::string manual_page();
// docs/cli/NAME.md and docs/cli/README.md.
std::string command_page(const Command& command);
std::string commands_index();

// A completion script; an unknown shell's is empty.
std::string completion_script(std::string_view shell);

}  // namespace quire::cli
