// The table of bench commands.
#include "bench/commands.h"

#include <algorithm>
#include <iostream>
#include <string_view>

#include "base/edit_distance.h"
#include "base/terminal.h"
#include "bench/flags.h"

namespace quire::bench {
namespace {

struct Command {
  std::string_view name, summary;
  int (*run)(const std::vector<std::string>&);
  std::string (*help)(int columns);
};

constexpr Command kCommands[] = {
    {"serve", "load test of any OpenAI-compatible server", bench_serve_command, bench_serve_help},
    {"latency", "one batch of sequences in process: prefill and decode apart",
     bench_latency_command, bench_latency_help},
    {"throughput", "many requests at once in process: tokens a second over all",
     bench_throughput_command, bench_throughput_help},
};

const Command* find_command(std::string_view name) {
  const auto* found = std::ranges::find(kCommands, name, &Command::name);
  return found == std::end(kCommands) ? nullptr : found;
}

int unknown_command(const std::string& name) {
  std::cerr << (name.empty() ? "quire bench: a command is missing\n"
                             : "quire bench: unknown command \"" + name + "\"\n");
  for (const Command& command : kCommands) {
    if (edit_distance(name, command.name) <= 2) {
      std::cerr << "Did you mean: quire bench " << command.name << "\n";
    }
  }
  std::cerr << "\n" << bench_help("", terminal_columns());
  return 2;
}

}  // namespace

std::string bench_help(std::string_view name, int columns) {
  if (const Command* command = find_command(name)) return command->help(columns);
  constexpr int kSummaryIndent = 16;
  std::string out = "Usage: quire bench COMMAND [flags]\n\nCommands:\n";
  for (const Command& command : kCommands) {
    out += wrap_entry("  " + std::string(command.name), command.summary, kSummaryIndent, columns);
  }
  return out + "\n" + wrap("quire bench COMMAND --help tells the flags of a command.", 0, columns);
}

int run_bench(const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "" : arguments[0];
  const Command* command = find_command(name);
  if (command == nullptr && name != "--help" && name != "-h") return unknown_command(name);
  if (asks_for_help(arguments)) {
    std::cout << bench_help(name, terminal_columns());
    return 0;
  }
  return command->run({arguments.begin() + 1, arguments.end()});
}

}  // namespace quire::bench
