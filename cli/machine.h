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

// Operations a second of a product of 64 rows with a matrix in one format.
struct ComputeRate {
  std::string format;  // of the weights
  std::string activations;
  double gflops = 0;
};

struct MachineRates {
  int threads = 0;
  double read_gb_s = 0;      // of memory, by all threads together, the median sweep
  double read_one_gb_s = 0;  // by one thread
  std::vector<ComputeRate> compute;
};
// Takes about `seconds` for each number.
MachineRates measure_machine(const MachineFacts& facts, int threads, double seconds);

}  // namespace quire::cli
