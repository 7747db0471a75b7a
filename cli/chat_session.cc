// Messages are kept as the API has them; a failed turn leaves no trace in them.
#include "cli/chat_session.h"

#include <fstream>
#include <iterator>

#include "server/flags.h"

namespace quire::cli {
namespace {

constexpr std::string_view kHelp[] = {
    "/help                 this list",
    "/system TEXT          set the system prompt; without a text it is removed",
    "/clear                forget the conversation (the system prompt stays)",
    "/retry                answer the last message again",
    "/undo                 take back the last message and its answer",
    "/set FLAG VALUE       a sampling flag: temperature, top-k, top-p, min-p,",
    "                      repetition-penalty, max-tokens, seed, stop; /set alone shows them",
    "/save FILE            write the conversation as JSON",
    "/load FILE            go on with a conversation",
    "/stats                tokens and speed of the last answer",
    "/quit                 end (as does Ctrl-D)",
    "A line that ends with \\ goes on; \"\"\" opens and closes a text of several lines.",
    "Ctrl-C stops an answer."};
constexpr std::string_view kSamplingFlags =
    "temperature top-k top-p min-p repetition-penalty max-tokens seed stop reasoning-effort";

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

std::string role_of(const Json& message) {
  const Json* role = find_member(message, "role");
  return role != nullptr && role->is_string() ? role->get<std::string>() : "";
}

}  // namespace

ChatSession::ChatSession(ChatBackend& backend, Options options, const std::atomic<bool>& cancelled,
                         Screen screen)
    : backend_(backend),
      options_(std::move(options)),
      cancelled_(cancelled),
      screen_(std::move(screen)) {
  if (!options_.system.empty()) set_system(options_.system);
}

bool ChatSession::take(std::string_view input) {
  const std::string_view text = trim(input);
  if (text.empty()) return true;
  if (text.front() == '/' && text.find('\n') == std::string_view::npos) {
    const std::size_t end = std::min(text.find(' '), text.size());
    return command(text.substr(1, end - 1), trim(text.substr(end)));
  }
  messages_.push_back({{"role", "user"}, {"content", std::string(text)}});
  answer();
  return true;
}

bool ChatSession::command(std::string_view name, std::string_view rest) {
  if (name == "quit" || name == "exit" || name == "q" || name == "bye") return false;
  if (name == "help" || name == "?") {
    for (const std::string_view line : kHelp) screen_.note(line);
  } else if (name == "system") {
    set_system(rest);
    screen_.note(rest.empty() ? "no system prompt" : "system prompt set");
  } else if (name == "clear") {
    const bool has_system = !messages_.empty() && role_of(messages_.front()) == "system";
    const Json first = has_system ? messages_.front() : Json();
    messages_ = Json::array();
    if (has_system) messages_.push_back(first);
    screen_.note("a new conversation");
  } else if (name == "retry") {
    retry();
  } else if (name == "undo") {
    while (!messages_.empty() && role_of(messages_.back()) == "assistant") {
      messages_.erase(messages_.size() - 1);
    }
    const bool has_turn = !messages_.empty() && role_of(messages_.back()) == "user";
    if (has_turn) messages_.erase(messages_.size() - 1);
    screen_.note(has_turn ? "taken back" : "there is nothing to take back");
  } else if (name == "set") {
    set_flag(rest);
  } else if (name == "stats") {
    show_stats();
  } else if ((name == "save" || name == "load") && rest.empty()) {
    screen_.note(fmt::format("/{} needs a file's name", name));
  } else if (name == "save") {
    show(save(std::string(rest)), fmt::format("{} messages in {}", messages_.size(), rest));
  } else if (name == "load") {
    const Status loaded = load(std::string(rest));
    show(loaded, fmt::format("{} messages from {}", messages_.size(), rest));
  } else {
    screen_.note(fmt::format("there is no /{}; /help lists the commands", name));
  }
  return true;
}

void ChatSession::show(const Status& status, std::string_view good) {
  screen_.note(status ? std::string(good) : status.error().message);
}

void ChatSession::set_system(std::string_view text) {
  if (!messages_.empty() && role_of(messages_.front()) == "system") messages_.erase(0);
  if (text.empty()) return;
  // A list in braces would be inserted element by element.
  const Json message = {{"role", "system"}, {"content", std::string(text)}};
  messages_.insert(messages_.begin(), message);
}

void ChatSession::set_flag(std::string_view assignment) {
  const server::FlagTable table{option_rows(kSamplingFlags), &options_};
  if (assignment.empty()) {
    for (const server::FlagSpec* spec : table.specs) {
      const std::string value = server::flag_value(*spec, &options_);
      const bool is_default = value.empty() || value.starts_with('-');
      screen_.note(fmt::format("{} {}", spec->name, is_default ? "(the model's own)" : value));
    }
    return;
  }
  const std::size_t end = std::min(assignment.find_first_of(" ="), assignment.size());
  const std::string name(assignment.substr(0, end));
  const std::string value(
      trim(end < assignment.size() ? assignment.substr(end + 1) : std::string_view()));
  if (name == "stop") options_.stop.clear();
  const std::vector<std::string> words = {fmt::format("--{}={}", name, value)};
  const server::ParsedFlags parsed = parse_flags(std::span(&table, 1), {words, {}});
  for (const std::string& error : parsed.errors) screen_.note(error);
  if (parsed.errors.empty()) screen_.note(fmt::format("{} is {}", name, value));
}

void ChatSession::retry() {
  while (!messages_.empty() && role_of(messages_.back()) == "assistant") {
    messages_.erase(messages_.size() - 1);
  }
  if (messages_.empty() || role_of(messages_.back()) != "user") {
    screen_.note("there is no message to answer again");
    return;
  }
  answer();
}

void ChatSession::answer() {
  const Result<Answer> given = backend_.answer(messages_, options_, screen_.text, cancelled_);
  if (!given) {
    has_failed_ = true;
    messages_.erase(messages_.size() - 1);
    screen_.note(fmt::format("error: {}", given.error().message));
    return;
  }
  last_ = *given;
  ++answers_;
  tokens_ += last_.completion_tokens;
  messages_.push_back({{"role", "assistant"}, {"content", last_.text}});
  screen_.text(TextKind::kContent, "\n");
  if (last_.finish_reason == "abort") screen_.note("(stopped)");
  if (last_.finish_reason == "length") screen_.note("(cut off at the longest answer)");
}

void ChatSession::show_stats() const {
  if (answers_ == 0) {
    screen_.note("no answer yet");
    return;
  }
  const double decoding = last_.seconds - last_.first_token_s;
  const auto later = static_cast<double>(last_.completion_tokens - 1);
  screen_.note(fmt::format("prompt {} tokens, {} of them cached; first token after {:.2f} s",
                           last_.prompt_tokens, last_.cached_tokens, last_.first_token_s));
  screen_.note(fmt::format(
      "answer {} tokens in {:.2f} s, {:.1f} tokens a second ({})", last_.completion_tokens,
      last_.seconds, decoding > 0 && later > 0 ? later / decoding : 0.0, last_.finish_reason));
  screen_.note(fmt::format("{} answers, {} tokens in all", answers_, tokens_));
}

Status ChatSession::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::kIo, "cannot read {}", path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto parsed = parse_json(text);
  if (!parsed) return fail(ErrorCode::kInvalid, "{}: {}", path, parsed.error().message);
  const Json* messages = parsed->is_array() ? &*parsed : find_member(*parsed, "messages");
  bool good = messages != nullptr && messages->is_array();
  for (std::size_t i = 0; good && i < messages->size(); ++i) {
    const Json* content = find_member((*messages)[i], "content");
    good = !role_of((*messages)[i]).empty() && content != nullptr && content->is_string();
  }
  if (!good) {
    return fail(ErrorCode::kInvalid, "{}: no \"messages\" with \"role\" and \"content\"", path);
  }
  messages_ = *messages;
  return {};
}

Status ChatSession::save(const std::string& path) const {
  std::ofstream file(path, std::ios::binary);
  file << dump_json({{"messages", messages_}}) << "\n";
  if (!file.flush()) return fail(ErrorCode::kIo, "cannot write {}", path);
  return {};
}

bool InputLines::add(std::string_view line) {
  constexpr std::string_view kFence = "\"\"\"";
  if (is_block_) {
    const std::size_t end = line.find(kFence);
    text_ += line.substr(0, end);
    if (end == std::string_view::npos) text_ += '\n';
    is_block_ = end == std::string_view::npos;
    return !is_block_;
  }
  if (!is_continued_ && line.starts_with(kFence)) {
    line.remove_prefix(kFence.size());
    is_block_ = true;
    if (line.empty()) return false;  // the text begins on the next line
    return add(line);
  }
  is_continued_ = line.ends_with('\\');
  if (is_continued_) line.remove_suffix(1);
  text_ += line;
  if (is_continued_) text_ += '\n';
  return !is_continued_;
}

std::string InputLines::take() {
  std::string text = std::move(text_);
  clear();
  return text;
}

void InputLines::clear() {
  text_.clear();
  is_block_ = is_continued_ = false;
}

}  // namespace quire::cli
