// Attention over pages on one core (K2): GB/s of keys and values in decode and GFLOP/s in prefill,
// beside the read bandwidth and the instruction peaks of the same run.
//
// attention_bench [avx512 | avx2 | scalar] [f32 | bf16 | i8] [decode | prefill] [page tokens]
//                 [short] [json] ...
// Words restrict what is measured; none measures everything. Times are CPU time of the thread, the
// least of several rounds, so that other processes disturb little but the bandwidth.
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/float_mode.h"
#include "base/rng.h"
#include "bench/peaks.h"
#include "kernels/kernels.h"

namespace quire::kernels {
namespace {

constexpr int kHeadDim = 128, kKvHeads = 8;
constexpr std::size_t kBeyondCache = std::size_t{256} << 20;

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Least CPU time of f over some rounds.
template <class F>
double least_seconds(const F& f) {
  double least = 1e30, spent = 0;
  for (int i = 0; i < 40 && (i < 3 || spent < 0.25); ++i) {
    const double begin = cpu_seconds();
    f();
    const double seconds = cpu_seconds() - begin;
    least = std::min(least, seconds);
    spent += seconds;
  }
  return least;
}

// Pages in huge pages where the kernel gives them.
class Pages {
 public:
  explicit Pages(std::size_t bytes) : bytes_(bytes) {
    data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(data_ != MAP_FAILED, "mmap of {} bytes", bytes);
    ::madvise(data_, bytes, MADV_HUGEPAGE);
    std::memset(data_, 0, bytes);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { ::munmap(data_, bytes_); }
  std::byte* data() { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
  std::size_t bytes_;
};

struct Case {
  DType dtype = DType::kF32;
  std::int64_t page_tokens = 16;
  int sequences = 1, group = 1;
  std::int64_t context = 0, rows = 1;
};

// Sequences of one layer, or of several where one would stay in the cache, with pages in random
// order and ordinary numbers in them.
class Layers {
 public:
  explicit Layers(const Case& c) : case_(c) {
    layout_.dtype = c.dtype;
    layout_.kv_heads = kKvHeads;
    layout_.key_dim = layout_.value_dim = kHeadDim;
    layout_.page_tokens = static_cast<int>(c.page_tokens);
    pages_ = (c.context + c.page_tokens - 1) / c.page_tokens;
    const std::size_t page_bytes = static_cast<std::size_t>(layout_.layer_page_bytes());
    const std::size_t layer =
        static_cast<std::size_t>(pages_) * page_bytes * static_cast<std::size_t>(c.sequences);
    layers_ = c.rows > 1 ? 1 : std::max<std::size_t>(1, kBeyondCache / layer);
    table_.resize(layers_ * static_cast<std::size_t>(pages_ * c.sequences));
    std::iota(table_.begin(), table_.end(), 0);
    Rng rng(7);
    for (std::size_t i = table_.size(); i > 1; --i) std::swap(table_[i - 1], table_[rng.below(i)]);
    memory_ = std::make_unique<Pages>(layers_ * layer);
    fill(rng);
    const std::int64_t width = std::int64_t{kKvHeads} * c.group * kHeadDim;
    q_.resize(static_cast<std::size_t>(c.rows * width));
    for (float& x : q_) x = static_cast<float>(rng.uniform()) - 0.5f;
    out_.resize(q_.size());
    scratch_.resize(static_cast<std::size_t>(attention_scratch(task(0, 0))) + 16);
  }

  // One layer of all sequences, the next one at each call.
  void run(const Kernels& row) {
    for (int s = 0; s < case_.sequences; ++s) {
      Attention a = task(next_, s);
      for (a.kv_head = 0; a.kv_head < heads(); ++a.kv_head) row.attention(a);
    }
    next_ = (next_ + 1) % layers_;
  }

  std::int64_t bytes() const {
    return case_.sequences * case_.context * layout_.token_bytes() / kKvHeads * heads();
  }
  double flops() const {
    const auto rows = static_cast<double>(case_.rows);
    const double seen = rows * (static_cast<double>(case_.context) - (rows - 1) / 2);
    return 4 * seen * kHeadDim * case_.group * heads() * case_.sequences;
  }

 private:
  int heads() const { return case_.rows > 1 ? 1 : kKvHeads; }

  Attention task(std::size_t layer, int sequence) {
    const std::size_t at =
        (layer * static_cast<std::size_t>(case_.sequences) + static_cast<std::size_t>(sequence)) *
        static_cast<std::size_t>(pages_);
    Attention a;
    a.kv = {layout_, memory_->data(), layout_.layer_page_bytes(), 0, table_.data() + at};
    a.q = q_.data(), a.out = out_.data();
    a.q_stride = a.out_stride = std::int64_t{kKvHeads} * case_.group * kHeadDim;
    a.rows = case_.rows, a.position = case_.context - case_.rows;
    a.heads_per_kv = case_.group, a.scale = 0.088f;
    auto* scratch = reinterpret_cast<std::uintptr_t*>(scratch_.data());
    a.scratch =
        reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(scratch) + 63) / 64 * 64);
    return a;
  }

  // The same tokens in every page: their numbers do not matter, that they are ordinary does.
  void fill(Rng& rng) {
    const auto floats = static_cast<std::size_t>(case_.page_tokens * kKvHeads * kHeadDim);
    std::vector<float> numbers(floats);
    for (float& x : numbers) x = static_cast<float>(rng.uniform()) - 0.5f;
    const std::int32_t first = 0;
    KvWrite w;
    w.kv = {layout_, memory_->data(), layout_.layer_page_bytes(), 0, &first};
    w.k = w.v = numbers.data();
    w.k_stride = w.v_stride = kKvHeads * kHeadDim;
    w.rows = case_.page_tokens;
    kernels(best_isa()).kv_write(w);
    const auto page = static_cast<std::size_t>(layout_.layer_page_bytes());
    for (std::size_t p = 1; p < table_.size(); ++p)
      std::memcpy(memory_->data() + p * page, memory_->data(), page);
  }

  Case case_;
  KvLayout layout_;
  std::int64_t pages_ = 0;
  std::size_t layers_ = 1, next_ = 0;
  std::vector<std::int32_t> table_;
  std::unique_ptr<Pages> memory_;
  std::vector<float> q_, out_, scratch_;
};

struct Selection {
  std::vector<Isa> isas;
  std::vector<DType> dtypes;
  std::vector<std::int64_t> page_tokens;
  bool decode = false, prefill = false;
  bool is_short = false, is_json = false;
};

// What one thread can do, in G/s.
struct Limits {
  double read_gb_s = 0, peak_gflop_s = 0;
};

void report_json(Isa isa, const Case& c, const Limits& limits, double bandwidth, double flops) {
  fmt::print(
      "{{\"kernel\":\"attention\",\"isa\":\"{}\",\"work\":\"{}\",\"kv\":\"{}\",\"group\":{},"
      "\"sequences\":{},\"context\":{},\"gb_s\":{:.2f},\"gflop_s\":{:.1f},\"read_gb_s\":{:.2f},"
      "\"peak_gflop_s\":{:.1f}}}\n",
      isa_name(isa), c.rows > 1 ? "prefill" : "decode", dtype_name(c.dtype), c.group, c.sequences,
      c.context, bandwidth, flops, limits.read_gb_s, limits.peak_gflop_s);
}

void measure(Isa isa, const Case& c, const Limits& limits, bool is_json) {
  Layers layers(c);
  layers.run(kernels(isa));
  const double seconds = least_seconds([&] { layers.run(kernels(isa)); });
  const double bandwidth = static_cast<double>(layers.bytes()) / seconds * 1e-9;
  const double flops = layers.flops() / seconds * 1e-9;
  if (is_json) return report_json(isa, c, limits, bandwidth, flops);
  const std::string_view what = c.rows > 1 ? "prefill" : "decode";
  fmt::print(
      "{:7} {:7} {:4} G={:<2} B={:<2} T={:<3} S={:<5} group={} {:9.1f} us {:6.1f} GB/s {:7.1f} "
      "GFLOP/s\n",
      isa_name(isa), what, dtype_name(c.dtype), c.page_tokens, c.sequences, c.rows, c.context,
      c.group, seconds * 1e6, bandwidth, flops);
}

// The peak that bounds attention over pages of a type; peaks() lists f32, then narrower ones.
double peak_of(const std::vector<double>& peaks, DType dtype, Isa isa) {
  if (dtype == DType::kI8) return peaks.back();
  return dtype == DType::kBf16 && isa == Isa::kAvx512 ? peaks[1] : peaks[0];
}

void run_cases(Isa isa, const Selection& chosen, DType dtype, const Limits& limits) {
  const std::vector<int> groups =
      chosen.is_short ? std::vector<int>{2, 8} : std::vector<int>{1, 2, 4, 8};
  const std::vector<int> crowds =
      chosen.is_short ? std::vector<int>{1, 16} : std::vector<int>{1, 8, 32};
  for (const std::int64_t tokens : chosen.page_tokens) {
    for (const int group : groups) {
      for (const int sequences : crowds)
        for (const std::int64_t context : {256, 1024, 4096})
          if (chosen.decode)
            measure(isa, {dtype, tokens, sequences, group, context, 1}, limits, chosen.is_json);
      if (chosen.prefill) measure(isa, {dtype, tokens, 1, group, 512, 512}, limits, chosen.is_json);
    }
  }
}

void run(const Selection& chosen) {
  const FlushDenormals flush;
  Pages stream(kBeyondCache);
  for (const Isa isa : chosen.isas) {
    std::vector<double> peaks;
    for (const bench::Peak& peak : bench::peaks(isa)) {
      const double seconds = least_seconds([&] { peak.run(); });
      peaks.push_back(peak.operations / seconds * 1e-9);
      if (!chosen.is_json)
        fmt::print("{:7} peak {:24} {:7.1f} G/s\n", isa_name(isa), peak.name, peaks.back());
    }
    for (const DType dtype : chosen.dtypes) {
      const double seconds = least_seconds([&] { bench::read_all({stream.data(), kBeyondCache}); });
      Limits limits;
      limits.read_gb_s = static_cast<double>(kBeyondCache) / seconds * 1e-9;
      limits.peak_gflop_s = peak_of(peaks, dtype, isa);
      if (!chosen.is_json)
        fmt::print("{:7} read of memory                {:7.1f} GB/s\n", isa_name(isa),
                   limits.read_gb_s);
      run_cases(isa, chosen, dtype, limits);
    }
  }
}

Selection parse(std::span<char*> words) {
  Selection s;
  for (const std::string_view word : words) {
    if (word == "decode") {
      s.decode = true;
    } else if (word == "prefill") {
      s.prefill = true;
    } else if (word == "short") {
      s.is_short = true;
    } else if (word == "json") {
      s.is_json = true;
    } else if (word == "f32" || word == "bf16" || word == "i8") {
      s.dtypes.push_back(word == "f32" ? DType::kF32 : word == "bf16" ? DType::kBf16 : DType::kI8);
    } else if (word == "16" || word == "32" || word == "64") {
      s.page_tokens.push_back(std::stoi(std::string(word)));
    } else {
      const auto isa = parse_isa(word);
      if (!isa || !isa_supported(*isa)) {
        fmt::print(stderr, "'{}' is no instruction set of this machine\n", word);
        std::exit(2);
      }
      s.isas.push_back(*isa);
    }
  }
  if (s.isas.empty()) {
    for (const Isa isa : {Isa::kAvx2, Isa::kAvx512})
      if (isa_supported(isa)) s.isas.push_back(isa);
  }
  if (s.dtypes.empty()) s.dtypes = {DType::kF32, DType::kBf16, DType::kI8};
  if (s.page_tokens.empty()) s.page_tokens = {16};
  if (!s.decode && !s.prefill) s.decode = s.prefill = true;
  return s;
}

}  // namespace
}  // namespace quire::kernels

int main(int argc, char** argv) {
  quire::kernels::run(
      quire::kernels::parse(std::span(argv + 1, static_cast<std::size_t>(argc - 1))));
}
