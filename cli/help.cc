// Help for a terminal: wrapped to its width, bold where it can be.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/documents.h"

namespace quire::cli {
namespace {

using server::FlagSpec;

constexpr int kColumnsMax = 100;
constexpr int kHelpIndent = 26;  // where a flag's help begins

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
    out += fmt::format("  {}\n", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

}  // namespace

TextStyle terminal_style() {
  TextStyle style;
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
    style.columns = std::clamp<int>(window.ws_col, 40, kColumnsMax);
  }
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  style.colour = ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
                 terminal != nullptr && std::string_view(terminal) != "dumb";
  return style;
}

std::string wrap(std::string_view text, int indent, int columns) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  std::string out, line;
  for (const std::string_view word : server::split_words(text)) {
    if (!line.empty() && indent + static_cast<int>(line.size() + 1 + word.size()) > columns) {
      out += margin + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + std::string(word);
  }
  return line.empty() ? out : out + margin + line + "\n";
}

std::string program_help(const TextStyle& style) {
  std::string out =
      bold("Usage:", style) + " quire COMMAND [flags]\n\n" +
      wrap("Serves language models on CPUs, to many clients at once.", 0, style.columns);
  std::string_view group;
  for (const Command& command : commands()) {
    if (command.group != group) out += "\n" + bold(group = command.group, style) + "\n";
    out += fmt::format("  {:<16} {}\n", command.name, command.summary);
  }
  out += "\n" + bold("Begin with", style) +
         "\n  quire chat demo                talk to the bundled toy model\n"
         "  quire serve org/repo           serve a model from the Hugging Face hub\n"
         "  quire COMMAND --help           the flags of a command\n"
         "  quire --version                the version\n\n" +
         wrap(
             "A model is a checkpoint folder, its .safetensors file, or org/repo[@revision]. Every "
             "flag is also an environment variable (--max-num-seqs: QUIRE_MAX_NUM_SEQS) and a line "
             "of the file given with --config. Exit status: 0 good, 1 failed, 2 wrong usage.",
             0, style.columns);
  return out;
}

std::string command_help(const Command& command, const TextStyle& style) {
  std::string out = fmt::format("{} quire {}{}{} [flags]\n\n", bold("Usage:", style), command.name,
                                command.words.empty() ? "" : " ", command.words);
  out += wrap(command.description, 0, style.columns);
  Options defaults;
  if (command.is_quiet) defaults.settings.log_level = "warning";
  std::string_view group;
  for (const server::FlagTable& table : flag_tables(command, defaults)) {
    for (const FlagSpec* spec : table.specs) {
      if (spec->group != group) {
        out += fmt::format("\n{}\n", bold(fmt::format("{}:", group = spec->group), style));
      }
      const std::string words = "  " + flag_words(*spec);
      const std::string help = wrap(flag_help(*spec, table.target), kHelpIndent, style.columns);
      if (words.size() + 2 <= kHelpIndent) {
        out += words + help.substr(words.size());
      } else {
        out += words + "\n" + help;
      }
    }
  }
  out += fmt::format("\n{}\n", bold("Also:", style));
  out +=
      "  --config FILE           \"name: value\" lines or a JSON object with these flags\n"
      "  -h, --help              this text\n";
  return out + examples_text(command, style);
}

}  // namespace quire::cli
