// Help for a terminal: wrapped to its width, bold where it can be.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/terminal.h"
#include "cli/documents.h"

namespace quire::cli {
namespace {

using server::FlagSpec;

constexpr int kHelpIndent = 26;     // where a flag's help begins
constexpr int kSummaryIndent = 19;  // where a command's summary begins

std::string bold(std::string_view text, const TextStyle& style) {
  return style.colour ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

std::string flag_words(const FlagSpec& spec) {
  std::vector<std::string> names;
  for (const std::string_view name : server::names_of(spec)) {
    names.push_back(server::flag_text(name));
  }
  std::string out = fmt::format("{}", fmt::join(names, ", "));
  if (!spec.value.empty()) out += fmt::format(" {}", spec.value);
  return out;
}

std::string flag_help(const FlagSpec& spec, void* target) {
  std::string out(spec.help);
  const std::string range = server::range_text(spec);
  if (!range.empty()) out += fmt::format(" ({})", range);
  const std::string value = server::flag_value(spec, target);
  const bool is_set = !value.empty() && !value.starts_with('-') && value != "false";
  if (server::is_switch(spec) && value == "true") {
    out += fmt::format("; on, --no-{} turns it off", spec.name);
  } else if (is_set && spec.help.find("default:") == std::string_view::npos) {
    out += fmt::format(" [{}]", value);
  }
  return out;
}

std::string examples_text(const Command& command, const TextStyle& style) {
  if (command.examples.empty()) return "";
  std::string out = "\n" + bold("Examples:", style) + "\n";
  std::string_view rest = command.examples;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    out += wrap_command(rest.substr(0, end), 2, style.columns);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

}  // namespace

TextStyle terminal_style() {
  TextStyle style;
  style.columns = terminal_columns();
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  style.colour = ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
                 terminal != nullptr && std::string_view(terminal) != "dumb";
  return style;
}

std::string program_help(const TextStyle& style) {
  std::string out =
      bold("Usage:", style) + " quire COMMAND [flags]\n\n" +
      wrap("Serves language models on CPUs, to many clients at once.", 0, style.columns);
  std::string_view group;
  for (const Command& command : commands()) {
    if (command.group != group) out += "\n" + bold(group = command.group, style) + "\n";
    out += wrap_entry(fmt::format("  {}", command.name), command.summary, kSummaryIndent,
                      style.columns);
  }
  constexpr int kExampleIndent = 33;
  out += "\n" + bold("Begin with", style) + "\n";
  for (const auto& [line, meaning] :
       {std::pair{"  quire chat demo", "talk to the bundled toy model"},
        {"  quire serve org/repo", "serve a model from the Hugging Face hub"},
        {"  quire COMMAND --help", "the flags of a command"},
        {"  quire --version", "the version"}}) {
    out += wrap_entry(line, meaning, kExampleIndent, style.columns);
  }
  return out + "\n" +
         wrap(
             "A model is a checkpoint folder, its .safetensors file, or org/repo[@revision]. Every "
             "flag is also an environment variable (--max-num-seqs: QUIRE_MAX_NUM_SEQS) and a line "
             "of the file given with --config. Exit status: 0 good, 1 failed, 2 wrong usage.",
             0, style.columns);
}

std::string command_help(const Command& command, const TextStyle& style) {
  const std::string usage = fmt::format("quire {}{}{} [flags]", command.name,
                                        command.words.empty() ? "" : " ", command.words);
  // Beside "Usage:", which is bold without taking more room.
  std::string out = bold("Usage:", style) + wrap(usage, 7, style.columns).substr(6) + "\n";
  out += wrap(command.description, 0, style.columns);
  Options defaults;
  if (command.is_quiet) defaults.settings.log_level = "warning";
  std::string_view group;
  for (const server::FlagTable& table : flag_tables(command, defaults)) {
    for (const FlagSpec* spec : table.specs) {
      if (spec->group != group) {
        out += fmt::format("\n{}\n", bold(fmt::format("{}:", group = spec->group), style));
      }
      out += wrap_entry("  " + flag_words(*spec), flag_help(*spec, table.target), kHelpIndent,
                        style.columns);
    }
  }
  out += fmt::format("\n{}\n", bold("Also:", style));
  out += wrap_entry("  --config FILE", "\"name: value\" lines or a JSON object with these flags",
                    kHelpIndent, style.columns);
  out += wrap_entry("  -h, --help", "this text", kHelpIndent, style.columns);
  return out + examples_text(command, style);
}

}  // namespace quire::cli
