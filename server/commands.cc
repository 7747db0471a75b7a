// Each takes a few flags of its own; wrong usage is told and ends with status 2.
#include "server/commands.h"

#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "models/text/apply_template.h"
#include "models/text/tokenize_lines.h"
#include "models/text/tokenizer.h"
#include "server/serve.h"

namespace quire::server {
namespace {

struct FlagSpec {
  std::string_view name;
  std::string_view value;
  std::string_view help;
  bool required = false;
};

struct CommandSpec {
  std::string_view name;
  std::string_view summary;
  std::span<const FlagSpec> flags;
};

int usage_error(const CommandSpec& command, const std::string& message) {
  std::cerr << "quire " << command.name << ": " << message << "\n";
  return kExitUsage;
}

void print_help(const CommandSpec& command) {
  std::cout << "Usage: quire " << command.name << " [flags]\n" << command.summary << "\n\n";
  for (const FlagSpec& flag : command.flags) {
    std::cout << "  --" << flag.name << " " << flag.value << "\n      " << flag.help << "\n";
  }
}

// The flags' values by name, or the exit status to end with.
tl::expected<std::map<std::string, std::string>, int> read_flags(
    const CommandSpec& command, std::span<const std::string> arguments) {
  std::map<std::string, std::string> values;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (name == "--help" || name == "-h") {
      print_help(command);
      return tl::unexpected(kExitOk);
    }
    const std::size_t equals = std::min(name.find('='), name.size());
    const bool has_value = equals < name.size();
    std::string value = has_value ? name.substr(equals + 1) : "";
    name.resize(equals);
    if (name == "-m") name = "--model";
    const bool known =
        std::any_of(command.flags.begin(), command.flags.end(),
                    [&](const FlagSpec& flag) { return name == fmt::format("--{}", flag.name); });
    if (!known) return tl::unexpected(usage_error(command, "unknown flag " + name));
    if (!has_value) {
      if (++i == arguments.size()) {
        return tl::unexpected(usage_error(command, name + " needs a value"));
      }
      value = arguments[i];
    }
    values[name.substr(2)] = value;
  }
  for (const FlagSpec& flag : command.flags) {
    if (flag.required && !values.contains(std::string(flag.name))) {
      return tl::unexpected(usage_error(command, fmt::format("--{} is missing", flag.name)));
    }
  }
  return values;
}

int report(const CommandSpec& command, const Error& error) {
  std::cerr << "quire " << command.name << ": " << error.message << "\n";
  return kExitFailure;
}

std::string read_all(std::istream& in) {
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

}  // namespace

int run_tokenize(std::span<const std::string> arguments) {
  static constexpr FlagSpec kFlags[] = {
      {"model", "DIR", "folder of the checkpoint whose tokenizer is used", true}};
  const CommandSpec command{
      "tokenize",
      "Reads {\"text\": ...} or {\"ids\": [...]} line by line and answers line by line.", kFlags};
  const auto values = read_flags(command, arguments);
  if (!values) return values.error();
  const auto tokenizer = text::load_tokenizer(values->at("model"));
  if (!tokenizer) return report(command, tokenizer.error());
  text::tokenize_lines(**tokenizer, std::cin, std::cout);
  return kExitOk;
}

int run_apply_template(std::span<const std::string> arguments) {
  static constexpr FlagSpec kFlags[] = {
      {"template", "FILE", "the chat template (Jinja)", true},
      {"now", "TIME", "what strftime_now shows, as 2026-11-21T12:00:00; default: the clock"}};
  const CommandSpec command{
      "apply-template",
      "Reads the template's variables as one JSON object and writes the prompt's text.", kFlags};
  const auto values = read_flags(command, arguments);
  if (!values) return values.error();
  std::ifstream file(values->at("template"), std::ios::binary);
  if (!file) {
    return report(command, {ErrorCode::kIo, "cannot read " + values->at("template"), ""});
  }
  std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  if (values->contains("now")) {
    const auto time = text::parse_time(values->at("now"));
    if (!time) return usage_error(command, time.error().message);
    now = *time;
  }
  const auto prompt = text::apply_template(read_all(file), read_all(std::cin), now);
  if (!prompt) return report(command, prompt.error());
  std::cout << *prompt;
  return std::cout.flush() ? kExitOk : kExitFailure;
}

}  // namespace quire::server
