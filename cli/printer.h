// The pieces of an answer and the program's own remarks, as a person reads them.
#pragma once

#include <fmt/core.h>

#include <string_view>

#include "cli/chat_backend.h"
#include "cli/command.h"

namespace quire::cli {

// Reasoning is dim on a terminal, and apart from the answer everywhere.
class Printer {
 public:
  explicit Printer(bool colour) : colour_(colour) {}

  void text(TextKind kind, std::string_view text) {
    if (kind != kind_) {
      if (kind_ == TextKind::kReasoning) write_out(colour_ ? "\x1b[0m\n" : "\n");
      if (kind == TextKind::kReasoning && colour_) write_out("\x1b[2m");
      kind_ = kind;
    }
    write_out(text);
  }
  void note(std::string_view line) const {
    write_error(colour_ ? fmt::format("\x1b[2m{}\x1b[0m\n", line) : fmt::format("{}\n", line));
  }

 private:
  const bool colour_;
  TextKind kind_ = TextKind::kContent;
};

}  // namespace quire::cli
