// libedit keeps the terminal raw only while a line is read, so that Ctrl-C is a signal otherwise.
#include "cli/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <iostream>
#include <string_view>

namespace quire::cli {
namespace {

constexpr int kHistoryLines = 1000;

}  // namespace

struct LineEditor::Terminal {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::string history_path, prompt;
  bool interrupted = false;

  static Terminal& of(EditLine* editor) {
    void* data = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<Terminal*>(data);
  }
};

LineEditor::LineEditor(const std::string& history_path) {
  if (::isatty(STDIN_FILENO) != 1) return;
  std::setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  terminal_ = std::make_unique<Terminal>();
  Terminal& terminal = *terminal_;
  terminal.history_path = history_path;
  terminal.editor = ::el_init("quire", stdin, stdout, stderr);
  terminal.history = ::history_init();
  HistEvent event;
  ::history(terminal.history, &event, H_SETSIZE, kHistoryLines);
  ::history(terminal.history, &event, H_SETUNIQUE, 1);
  if (!history_path.empty()) ::history(terminal.history, &event, H_LOAD, history_path.c_str());
  EditLine* const editor = terminal.editor;
  ::el_set(editor, EL_CLIENTDATA, &terminal);
  ::el_set(
      editor, EL_PROMPT, +[](EditLine* at) { return Terminal::of(at).prompt.data(); });
  ::el_set(editor, EL_EDITOR, "emacs");
  ::el_set(editor, EL_HIST, ::history, terminal.history);
  ::el_source(editor, nullptr);  // the user's ~/.editrc
  // Ctrl-C as a key while editing: it drops the line.
  ::el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
  ::el_set(
      editor, EL_ADDFN, "quire-interrupt", "drop the line",
      +[](EditLine* at, int) -> unsigned char {
        Terminal::of(at).interrupted = true;
        return CC_NEWLINE;
      });
  ::el_set(editor, EL_BIND, "^C", "quire-interrupt", nullptr);
  ::el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  if (!terminal_) return;
  HistEvent event;
  if (!terminal_->history_path.empty()) {
    ::history(terminal_->history, &event, H_SAVE, terminal_->history_path.c_str());
  }
  ::history_end(terminal_->history);
  ::el_end(terminal_->editor);
}

bool LineEditor::is_terminal() const { return terminal_ != nullptr; }

LineEditor::Outcome LineEditor::read(const std::string& prompt, std::string& line) {
  if (!terminal_) return std::getline(std::cin, line) ? Outcome::kLine : Outcome::kEnd;
  Terminal& terminal = *terminal_;
  terminal.prompt = prompt;
  terminal.interrupted = false;
  int count = 0;
  const char* text = ::el_gets(terminal.editor, &count);
  if (terminal.interrupted) {
    std::cout << "^C\n" << std::flush;
    return Outcome::kInterrupt;
  }
  if (text == nullptr || count <= 0) return Outcome::kEnd;
  line.assign(text, static_cast<std::size_t>(count));
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  HistEvent event;
  if (line.find_first_not_of(' ') != std::string::npos) {
    ::history(terminal.history, &event, H_ENTER, line.c_str());
  }
  return Outcome::kLine;
}

}  // namespace quire::cli
