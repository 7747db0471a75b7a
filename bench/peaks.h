// What the machine can do at most, measured: products per second of each instruction, and reading.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace quire::bench {

// A loop of one instruction on registers; an operation is one multiplication or one addition.
struct Peak {
  std::string_view name;
  double operations = 0;  // of one run
  void (*run)() = nullptr;
};
// The instructions that the kernels of this instruction set rest on.
std::vector<Peak> peaks(kernels::Isa isa);

// Reads every byte once.
void read_all(std::span<const std::byte> memory);

}  // namespace quire::bench
