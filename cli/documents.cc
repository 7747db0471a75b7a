// The manual page and the web pages, written from the rows.
#include "cli/documents.h"

#include "bench/commands.h"
#include "server/info_endpoints.h"

namespace quire::cli {
namespace {

// A page must have one; it is fixed so that equal sources give equal packages.
constexpr std::string_view kManualDate = "2026-11-21";

using server::FlagSpec;

std::string flag_list(const FlagSpec& spec) {
  std::string out;
  for (const std::string_view name : server::names_of(spec)) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", server::flag_text(name));
  }
  return out;
}

std::string full_help(const FlagSpec& spec) {
  const std::string range = server::range_text(spec);
  return fmt::format("{}{}", spec.help, range.empty() ? "" : fmt::format(" ({})", range));
}

// Troff: backslashes, and a dot or quote at a line's beginning, mean something.
std::string troff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
      out += c;
    }
  }
  return out;
}

std::string manual_command(const Command& command) {
  std::string out = fmt::format(".SS quire {} {}\n{}\n", troff(command.name), troff(command.words),
                                troff(command.description));
  Options defaults;
  for (const server::FlagTable& table : flag_tables(command, defaults)) {
    for (const FlagSpec* spec : table.specs) {
      // The settings of `serve` are described once, there.
      if (table.target == &defaults.settings && command.name != "serve") continue;
      out += fmt::format(".TP\n.BR \"{}\" \" {}\"\n{}\n", troff(flag_list(*spec)),
                         troff(spec->value), troff(full_help(*spec)));
    }
  }
  if (command.name != "serve" && !command.setting_groups.empty()) {
    out += fmt::format(".PP\nAnd of \\fBquire serve\\fR: the flags of {}.\n",
                       troff(command.setting_groups));
  }
  if (!command.examples.empty()) out += fmt::format(".PP\n.nf\n{}\n.fi\n", troff(command.examples));
  return out;
}

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, "\\");
  }
  return text;
}

std::string flag_tables_page(const Command& command) {
  std::string out;
  Options defaults;
  std::string_view group;
  for (const server::FlagTable& table : flag_tables(command, defaults)) {
    for (const FlagSpec* spec : table.specs) {
      if (spec->group != group) {
        group = spec->group;
        out += fmt::format(
            "\n### {}\n\n| flag | value | meaning | environment |\n|---|---|---|---|\n", group);
      }
      std::string flags;
      for (const std::string_view name : server::names_of(*spec)) {
        flags += fmt::format("{}`{}`", flags.empty() ? "" : " ", server::flag_text(name));
      }
      out += fmt::format("| {} | {} | {} | `{}` |\n", flags,
                         spec->value.empty() ? "" : fmt::format("`{}`", spec->value),
                         cell(full_help(*spec)), server::environment_name(spec->name));
    }
  }
  return out;
}

}  // namespace

std::string manual_page() {
  std::string out =
      fmt::format(".TH QUIRE 1 {} \"quire {}\" \"User Commands\"\n", kManualDate, server::kVersion);
  out +=
      ".SH NAME\nquire \\- serve language models on CPUs, to many clients at once\n"
      ".SH SYNOPSIS\n.B quire\n.I COMMAND\n[flags]\n.SH COMMANDS\n";
  for (const Command& command : commands()) out += manual_command(command);
  out +=
      ".SH CONFIGURATION\nEvery flag may also be given as an environment variable, "
      "QUIRE_MAX_NUM_SEQS for \\-\\-max\\-num\\-seqs, or as a line of the file named by "
      "\\-\\-config or QUIRE_CONFIG: \"name: value\" lines, or a JSON object. Flags win over "
      "the environment, which wins over the file.\n"
      ".SH EXIT STATUS\n0: good. 1: failed. 2: wrong usage. 128 plus a signal's number: a second "
      "signal ended requests in flight.\n"
      ".SH ENVIRONMENT\nHF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE mean "
      "what they mean to huggingface_hub; NO_COLOR turns colours off.\n";
  return out;
}

std::string command_page(const Command& command) {
  std::string out = fmt::format(
      "# quire {}\n\n{}\n\n```\nquire {}{}{} [flags]\n```\n\n{}\n", command.name, command.summary,
      command.name, command.words.empty() ? "" : " ", command.words, command.description);
  if (!command.examples.empty()) out += fmt::format("\n```\n{}\n```\n", command.examples);
  if (command.run == nullptr) {
    for (const char* name : {"serve", "latency", "throughput"}) {
      out += fmt::format("\n## quire {} {}\n\n```\n{}```\n", command.name, name,
                         bench::bench_help(name, kColumnsMax));
    }
    return out;
  }
  return out + flag_tables_page(command);
}

std::string commands_index() {
  std::string out =
      "# Commands\n\nGenerated from the tables of commands and flags by `QUIRE_UPDATE_DOCS=1 "
      "build/cli_tests --gtest_filter=CliDocs*`.\n";
  std::string_view group;
  for (const Command& command : commands()) {
    if (command.group != group) {
      out += fmt::format("\n## {}\n\n", group = command.group);
    }
    out += fmt::format("- [quire {}]({}.md): {}\n", command.name, command.name, command.summary);
  }
  return out;
}

}  // namespace quire::cli
