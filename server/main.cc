// The program `quire`: picks the subcommand.
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "bench/commands.h"
#include "server/commands.h"
#include "server/edit_distance.h"
#include "server/info_endpoints.h"
#include "server/serve.h"

namespace {

using quire::server::kExitOk;
using quire::server::kExitUsage;

constexpr std::string_view kUsage =
    "Usage: quire COMMAND [flags]\n"
    "\n"
    "Commands:\n"
    "  serve            serve a checkpoint over HTTP (quire serve --help)\n"
    "  tokenize         text to token ids and back, line by line\n"
    "  apply-template   a chat template over a context\n"
    "  bench            serve, latency, throughput: load test and offline benchmarks\n"
    "\n"
    "Flags:\n"
    "  --help           this text\n"
    "  --version        the version\n";

void write_text(int descriptor, std::string_view text) {
  // Output that cannot be written has nowhere to be reported.
  [[maybe_unused]] const auto written = ::write(descriptor, text.data(), text.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string command = arguments.empty() ? "" : arguments[0];
  const std::span<const std::string> rest = std::span(arguments).subspan(arguments.empty() ? 0 : 1);
  if (command == "serve") return quire::server::run_serve(rest);
  if (command == "tokenize") return quire::server::run_tokenize(rest);
  if (command == "apply-template") return quire::server::run_apply_template(rest);
  if (command == "bench") return quire::bench::run_bench({rest.begin(), rest.end()});
  if (command == "--help" || command == "-h" || command == "help") {
    write_text(STDOUT_FILENO, kUsage);
    return kExitOk;
  }
  if (command == "--version") {
    write_text(STDOUT_FILENO, fmt::format("quire {}\n", quire::server::kVersion));
    return kExitOk;
  }
  std::string message = command.empty() ? "quire: a command is missing\n"
                                        : fmt::format("quire: unknown command \"{}\"\n", command);
  for (const char* known : {"serve", "tokenize", "apply-template", "bench"}) {
    if (quire::server::edit_distance(command, known) <= 2) {
      message += fmt::format("quire: did you mean {}?\n", known);
    }
  }
  write_text(STDERR_FILENO, message + std::string(kUsage));
  return kExitUsage;
}
