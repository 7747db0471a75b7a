// `quire chat`: the terminal around a conversation.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cli/chat_session.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/line_editor.h"

namespace quire::cli {
namespace {

std::atomic<bool> g_interrupted{false};

void on_interrupt(int) { g_interrupted.store(true); }

std::string history_path(const Options& options) {
  if (!options.history.empty()) return options.history;
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state == nullptr && home == nullptr) return "";
  const std::filesystem::path folder =
      (state != nullptr ? std::filesystem::path(state)
                        : std::filesystem::path(home) / ".local" / "state") /
      "quire";
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  return failed ? "" : (folder / "history").string();
}

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
  bool colour_;
  TextKind kind_ = TextKind::kContent;
};

void talk(ChatSession& session, LineEditor& editor) {
  InputLines lines;
  std::string line;
  while (true) {
    const std::string prompt = !editor.is_terminal() ? "" : lines.is_open() ? ". " : "> ";
    const LineEditor::Outcome outcome = editor.read(prompt, line);
    if (outcome == LineEditor::Outcome::kInterrupt) {
      lines.clear();
      continue;
    }
    if (outcome == LineEditor::Outcome::kEnd) {
      if (lines.is_open()) session.take(lines.take());
      return;
    }
    if (!lines.add(line)) continue;
    g_interrupted.store(false);
    if (!session.take(lines.take())) return;
    // Without a terminal nobody can go on after Ctrl-C.
    if (g_interrupted.load() && !editor.is_terminal()) return;
  }
}

}  // namespace

int chat_command(Invocation& invocation) {
  const Options& options = invocation.options;
  if (options.settings.engine.model.empty() == options.url.empty()) {
    write_error("quire chat: give a model or --url, one of them\nTry: quire chat --help\n");
    return kExitUsage;
  }
  const auto backend =
      options.url.empty() ? open_local_backend(options) : open_remote_backend(options);
  if (!backend) return report("chat", backend.error());

  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  LineEditor editor(history_path(options));
  Printer printer(terminal_style().colour);
  ChatSession session(**backend, options, g_interrupted,
                      {[&](TextKind kind, std::string_view text) { printer.text(kind, text); },
                       [&](std::string_view line) { printer.note(line); }});
  if (!options.session.empty() && std::filesystem::exists(options.session)) {
    if (const Status loaded = session.load(options.session); !loaded) {
      return report("chat", loaded.error());
    }
  }
  if (editor.is_terminal()) {
    printer.note(fmt::format("{}: /help lists the commands, Ctrl-D ends", (*backend)->name()));
  }
  talk(session, editor);
  if (editor.is_terminal()) write_out("\n");
  if (!options.session.empty()) {
    if (const Status saved = session.save(options.session); !saved) {
      return report("chat", saved.error());
    }
  }
  return session.has_failed() && !editor.is_terminal() ? kExitFailure : kExitOk;
}

}  // namespace quire::cli
