// A conversation and its /commands, apart from the terminal.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "cli/chat_backend.h"

namespace quire::cli {

class ChatSession {
 public:
  // Pieces of an answer as they come, and whole lines of the program's own.
  struct Screen {
    TextSink text;
    std::function<void(std::string_view line)> note;
  };
  // backend, cancelled and the screen must outlive the session.
  ChatSession(ChatBackend& backend, Options options, const std::atomic<bool>& cancelled,
              Screen screen);

  // One input of the user: a command or a message, which is answered. False to end the program.
  bool take(std::string_view input);

  // kIo or kInvalid names the file.
  Status load(const std::string& path);
  Status save(const std::string& path) const;

  const Json& messages() const { return messages_; }
  const Options& options() const { return options_; }
  bool has_failed() const { return has_failed_; }  // some answer could not be given

 private:
  bool command(std::string_view name, std::string_view rest);
  void set_system(std::string_view text);
  void set_flag(std::string_view assignment);
  void retry();
  void answer();
  void show_stats() const;
  void show(const Status& status, std::string_view good);

  ChatBackend& backend_;
  Options options_;
  const std::atomic<bool>& cancelled_;
  Screen screen_;
  Json messages_ = Json::array();
  Answer last_;
  int answers_ = 0;
  std::int64_t tokens_ = 0;
  bool has_failed_ = false;
};

// Joins the lines of a terminal to inputs: a final backslash continues, """ opens and closes a
// block.
class InputLines {
 public:
  // True when the input is complete.
  bool add(std::string_view line);
  std::string take();
  bool is_open() const { return is_block_ || is_continued_; }
  void clear();

 private:
  std::string text_;
  bool is_block_ = false, is_continued_ = false;
};

}  // namespace quire::cli
