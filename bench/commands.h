// `quire bench`: picks the command.
#pragma once

#include <string>
#include <vector>

namespace quire::bench {

// Arguments behind `bench`; returns the exit status.
int run_bench(const std::vector<std::string>& arguments);

// Each with its own flags. Exit status: 0, 1 for failed requests or no server, 2 for wrong usage.
int bench_serve_command(const std::vector<std::string>& arguments);
int bench_latency_command(const std::vector<std::string>& arguments);
int bench_throughput_command(const std::vector<std::string>& arguments);

}  // namespace quire::bench
