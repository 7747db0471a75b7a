// Speed of the kernels on one core: GFLOP/s of products, GB/s of weights at one row, attention.
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/dtype.h"
#include "base/float_mode.h"
#include "base/rng.h"
#include "kernels/kernels.h"

namespace quire::kernels {
namespace {

using Clock = std::chrono::steady_clock;

// Memory of weights larger than any cache, in huge pages where the kernel gives them.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : bytes_(bytes) {
    data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(data_ != MAP_FAILED, "mmap of {} bytes", bytes);
    ::madvise(data_, bytes, MADV_HUGEPAGE);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { ::munmap(data_, bytes_); }
  std::byte* data() { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
  std::size_t bytes_;
};

// Best of several runs, seconds: the machine is shared, so the least disturbed run counts.
template <class F>
double best_seconds(F f) {
  double best = 1e30, spent = 0;
  for (int i = 0; i < 50 && (i < 3 || spent < 0.4); ++i) {
    const auto begin = Clock::now();
    f();
    const double s = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::min(best, s);
    spent += s;
  }
  return best;
}

void fill(std::byte* data, std::size_t bytes, DType dtype, Rng& rng) {
  const auto step = static_cast<std::size_t>(dtype_bytes(dtype));
  for (std::size_t i = 0; i + step <= bytes; i += step) {
    const float value = static_cast<float>(rng.uniform()) - 0.5f;
    if (dtype == DType::kF32) *reinterpret_cast<float*>(data + i) = value;
    if (dtype == DType::kBf16) *reinterpret_cast<std::uint16_t*>(data + i) = f32_to_bf16(value);
    if (dtype == DType::kF16) *reinterpret_cast<std::uint16_t*>(data + i) = f32_to_f16(value);
  }
}

// One product of T rows with each of `copies` matrices in turn, so that weights come from memory.
void bench_matmul(Isa isa, DType dtype, std::int64_t n, std::int64_t k) {
  const PackedFormat format = PackedFormat::of(dtype);
  const std::size_t bytes = packed_bytes(format, n, k);
  const std::size_t copies = std::max<std::size_t>(1, (std::size_t{192} << 20) / bytes);
  Buffer weights(bytes * copies);
  Rng rng(1);
  fill(weights.data(), bytes, dtype, rng);
  for (std::size_t i = 1; i < copies; ++i)
    std::copy_n(weights.data(), bytes, weights.data() + i * bytes);
  for (const std::int64_t rows : {1, 2, 4, 8, 16, 32, 64, 512}) {
    std::vector<float> x(static_cast<std::size_t>(rows * k), 0.25f);
    std::vector<float> y(static_cast<std::size_t>(rows * n));
    std::size_t next = 0;
    const int calls = rows >= 64 ? 1 : static_cast<int>(std::min<std::size_t>(copies, 8));
    const double seconds = best_seconds([&] {
                             for (int c = 0; c < calls; ++c) {
                               const PackedMatrix w{weights.data() + next * bytes, format, n, k};
                               next = (next + 1) % copies;
                               Matmul m;
                               m.x = {{}, reinterpret_cast<const std::byte*>(x.data()), k * 4};
                               m.rows = rows, m.w = &w;
                               m.y = y.data(), m.y_stride = n, m.panel_end = w.panels();
                               kernels(isa).matmul(m);
                             }
                           }) /
                           calls;
    const double flops = 2.0 * static_cast<double>(rows * n * k);
    fmt::print("matmul {:7} {:4} N={} K={} T={:<4} {:8.1f} GFLOP/s {:6.1f} GB/s\n", isa_name(isa),
               dtype_name(dtype), n, k, rows, flops / seconds * 1e-9,
               static_cast<double>(bytes) / seconds * 1e-9);
  }
}

// One kv head of E = 128 over `context` tokens; decode reads every key and value once.
void bench_attention(Isa isa, DType dtype, int group, std::int64_t rows, std::int64_t context) {
  KvLayout layout;
  layout.dtype = dtype;
  layout.kv_heads = 8;
  layout.key_dim = layout.value_dim = 128;
  layout.page_tokens = 32;
  const std::int64_t pages = (context + 31) / 32;
  Buffer memory(static_cast<std::size_t>(pages * layout.layer_page_bytes()));
  Rng rng(2);
  fill(memory.data(), static_cast<std::size_t>(pages * layout.layer_page_bytes()), dtype, rng);
  std::vector<std::int32_t> table(static_cast<std::size_t>(pages));
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<std::int32_t>((i * 7 + 3) % table.size());
  const std::int64_t heads = layout.kv_heads * group;
  std::vector<float> q(static_cast<std::size_t>(rows * heads * 128), 0.1f), out(q.size());
  Attention a;
  a.kv = {layout, memory.data(), layout.layer_page_bytes(), 0, table.data()};
  a.q = q.data(), a.out = out.data(), a.q_stride = a.out_stride = heads * 128;
  a.rows = rows, a.position = context - rows, a.heads_per_kv = group, a.scale = 0.088f;
  std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(a)));
  a.scratch = scratch.data();
  const double seconds = best_seconds([&] {
    for (a.kv_head = 0; a.kv_head < layout.kv_heads; ++a.kv_head) kernels(isa).attention(a);
  });
  const double seen = static_cast<double>(rows) *
                      (static_cast<double>(context - rows) + static_cast<double>(rows + 1) / 2);
  fmt::print("attention {:7} {:4} group={} T={:<4} S={:<5} {:7.1f} GFLOP/s {:6.1f} GB/s\n",
             isa_name(isa), dtype_name(dtype), group, rows, context,
             4 * seen * 128 * static_cast<double>(heads) / seconds * 1e-9,
             static_cast<double>(context * layout.token_bytes()) / seconds * 1e-9);
}

std::vector<Isa> chosen(std::span<char*> arguments) {
  std::vector<Isa> isas;
  for (const char* word : arguments) {
    const auto isa = parse_isa(word);
    if (!isa) {
      fmt::print(stderr, "{}\n", isa.error().message);
      std::exit(2);
    }
    isas.push_back(*isa);
  }
  if (!isas.empty()) return isas;
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512})
    if (isa_supported(isa)) isas.push_back(isa);
  return isas;
}

void run(std::span<char*> arguments) {
  const FlushDenormals flush;
  for (const Isa isa : chosen(arguments)) {
    for (const DType dtype : {DType::kF32, DType::kBf16, DType::kF16}) {
      bench_matmul(isa, dtype, 3072, 1024);
      bench_matmul(isa, dtype, 1024, 4096);
    }
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      for (const int group : {1, 2, 4, 8}) bench_attention(isa, dtype, group, 1, 2048);
      bench_attention(isa, dtype, 2, 256, 1024);
    }
  }
}

}  // namespace
}  // namespace quire::kernels

int main(int argc, char** argv) {
  quire::kernels::run(std::span(argv + 1, static_cast<std::size_t>(argc - 1)));
}
