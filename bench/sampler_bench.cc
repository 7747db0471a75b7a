// What drawing one token costs: a row of 152,000 logits under each kind of cut, in processor time.
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "engine/sampler.h"

namespace quire::engine {
namespace {

constexpr std::size_t kVocab = 151'936;
constexpr int kDraws = 40;

double now_ms() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

// About normal, as a model's logits are.
std::vector<float> make_row(double deviation) {
  Rng rng(1);
  std::vector<float> row(kVocab);
  for (float& logit : row) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += rng.uniform();
    logit = static_cast<float>(sum * deviation);
  }
  return row;
}

struct Kind {
  const char* name;
  std::function<void(SamplingParams&)> set;
};

void run() {
  const Kind kinds[] = {
      {"greedy", [](auto& p) { p.temperature = 0; }},
      {"temperature", [](auto&) {}},
      {"top_p 0.95", [](auto& p) { p.top_p = 0.95f; }},
      {"top_k 40", [](auto& p) { p.top_k = 40; }},
      {"top_k 5,000", [](auto& p) { p.top_k = 5000; }},
      {"top_k 100,000", [](auto& p) { p.top_k = 100'000; }},
      {"min_p 0.05", [](auto& p) { p.min_p = 0.05f; }},
      {"typical_p 0.9", [](auto& p) { p.typical_p = 0.9f; }},
      {"top_k 5,000 typical_p", [](auto& p) { p.top_k = 5000, p.typical_p = 0.9f; }},
      {"chain: top_n_sigma 1", [](auto& p) { p.top_n_sigma = 1; }},
      {"chain: top_k 40, xtc", [](auto& p) { p.top_k = 40, p.xtc_probability = 0.5f; }},
      {"chain: typical_p", [](auto& p) { p.typical_p = 0.9f, p.min_keep = 1; }},
      {"mirostat 1", [](auto& p) { p.mirostat = 1; }},
      {"mirostat 2", [](auto& p) { p.mirostat = 2; }},
  };
  const kernels::Kernels& kernels = kernels::kernels(kernels::best_isa());
  for (const double deviation : {1.0, 3.0}) {
    const std::vector<float> row = make_row(deviation);
    fmt::print("logits of deviation {}\n", deviation);
    for (const Kind& kind : kinds) {
      SamplingParams params;
      kind.set(params);
      const Sampler sampler(params, {}, {}, 1);
      SamplerScratch scratch;
      static_cast<void>(sampler.sample(kernels, row, 0, scratch));  // memory comes here
      const double begun = now_ms();
      for (int i = 0; i < kDraws; ++i) {
        static_cast<void>(sampler.sample(kernels, row, i, scratch));
      }
      fmt::print("  {:<22} {:>6.2f} ms\n", kind.name, (now_ms() - begun) / kDraws);
    }
  }
}

}  // namespace
}  // namespace quire::engine

int main() {
  quire::engine::run();
  return 0;
}
