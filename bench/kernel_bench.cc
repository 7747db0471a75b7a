// Speed of matrix products (K1) and of parallel regions (K3), next to what the machine gives in the
// same run.
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/dtype.h"
#include "base/float_mode.h"
#include "base/rng.h"
#include "base/team.h"
#include "base/terminal.h"
#include "bench/flags.h"
#include "bench/machine_probe.h"
#include "kernels/kernels.h"

namespace quire::bench {
namespace {

using Clock = std::chrono::steady_clock;
using kernels::Arithmetic;
using kernels::Isa;
using kernels::PackedFormat;
using kernels::PackedMatrix;

// A row of K1: how weights are stored and computed with, and the peaks (MachineProbe's names) that
// bound it with AVX-512 and with AVX2.
struct FormatLine {
  const char* name;
  PackedFormat format;
  Arithmetic arithmetic;
  const char* peak_avx512;
  const char* peak_avx2;
};
const FormatLine kFormats[] = {
    {"f32", PackedFormat::of(DType::kF32), Arithmetic::kF32, "f32_avx512", "f32_avx2"},
    {"f16", PackedFormat::of(DType::kF16), Arithmetic::kF32, "f32_avx512", "f32_avx2"},
    {"bf16-f32", PackedFormat::of(DType::kBf16), Arithmetic::kF32, "f32_avx512", "f32_avx2"},
    {"bf16", PackedFormat::of(DType::kBf16), Arithmetic::kFast, "bf16_avx512", "f32_avx2"},
    {"int8", PackedFormat::int8(), Arithmetic::kFast, "int8_avx512", "int8_avx2"},
    {"affine8-g64", kernels::affine_format(8, 64, DType::kBf16), Arithmetic::kFast, "int8_avx512",
     "int8_avx2"},
    {"affine4-g64", kernels::affine_format(4, 64, DType::kBf16), Arithmetic::kFast, "int8_avx512",
     "int4_avx2"},
    {"affine4-g32", kernels::affine_format(4, 32, DType::kBf16), Arithmetic::kFast, "int8_avx512",
     "int4_avx2"},
};

struct Shape {
  std::int64_t k, n;
};
// Qwen3-0.6B's body first: the only ones of a short run.
constexpr Shape kShapes[] = {{1024, 3072}, {3072, 1024}, {2048, 2048},
                             {2560, 9728}, {4096, 4096}, {1024, 151936}};
constexpr int kShortShapes = 2;
constexpr std::int64_t kRows[] = {1, 2, 4, 8, 16, 32, 64, 128, 512};

constexpr std::size_t kWeightBytes = std::size_t{256} << 20;  // rotated through: beyond every cache
constexpr int kChunksPerThread = 8;

struct Options {
  std::string isa = "auto", formats, threads = "1,2", rows;
  bool short_run = false, json = false, only_regions = false, only_products = false;
};

// Zeroed memory in huge pages where the kernel gives them.
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

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Seconds {
  double best = 0, median = 0;
};

// Of several runs; the best is the least disturbed one.
template <class F>
Seconds time_runs(F f) {
  std::vector<double> runs;
  double spent = 0;
  while (runs.size() < 50 && (runs.size() < 4 || spent < 0.3)) {
    const auto begin = Clock::now();
    f();
    runs.push_back(seconds_since(begin));
    spent += runs.back();
  }
  std::sort(runs.begin(), runs.end());
  return {runs.front(), runs[runs.size() / 2]};
}

// Copies of one random matrix, more than the caches hold, for products that take them in turn.
class Weights {
 public:
  Weights(const PackedFormat& format, Shape shape)
      : bytes_(packed_bytes(format, shape.n, shape.k)),
        copies_(std::max<std::size_t>(1, (kWeightBytes + bytes_ - 1) / bytes_)),
        memory_(bytes_ * copies_),
        format_(format),
        shape_(shape) {
    Rng rng(1);
    std::vector<float> block(static_cast<std::size_t>(kernels::kPanelRows * shape.k));
    for (float& value : block) value = static_cast<float>(rng.uniform()) - 0.5f;
    for (std::int64_t row = 0; row < shape.n; row += kernels::kPanelRows) {
      const std::int64_t rows = std::min<std::int64_t>(kernels::kPanelRows, shape.n - row);
      pack_rows({reinterpret_cast<const std::byte*>(block.data()), DType::kF32, rows, shape.k,
                 shape.k, 1},
                row, shape.n, format, memory_.data());
    }
    for (std::size_t i = 1; i < copies_; ++i) {
      std::copy_n(memory_.data(), bytes_, memory_.data() + i * bytes_);
    }
  }
  std::size_t bytes() const { return bytes_; }
  std::size_t copies() const { return copies_; }
  PackedMatrix next() {
    at_ = (at_ + 1) % copies_;
    return {memory_.data() + at_ * bytes_, format_, shape_.n, shape_.k};
  }

 private:
  std::size_t bytes_, copies_;
  Buffer memory_;
  PackedFormat format_;
  Shape shape_;
  std::size_t at_ = 0;
};

// Rows of x in the form that the format wants, ready before the clock starts.
class Inputs {
 public:
  Inputs(Isa isa, const FormatLine& line, std::int64_t rows, std::int64_t k)
      : form_(form_for(line.format, line.arithmetic)),
        stride_(activation_row_bytes(form_, k)),
        memory_(static_cast<std::size_t>(rows * stride_)) {
    Rng rng(2);
    std::vector<float> x(static_cast<std::size_t>(rows * k));
    for (float& value : x) value = static_cast<float>(rng.uniform()) - 0.5f;
    if (form_.kind == kernels::ActivationForm::Kind::kF32) {
      for (std::int64_t r = 0; r < rows; ++r) {
        std::copy_n(x.data() + r * k, k, reinterpret_cast<float*>(memory_.data() + r * stride_));
      }
      return;
    }
    kernels::Prepare prepare;
    prepare.form = form_;
    prepare.x = x.data(), prepare.x_stride = k, prepare.rows = rows, prepare.cols = k;
    prepare.out = memory_.data(), prepare.out_stride_bytes = stride_;
    kernels::kernels(isa).prepare(prepare);
  }
  kernels::Activations view() { return {form_, memory_.data(), stride_}; }

 private:
  kernels::ActivationForm form_;
  std::int64_t stride_;
  Buffer memory_;
};

struct Run {
  Isa isa;
  Team* team;
  MachineProbe* probe;
  const Options* options;
  double read_gb_s = 0;  // both measured for each format and shape
  double peak_gop_s = 0;
};

const char* peak_name(const Run& run, const FormatLine& line) {
  return run.isa == Isa::kAvx512 ? line.peak_avx512 : line.peak_avx2;
}

void report_product(const Run& run, const FormatLine& line, Shape shape, std::int64_t rows,
                    const Seconds& seconds) {
  const double operations = 2.0 * static_cast<double>(rows * shape.n * shape.k);
  const auto bytes = static_cast<double>(packed_bytes(line.format, shape.n, shape.k));
  const double rate = operations / seconds.best * 1e-9, gb_s = bytes / seconds.best * 1e-9;
  const double peak = run.peak_gop_s;
  const double of_peak = peak > 0 ? rate / peak : 0, of_read = gb_s / run.read_gb_s;
  if (run.options->json) {
    fmt::print(
        "{{\"kernel\":\"product\",\"isa\":\"{}\",\"format\":\"{}\",\"threads\":{},\"k\":{},"
        "\"n\":{},\"rows\":{},\"gop_s\":{:.2f},\"gop_s_median\":{:.2f},\"gb_s\":{:.2f},"
        "\"peak\":\"{}\",\"peak_gop_s\":{:.1f},\"read_gb_s\":{:.2f},\"of_peak\":{:.4f},"
        "\"of_read\":{:.4f}}}\n",
        isa_name(run.isa), line.name, run.team->threads(), shape.k, shape.n, rows, rate,
        operations / seconds.median * 1e-9, gb_s, peak_name(run, line), peak, run.read_gb_s,
        of_peak, of_read);
    return;
  }
  fmt::print(
      "{:7} {:12} {} threads K={:<5} N={:<7} rows {:<4} {:8.1f} GOP/s {:5.1f} % of {} {:6.1f} GB/s "
      "{:5.1f} % of read\n",
      isa_name(run.isa), line.name, run.team->threads(), shape.k, shape.n, rows, rate,
      100 * of_peak, peak_name(run, line), gb_s, 100 * of_read);
}

std::vector<std::string> words(const std::string& list) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    out.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::vector<std::int64_t> chosen_rows(const std::string& list) {
  std::vector<std::int64_t> rows;
  for (const std::string& word : words(list)) rows.push_back(std::max(1, std::atoi(word.c_str())));
  return rows.empty() ? std::vector<std::int64_t>(std::begin(kRows), std::end(kRows)) : rows;
}

void bench_products(Run& run, const FormatLine& line, Shape shape) {
  Weights weights(line.format, shape);
  run.peak_gop_s = run.probe->peak_gop_s(peak_name(run, line));
  const int chunks = kChunksPerThread * run.team->threads();
  const kernels::Kernels& table = kernels::kernels(run.isa);
  for (const std::int64_t rows : chosen_rows(run.options->rows)) {
    run.read_gb_s = run.probe->read_bandwidth().median;  // which drifts
    Inputs inputs(run.isa, line, rows, shape.k);
    std::vector<float> y(static_cast<std::size_t>(rows * shape.n));
    const int calls =
        rows >= 64 ? 1 : static_cast<int>(std::min<std::size_t>(weights.copies(), 16));
    Seconds seconds = time_runs([&] {
      for (int call = 0; call < calls; ++call) {
        const PackedMatrix w = weights.next();
        kernels::Matmul m;
        m.x = inputs.view(), m.rows = rows, m.w = &w;
        m.y = y.data(), m.y_stride = shape.n;
        run.team->run(chunks, [&](int chunk) {
          const FlushDenormals flush;
          kernels::Matmul part = m;
          part.panel_begin = w.panels() * chunk / chunks;
          part.panel_end = w.panels() * (chunk + 1) / chunks;
          table.matmul(part);
        });
      }
    });
    seconds.best /= calls, seconds.median /= calls;
    report_product(run, line, shape, rows, seconds);
    std::fflush(stdout);
  }
}

void work_for(std::chrono::nanoseconds time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
  }
}

// A region with one chunk for each thread; what it takes beyond its chunks' own time.
void bench_regions(Team& team, const Options& options) {
  constexpr int kRegions = 2000;
  for (const int us : {2, 10, 50}) {
    const Seconds seconds = time_runs([&] {
      for (int i = 0; i < kRegions; ++i) {
        team.run(team.threads(), [&](int) { work_for(std::chrono::microseconds(us)); });
      }
    });
    const auto overhead = [&](double s) { return 1e6 * s / kRegions - us; };
    if (options.json) {
      fmt::print(
          "{{\"kernel\":\"region\",\"threads\":{},\"work_us\":{},\"overhead_us\":{:.3f},"
          "\"overhead_us_median\":{:.3f}}}\n",
          team.threads(), us, overhead(seconds.best), overhead(seconds.median));
    } else {
      fmt::print("region of {} us, {} threads: {:.2f} us more, median {:.2f}\n", us, team.threads(),
                 overhead(seconds.best), overhead(seconds.median));
    }
  }
}

Result<std::vector<Isa>> chosen_isas(const std::string& text) {
  if (text != "auto") {
    QUIRE_ASSIGN(const Isa isa, kernels::parse_isa(text));
    return std::vector<Isa>{isa};
  }
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (kernels::isa_supported(isa)) isas.push_back(isa);
  }
  return isas;
}

Status run_all(const Options& options) {
  QUIRE_ASSIGN(const std::vector<Isa> isas, chosen_isas(options.isa));
  const std::vector<std::string> wanted = words(options.formats);
  for (const std::string& count : words(options.threads)) {
    const int threads = std::atoi(count.c_str());
    std::vector<int> processors = allowed_processors();
    if (threads < 1 || threads > static_cast<int>(processors.size())) continue;
    processors.resize(static_cast<std::size_t>(threads));
    Team team(threads);
    MachineProbe probe(processors);
    if (!options.only_products) bench_regions(team, options);
    if (options.only_regions) continue;
    for (const Isa isa : isas) {
      Run run{isa, &team, &probe, &options};
      for (const FormatLine& line : kFormats) {
        if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), line.name) == wanted.end()) {
          continue;
        }
        const int shapes = options.short_run ? kShortShapes : static_cast<int>(std::size(kShapes));
        for (int i = 0; i < shapes; ++i) bench_products(run, line, kShapes[i]);
      }
    }
  }
  return {};
}

int run_main(const std::vector<std::string>& arguments) {
  Options options;
  FlagTable flags;
  flags.add("isa", "auto: avx2 and avx512 where there is one", options.isa);
  flags.add("formats", "names separated by commas; default: all", options.formats);
  flags.add("threads", "counts separated by commas", options.threads);
  flags.add("rows", "counts separated by commas; default: 1 to 512", options.rows);
  flags.add("short", "the shapes of Qwen3-0.6B's layers only", options.short_run);
  flags.add("only-regions", "K3 alone", options.only_regions);
  flags.add("only-products", "K1 alone", options.only_products);
  flags.add("json", "one JSON object a line", options.json);
  if (asks_for_help(arguments)) {
    std::cout << "Usage: kernel_bench [flags]\n" << flags.help(terminal_columns());
    return 0;
  }
  const auto rest = flags.parse(arguments);
  Status done = rest ? Status{} : tl::unexpected(rest.error());
  if (done && !rest->empty()) done = fail(ErrorCode::kInvalid, "unknown flag {}", rest->front());
  if (done) done = run_all(options);
  if (done) return 0;
  std::cerr << "kernel_bench: " << done.error().message << "\n";
  return 2;
}

}  // namespace
}  // namespace quire::bench

int main(int argc, char** argv) { return quire::bench::run_main({argv + 1, argv + argc}); }
