// `quire chat`: the terminal around a conversation.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cli/chat_session.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/interruption.h"
#include "cli/line_editor.h"
#include "cli/printer.h"

namespace quire::cli {
namespace {

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

void talk(ChatSession& session, LineEditor& editor, Interruption& interruption) {
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
    interruption.clear();
    if (!session.take(lines.take())) return;
    // Without a terminal nobody can go on after Ctrl-C.
    if (interruption.flag() && !editor.is_terminal()) return;
  }
}

}  // namespace

int chat_command(Invocation& invocation) {
  const Options& options = invocation.options;
  if (options.settings.engine.model.empty() == options.url.empty()) {
    write_error(
        "quire chat: give a model or --url, one of them\nTry: quire chat demo, or quire chat "
        "--help\n");
    return kExitUsage;
  }
  const auto backend =
      options.url.empty() ? open_local_backend(options) : open_remote_backend(options);
  if (!backend) return report("chat", backend.error());

  Interruption interruption(Interruption::Mode::kRepeated);
  ::signal(SIGPIPE, SIG_IGN);
  LineEditor editor(history_path(options));
  Printer printer(terminal_style().colour);
  ChatSession session(**backend, options, interruption.flag(),
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
  talk(session, editor, interruption);
  if (editor.is_terminal()) write_out("\n");
  if (!options.session.empty()) {
    if (const Status saved = session.save(options.session); !saved) {
      return report("chat", saved.error());
    }
  }
  if (interruption.flag() && !editor.is_terminal()) return interruption.exit_status();
  return session.has_failed() && !editor.is_terminal() ? kExitFailure : kExitOk;
}

}  // namespace quire::cli
