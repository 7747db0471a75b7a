// The commands of the program: each is a row with its words, its flags and what runs it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "server/flags.h"

namespace quire::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInterrupted = 130;  // by Ctrl-C, as shells say it

struct Invocation {
  Options options;
  std::vector<std::string> words;  // what is no flag
};

struct Command {
  std::string_view name = {};
  std::string_view group = {};  // of `quire --help`
  std::string_view words = {};  // what stands between name and flags in the usage line
  std::string_view summary = {};
  std::string_view description = {};
  std::string_view setting_groups = {};  // which settings of the engine and server it takes
  std::string_view option_names = {};    // which flags of its own
  std::string_view examples = {};        // lines "command  # what it does"
  // Returns the exit status. REQUIRES: flags are parsed and the log is set.
  int (*run)(Invocation& invocation) = nullptr;
  int words_min = 0, words_max = 0;
  bool is_quiet = false;  // logs warnings only, unless told otherwise
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);

// The rows of a command's flags with their places in `options`.
std::vector<server::FlagTable> flag_tables(const Command& command, Options& options);

// The whole program: returns the exit status.
int run_program(std::span<const std::string> arguments);

// Writes all bytes; what cannot be written has nowhere to be reported.
void write_out(std::string_view text);
void write_error(std::string_view text);

// "quire NAME: MESSAGE" on standard error, with what to do next; returns kExitFailure.
int report(std::string_view command, const Error& error);

// One function for each command.
int serve_command(Invocation& invocation);
int chat_command(Invocation& invocation);
int generate_command(Invocation& invocation);
int inspect_command(Invocation& invocation);
int models_command(Invocation& invocation);
int pull_command(Invocation& invocation);
int quantize_command(Invocation& invocation);
int doctor_command(Invocation& invocation);
int tokenize_command(Invocation& invocation);
int apply_template_command(Invocation& invocation);
int completion_command(Invocation& invocation);
int man_command(Invocation& invocation);

}  // namespace quire::cli
