// What the machine gives right now: read bandwidth, distance of the cores, peak of each
// instruction.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace quire::bench {

struct Bandwidth {
  double median = 0, best = 0;  // GB/s of all processors together
};

// The processors this process may run on.
std::vector<int> allowed_processors();

// Holds 512 MB, more than any cache, for the bandwidth.
class MachineProbe {
 public:
  // One thread is pinned to each of the processors.
  explicit MachineProbe(std::vector<int> processors);
  MachineProbe(const MachineProbe&) = delete;
  MachineProbe& operator=(const MachineProbe&) = delete;
  ~MachineProbe();

  Bandwidth read_bandwidth() const;
  // For a cache line to go to the second processor and back; 0 where there is one only.
  double ping_pong_ns() const;

  // Peaks of this machine, "f32_avx2", "bf16_avx512" ...; int4_avx2 is vpmaddubsw and vpaddw, what
  // 4-bit codes need for most of their products.
  static std::vector<std::string_view> peak_names();
  // 1e9 multiplications and additions a second of all processors together, the best of a few
  // runs; 0 for a name that this machine lacks.
  double peak_gop_s(std::string_view name) const;

 private:
  std::vector<int> processors_;
  std::byte* memory_ = nullptr;
};

}  // namespace quire::bench
