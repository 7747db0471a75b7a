// Wrapping counts bytes: the program's own texts are ASCII.
#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <vector>

namespace quire {
namespace {

constexpr int kDeeper = 4;  // how far a line that goes on is indented

std::string blanks(int count) { return std::string(static_cast<std::size_t>(count), ' '); }

// The text at its blanks; those within quotes do not count where `quotes` is true.
std::vector<std::string_view> words_of(std::string_view text, bool quotes) {
  std::vector<std::string_view> words;
  char open = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (open == 0 && text[i] == ' ')) {
      if (i > begin) words.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    } else if (quotes && (text[i] == '"' || text[i] == '\'') && (open == 0 || open == text[i])) {
      open = open == 0 ? text[i] : 0;
    }
  }
  return words;
}

// Lines of words: the first begins at `indent`, further ones at `further`; `more` ends all but the
// last.
struct Lines {
  int indent = 0, further = 0;
  int columns = kColumnsDefault;
  std::string_view more = {};
};

std::string fill(const std::vector<std::string_view>& words, const Lines& lines) {
  std::string out, line;
  int indent = lines.indent;
  for (const std::string_view word : words) {
    const std::size_t wide = line.size() + 1 + word.size() + lines.more.size();
    if (!line.empty() && indent + static_cast<int>(wide) > lines.columns) {
      out += blanks(indent) + line + std::string(lines.more) + "\n";
      line.clear();
      indent = lines.further;
    }
    line += (line.empty() ? "" : " ") + std::string(word);
  }
  return line.empty() ? out : out + blanks(indent) + line + "\n";
}

}  // namespace

int terminal_columns() {
  int columns = 0;
  if (const char* text = std::getenv("COLUMNS"); text != nullptr) {
    const std::string_view digits(text);
    const auto [end, code] = std::from_chars(digits.begin(), digits.end(), columns);
    if (code != std::errc() || end != digits.end()) columns = 0;
  }
  winsize window{};
  if (columns <= 0 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0) columns = window.ws_col;
  return columns <= 0 ? kColumnsDefault : std::clamp(columns, kColumnsMin, kColumnsMax);
}

std::string wrap(std::string_view text, int indent, int columns) {
  return fill(words_of(text, false), {indent, indent, columns});
}

std::string wrap_entry(std::string_view word, std::string_view meaning, int at, int columns) {
  const auto indent = static_cast<int>(std::min(word.find_first_not_of(' '), word.size()));
  if (columns < kColumnsNarrow) at = indent + kDeeper;
  const std::string text = wrap(meaning, at, columns);
  if (static_cast<int>(word.size()) + 2 <= at && !text.empty()) {
    return std::string(word) + text.substr(word.size());
  }
  return fill(words_of(word, false), {indent, indent + kDeeper, columns}) + text;
}

std::string wrap_command(std::string_view line, int indent, int columns) {
  const std::size_t remark = line.find("  # ");
  if (indent + static_cast<int>(line.size()) <= columns) {
    return blanks(indent) + std::string(line) + "\n";
  }
  std::string out;
  if (remark != std::string_view::npos) {
    out = fill(words_of(line.substr(remark), false), {indent, indent + 2, columns});
    line = line.substr(0, remark);
  }
  // The last line needs no room for the backslash.
  if (indent + static_cast<int>(line.size()) <= columns) {
    return out + blanks(indent) + std::string(line) + "\n";
  }
  return out + fill(words_of(line, true), {indent, indent + kDeeper, columns, " \\"});
}

}  // namespace quire
