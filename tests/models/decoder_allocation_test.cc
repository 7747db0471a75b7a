// A step allocates nothing: every operator new of the program is counted while forward() runs.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/models/decoder_harness.h"

namespace {

std::atomic<bool> is_counting{false};
std::atomic<int> allocations{0};

void* counted(std::size_t bytes) {
  if (is_counting.load()) allocations.fetch_add(1);
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Not inlined: g++ warns where it sees one half of a pair only.
#define QUIRE_OWN __attribute__((noinline))
QUIRE_OWN void* operator new(std::size_t bytes) { return counted(bytes); }
QUIRE_OWN void* operator new[](std::size_t bytes) { return counted(bytes); }
QUIRE_OWN void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  if (is_counting.load()) allocations.fetch_add(1);
  return std::malloc(bytes == 0 ? 1 : bytes);
}
QUIRE_OWN void operator delete(void* memory) noexcept { std::free(memory); }
QUIRE_OWN void operator delete[](void* memory) noexcept { std::free(memory); }
QUIRE_OWN void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
QUIRE_OWN void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace quire::models {
namespace {

class DecoderAllocation : public ::testing::TestWithParam<NamedSpec> {};

TEST_P(DecoderAllocation, AStepAllocatesNothing) {
  const DecoderSpec& spec = GetParam().spec;
  Harness harness(spec, random_weights(spec, 1, DType::kF32), {.threads = 2, .chunks = {9, 1}});
  harness.before_forward = [] { is_counting = true; };
  harness.after_forward = [] { is_counting = false; };
  allocations = 0;
  harness.run({random_tokens(spec, 1, 40), random_tokens(spec, 2, 20)});
  EXPECT_EQ(allocations.load(), 0);
  // The counter does count.
  is_counting = true;
  const auto one = std::make_unique<int>(1);
  is_counting = false;
  EXPECT_EQ(allocations.load(), *one);
}

INSTANTIATE_TEST_SUITE_P(Families, DecoderAllocation, ::testing::ValuesIn(spec_zoo()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace quire::models
