// This machine: what it has, and what it does when measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace quire::cli {

struct MachineFacts {
  std::string processor;       // as /proc/cpuinfo calls it
  int processors_online = 0;   // hardware threads of the machine
  int processors_allowed = 0;  // of this process (affinity)
  int cores_allowed = 0;       // different cores among them
  int numa_nodes = 1;
  double quota = 0;  // processors that the control group grants; 0: no limit
  double load = 0;   // running threads, average of a minute
  std::vector<std::string> instruction_sets;           // of those that the kernels could use
  kernels::Isa isa = kernels::Isa::kScalar;            // what they use
  std::int64_t cache_bytes = 0;                        // the largest cache of a core
  std::int64_t memory_bytes = 0, available_bytes = 0;  // within the control group
  std::int64_t physical_bytes = 0;                     // of the machine
  std::string huge_pages;                              // "always", "madvise", "never" or empty
};
MachineFacts read_machine();

// What the kernels do with weights of one format that lie in memory, not in a cache.
struct ComputeRate {
  std::string format;  // of the weights
  std::string activations;
  double gflops = 0;        // of products with 64 rows, as in a prompt
  double one_gb_s = 0;      // weights read a second by products with one row: one sequence decodes
  double sixteen_gb_s = 0;  // with 16 rows
};

struct MachineRates {
  int threads = 0;
  double read_gb_s = 0;      // of memory, by all threads together, the median sweep
  double read_one_gb_s = 0;  // by one thread
  std::vector<ComputeRate> compute;
};
struct Measurement {
  int threads = 0;       // 0: all processors allowed
  double seconds = 0.5;  // about so long for each number
  kernels::Arithmetic arithmetic = kernels::Arithmetic::kFast;
};
MachineRates measure_machine(const MachineFacts& facts, const Measurement& measurement);

}  // namespace quire::cli
