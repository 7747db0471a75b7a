// `quire bench`: picks the command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quire::bench {

// Arguments behind `bench`; returns the exit status.
int run_bench(const std::vector<std::string>& arguments);

// `quire bench NAME --help` in lines of at most `columns`; without a name (or an unknown one) the
// list of the commands.
std::string bench_help(std::string_view name, int columns);
std::string bench_serve_help(int columns);
std::string bench_latency_help(int columns);
std::string bench_throughput_help(int columns);

// Each with its own flags. Exit status: 0, 1 for failed requests or no server, 2 for wrong usage.
int bench_serve_command(const std::vector<std::string>& arguments);
int bench_latency_command(const std::vector<std::string>& arguments);
int bench_throughput_command(const std::vector<std::string>& arguments);

}  // namespace quire::bench
