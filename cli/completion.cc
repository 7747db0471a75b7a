// Completion scripts: commands first, then the flags of the command, then their choices or files.
#include "cli/documents.h"

namespace quire::cli {
namespace {

using server::FlagSpec;

// What may follow a flag.
enum class Follows { kNothing, kChoices, kPath, kOther };

Follows follows(const FlagSpec& spec) {
  if (server::is_switch(spec)) return Follows::kNothing;
  if (!spec.choices.empty()) return Follows::kChoices;
  const bool is_path =
      spec.value == "DIR" || spec.value == "FILE" || spec.value == "PATH" || spec.value == "MODEL";
  return is_path ? Follows::kPath : Follows::kOther;
}

std::vector<const FlagSpec*> all_rows(const Command& command) {
  Options options;
  std::vector<const FlagSpec*> rows;
  for (const server::FlagTable& table : flag_tables(command, options)) {
    rows.insert(rows.end(), table.specs.begin(), table.specs.end());
  }
  return rows;
}

std::string command_names() {
  std::string out;
  for (const Command& command : commands()) {
    out += fmt::format("{}{}", out.empty() ? "" : " ", command.name);
  }
  return out;
}

// What stands behind a command besides flags: fixed words, or nothing for paths.
std::string fixed_words(const Command& command) {
  std::string words(command.words);
  if (words.find('|') == std::string::npos || words.find('[') != std::string::npos) return "";
  for (char& c : words) c = c == '|' ? ' ' : c;
  return words;
}

std::string bash_script() {
  std::string out =
      "# bash completion for quire; put it into\n"
      "# ~/.local/share/bash-completion/completions/quire, or: source <(quire completion bash)\n"
      "_quire() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} flags= words=\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '" +
      command_names() +
      " --help --version' -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case ${COMP_WORDS[1]} in\n";
  for (const Command& command : commands()) {
    std::string flags = "--help";
    for (const FlagSpec* spec : all_rows(command)) {
      flags += fmt::format(" {}", server::flag_text(spec->name));
    }
    if (command.run != nullptr) flags += " --config";
    out += fmt::format("    {}) flags='{}' words='{}' ;;\n", command.name, flags,
                       fixed_words(command));
  }
  out += "  esac\n  case ${COMP_WORDS[1]}:$before in\n";
  for (const Command& command : commands()) {
    for (const FlagSpec* spec : all_rows(command)) {
      const std::string label = fmt::format("{}:{}", command.name, server::flag_text(spec->name));
      if (follows(*spec) == Follows::kChoices) {
        out += fmt::format("    {}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n",
                           label, fmt::join(server::choices_of(*spec), " "));
      } else if (follows(*spec) == Follows::kOther) {
        out += fmt::format("    {}) return ;;\n", label);
      } else if (follows(*spec) == Follows::kPath) {
        out += fmt::format("    {}) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", label);
      }
    }
  }
  out +=
      "  esac\n"
      "  if [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
      "  elif [ -n \"$words\" ]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$word\"))\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _quire quire\n";
  return out;
}

// Text between single quotes.
std::string quoted(std::string_view text, std::string_view quote) {
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string(quote) : std::string(1, c);
  return out;
}

std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : quoted(text, "'\\''")) {
    if (c == '[' || c == ']' || c == ':') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_script() {
  std::string out =
      "#compdef quire\n"
      "# zsh completion for quire; put it into a folder of $fpath as _quire\n"
      "_quire() {\n"
      "  local -a names flags\n"
      "  if (( CURRENT == 2 )); then\n"
      "    names=(\n";
  for (const Command& command : commands()) {
    out += fmt::format("      '{}:{}'\n", command.name, zsh_text(command.summary));
  }
  out += "    )\n    _describe command names\n    return\n  fi\n  case $words[2] in\n";
  for (const Command& command : commands()) {
    out += fmt::format("    {})\n      flags=(\n", command.name);
    for (const FlagSpec* spec : all_rows(command)) {
      std::string action;
      if (follows(*spec) == Follows::kChoices) {
        action = fmt::format(":{}:({})", spec->value, fmt::join(server::choices_of(*spec), " "));
      } else if (follows(*spec) == Follows::kPath) {
        action = fmt::format(":{}:_files", spec->value);
      } else if (follows(*spec) == Follows::kOther) {
        action = fmt::format(":{}: ", spec->value);
      }
      out += fmt::format("        '{}[{}]{}'\n", server::flag_text(spec->name),
                         zsh_text(spec->help), action);
    }
    const std::string words = fixed_words(command);
    out +=
        words.empty() ? "        '*:file:_files'\n" : fmt::format("        '*:word:({})'\n", words);
    out += "      ) ;;\n";
  }
  return out +
         "  esac\n"
         "  shift words; (( CURRENT-- ))\n"
         "  _arguments -s $flags\n"
         "}\n"
         "_quire \"$@\"\n";
}

std::string fish_script() {
  std::string out =
      "# fish completion for quire; put it into ~/.config/fish/completions/quire.fish\n"
      "complete -c quire -n __fish_use_subcommand -l help -d 'all commands'\n";
  for (const Command& command : commands()) {
    out += fmt::format("complete -c quire -f -n __fish_use_subcommand -a {} -d '{}'\n",
                       command.name, quoted(command.summary, "\\'"));
    const std::string when = fmt::format("'__fish_seen_subcommand_from {}'", command.name);
    const std::string words = fixed_words(command);
    if (!words.empty()) out += fmt::format("complete -c quire -f -n {} -a '{}'\n", when, words);
    for (const FlagSpec* spec : all_rows(command)) {
      std::string takes;
      if (follows(*spec) == Follows::kChoices) {
        takes = fmt::format(" -x -a '{}'", fmt::join(server::choices_of(*spec), " "));
      } else if (follows(*spec) == Follows::kPath) {
        takes = " -r -F";
      } else if (follows(*spec) == Follows::kOther) {
        takes = " -x";
      }
      out += fmt::format("complete -c quire -n {} -l {}{} -d '{}'\n", when, spec->name, takes,
                         quoted(spec->help, "\\'"));
    }
  }
  return out;
}

}  // namespace

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  return shell == "fish" ? fish_script() : "";
}

int completion_command(Invocation& invocation) {
  const std::string script = completion_script(invocation.words.front());
  if (script.empty()) {
    write_error(fmt::format("quire completion: no script for \"{}\": bash, zsh or fish\n",
                            invocation.words.front()));
    return kExitUsage;
  }
  write_out(script);
  return kExitOk;
}

int man_command(Invocation&) {
  write_out(manual_page());
  return kExitOk;
}

}  // namespace quire::cli
