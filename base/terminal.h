// How wide the reader's terminal is, and text set to that width.
#pragma once

#include <string>
#include <string_view>

namespace quire {

constexpr int kColumnsMin = 40, kColumnsDefault = 80, kColumnsMax = 100;
// Below this a table of two columns leaves too little for the second: its texts go underneath.
constexpr int kColumnsNarrow = 64;

// COLUMNS, else the width of the terminal that is standard output, else 80; from 40 to 100.
int terminal_columns();

// The text in lines of at most `columns`, each behind `indent` blanks; words are not split.
std::string wrap(std::string_view text, int indent, int columns);

// A word and what it means: side by side with the meaning from column `at` on, or, on a narrow
// terminal and behind a long word, the meaning underneath. `word` has its own indentation, at which
// it goes on (four blanks deeper) where it is longer than a line.
std::string wrap_entry(std::string_view word, std::string_view meaning, int at, int columns);

// A command line, to be copied: a longer one goes on behind a backslash, and nothing in quotes is
// broken. "  # remark" behind it stands above it where both do not fit.
std::string wrap_command(std::string_view line, int indent, int columns);

}  // namespace quire
