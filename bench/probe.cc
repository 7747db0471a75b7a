// Writes what the machine gives right now as one JSON object; takes about a second. bench/suite.py
// runs it around each turn. The argument is the number of processors to use; default: all allowed.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "bench/machine_probe.h"

int main(int argc, char** argv) {
  using quire::bench::MachineProbe;
  std::vector<int> processors = quire::bench::allowed_processors();
  const int wanted = argc > 1 ? std::atoi(argv[1]) : 0;
  if (wanted > 0) processors.resize(std::min(processors.size(), static_cast<std::size_t>(wanted)));
  const MachineProbe probe(processors);
  const quire::bench::Bandwidth read = probe.read_bandwidth();
  std::string peaks;
  for (const std::string_view name : MachineProbe::peak_names()) {
    peaks += fmt::format("{}\"{}\":{:.1f}", peaks.empty() ? "" : ",", name, probe.peak_gop_s(name));
  }
  fmt::print(
      "{{\"threads\":{},\"read_gb_s\":{:.2f},\"read_best_gb_s\":{:.2f},\"ping_pong_ns\":{:.0f},"
      "\"peak_gop_s\":{{{}}}}}\n",
      processors.size(), read.median, read.best, probe.ping_pong_ns(), peaks);
  return 0;
}
