// From the words of the command line to a command with its options.
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "bench/commands.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "base/edit_distance.h"
#include "server/info_endpoints.h"

extern char** environ;

namespace quire::cli {
namespace {

LogLevel level_of(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return name == "off" ? LogLevel::kOff : LogLevel::kInfo;
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// The names of all flags of all commands, so that a variable for one command does not make another
// one warn.
std::vector<std::string_view> all_flag_names() {
  std::vector<std::string_view> names;
  for (const server::FlagSpec& spec : server::setting_specs()) names.push_back(spec.name);
  for (const server::FlagSpec& spec : option_specs()) names.push_back(spec.name);
  return names;
}

bool takes_model(const Command& command) {
  const std::vector<std::string_view> groups = server::split_words(command.setting_groups);
  return std::ranges::find(groups, "Model") != groups.end();
}

int usage_errors(const Command& command, const std::vector<std::string>& errors) {
  for (const std::string& error : errors) {
    write_error(fmt::format("quire {}: {}\n", command.name, error));
  }
  write_error(fmt::format("Try: quire {} --help\n", command.name));
  return kExitUsage;
}

void check_words(const Command& command, Invocation& invocation, std::vector<std::string>& errors) {
  const auto count = static_cast<int>(invocation.words.size());
  if (count > command.words_max) {
    const std::string& first = invocation.words[static_cast<std::size_t>(command.words_max)];
    errors.push_back(fmt::format("\"{}\" is one word too many (usage: quire {} {})", first,
                                 command.name, command.words));
  } else if (count < command.words_min) {
    std::string missing;
    const std::vector<std::string_view> words = server::split_words(command.words);
    for (int i = count; i < command.words_min && i < static_cast<int>(words.size()); ++i) {
      missing +=
          fmt::format("{}{}", missing.empty() ? "" : " ", words[static_cast<std::size_t>(i)]);
    }
    errors.push_back(
        fmt::format("{} is missing (usage: quire {} {})", missing, command.name, command.words));
  }
  std::string& model = invocation.options.settings.engine.model;
  if (takes_model(command) && invocation.words.empty() && model.empty() &&
      command.words.starts_with("MODEL")) {
    errors.push_back(
        "a model is missing: a checkpoint folder, a name like org/repo, or demo, the bundled toy");
  }
  if (!takes_model(command) || invocation.words.empty()) return;
  // The model's word may be left out where --model names it: then all words mean something else.
  if (!model.empty() && command.words_max == 1) {
    errors.push_back(fmt::format("\"{}\": the model was already given", invocation.words.front()));
  } else if (model.empty()) {
    model = invocation.words.front();
    invocation.words.erase(invocation.words.begin());
  }
}

int run_command(const Command& command, std::span<const std::string> arguments) {
  if (command.run == nullptr) return bench::run_bench({arguments.begin(), arguments.end()});
  Invocation invocation;
  Options& options = invocation.options;
  if (command.is_quiet) options.settings.log_level = "warning";
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const std::vector<std::string_view> names = all_flag_names();
  const std::vector<server::FlagTable> tables = flag_tables(command, options);
  server::ParsedFlags parsed = parse_flags(tables, {arguments, environment, names});
  if (parsed.help) {
    write_out(command_help(command, terminal_style()));
    return kExitOk;
  }
  invocation.words = std::move(parsed.words);
  check_words(command, invocation, parsed.errors);
  if (!parsed.errors.empty()) return usage_errors(command, parsed.errors);
  const server::Settings& settings = options.settings;
  set_log(level_of(settings.log_level),
          settings.log_format == "json" ? LogFormat::kJson : LogFormat::kText);
  for (const std::string& warning : parsed.warnings) log(LogLevel::kWarning, "{}", warning);
  return command.run(invocation);
}

int unknown_command(const std::string& name) {
  if (name.empty()) {
    write_error("quire: a command is missing\n\n" + program_help({.columns = terminal_columns()}));
    return kExitUsage;
  }
  std::string message = fmt::format("quire: unknown command \"{}\"\n", name);
  for (const Command& command : commands()) {
    if (edit_distance(name, command.name) <= 2) {
      message += fmt::format("Did you mean: quire {}\n", command.name);
    }
  }
  write_error(message + "Try: quire --help\n");
  return kExitUsage;
}

}  // namespace

void write_out(std::string_view text) { write_all(STDOUT_FILENO, text); }
void write_error(std::string_view text) { write_all(STDERR_FILENO, text); }

int report(std::string_view command, const Error& error) {
  write_error(fmt::format("quire {}: {}\n", command, error.message));
  return kExitFailure;
}

int run_program(std::span<const std::string> arguments) {
  std::string name = arguments.empty() ? "" : arguments[0];
  std::span<const std::string> rest = arguments.subspan(arguments.empty() ? 0 : 1);
  if (name == "--version" || name == "-V" || name == "version") {
    write_out(fmt::format("quire {}\n", server::kVersion));
    return kExitOk;
  }
  if (name == "--help" || name == "-h" || name == "help") {
    if (rest.empty()) {
      write_out(program_help(terminal_style()));
      return kExitOk;
    }
    name = rest[0];
    static const std::vector<std::string> kHelp = {"--help"};
    rest = kHelp;
  }
  const Command* command = find_command(name);
  return command == nullptr ? unknown_command(name) : run_command(*command, rest);
}

}  // namespace quire::cli
