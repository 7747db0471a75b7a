// Lines from the user: edited with history on a terminal (libedit), as they are elsewhere.
#pragma once

#include <memory>
#include <string>

namespace quire::cli {

class LineEditor {
 public:
  enum class Outcome { kLine, kInterrupt, kEnd };

  // history_path: empty for none; read now, written by the destructor.
  explicit LineEditor(const std::string& history_path);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  bool is_terminal() const;
  // The next line without its end. kInterrupt: Ctrl-C while editing, the line is dropped.
  Outcome read(const std::string& prompt, std::string& line);

 private:
  struct Terminal;
  std::unique_ptr<Terminal> terminal_;  // null when standard input is no terminal
};

}  // namespace quire::cli
