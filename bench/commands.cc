// The table of bench commands.
#include "bench/commands.h"

#include <iostream>
#include <string_view>

namespace quire::bench {
namespace {

struct Command {
  std::string_view name, summary;
  int (*run)(const std::vector<std::string>&);
};

constexpr Command kCommands[] = {
    {"serve", "load test of any OpenAI-compatible server", bench_serve_command},
    {"latency", "one batch of sequences in process: prefill and decode apart",
     bench_latency_command},
    {"throughput", "many requests at once in process: tokens a second over all",
     bench_throughput_command},
};

std::string usage() {
  std::string out = "Usage: quire bench COMMAND [flags]\n\nCommands:\n";
  for (const Command& command : kCommands) {
    out += std::string("  ") + std::string(command.name) +
           std::string(14 - command.name.size(), ' ') + std::string(command.summary) + "\n";
  }
  return out;
}

}  // namespace

int run_bench(const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "" : arguments[0];
  for (const Command& command : kCommands) {
    if (command.name == name) return command.run({arguments.begin() + 1, arguments.end()});
  }
  if (name == "--help" || name == "-h") {
    std::cout << usage();
    return 0;
  }
  std::cerr << (name.empty() ? "quire bench: a command is missing\n"
                             : "quire bench: unknown command \"" + name + "\"\n")
            << usage();
  return 2;
}

}  // namespace quire::bench
