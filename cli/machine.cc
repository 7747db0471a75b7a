// Facts from /proc and /sys; rates from plain reads and from the kernels that serve.
#include "cli/machine.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <sstream>

#include "base/arena.h"
#include "base/clock.h"
#include "base/float_mode.h"
#include "base/team.h"
#include "engine/memory_plan.h"

namespace quire::cli {
namespace {

constexpr std::int64_t kReadBytesMax = std::int64_t{512} << 20;
constexpr std::int64_t kPromptRows = 64, kBatchRows = 16, kWide = 1024;
constexpr std::int64_t kWeightBytesMin = std::int64_t{64} << 20;
constexpr int kRounds = 5;  // of each number

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  std::string text = std::move(out).str();
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// The value behind "key :" of the first processor.
std::string cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with(key)) continue;
    return colon + 2 <= line.size() ? line.substr(colon + 2) : "";
  }
  return "";
}

std::vector<std::string> instruction_sets() {
  std::istringstream flags(cpuinfo("flags"));
  const std::set<std::string> has{std::istream_iterator<std::string>(flags), {}};
  std::vector<std::string> out;
  for (const char* name : {"avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni",
                           "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"}) {
    if (has.contains(name)) out.emplace_back(name);
  }
  return out;
}

// Different cores among the allowed processors.
int count_cores(const cpu_set_t& set) {
  std::set<std::string> cores;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &set)) continue;
    const std::string topology = fmt::format("/sys/devices/system/cpu/cpu{}/topology/", i);
    std::string siblings = read_file(topology + "thread_siblings_list");
    cores.insert(siblings.empty() ? std::to_string(i) : siblings);
  }
  return static_cast<int>(cores.size());
}

// cpu.max of the process's control group and those above it; 0 without a limit.
double processor_quota() {
  std::string group;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) group = line.substr(3);
  }
  double least = 0;
  while (true) {
    std::ifstream limit("/sys/fs/cgroup" + group + "/cpu.max");
    double quota = 0, period = 0;
    if (limit >> quota >> period && period > 0) {
      least = least == 0 ? quota / period : std::min(least, quota / period);
    }
    if (group.size() < 2) return least;
    group.resize(group.rfind('/'));
  }
}

std::int64_t cache_bytes() {
  std::int64_t most = 0;
  for (int i = 0; i < 8; ++i) {
    const std::string size =
        read_file(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", i));
    if (size.empty()) break;
    const auto bytes = engine::parse_memory_size(size, 0);
    if (bytes) most = std::max(most, *bytes);
  }
  return most;
}

// The word in brackets of "always [madvise] never".
std::string chosen_word(const std::string& text) {
  const std::size_t begin = text.find('['), end = text.find(']');
  return begin == std::string::npos || end < begin ? "" : text.substr(begin + 1, end - begin - 1);
}

double seconds_since(Time begin) { return to_seconds(SteadyClock().now() - begin); }

// Median seconds of f(), which is repeated for about `seconds`.
double median_seconds(double seconds, const std::function<void()>& f) {
  std::vector<double> times;
  const Time begin = SteadyClock().now();
  while (times.size() < 2 || seconds_since(begin) < seconds) {
    const Time start = SteadyClock().now();
    f();
    times.push_back(seconds_since(start));
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

std::atomic<std::uint64_t> g_sink{0};  // keeps the sums alive

// Sums words in eight chains, which keeps enough loads in flight for any memory.
void read_words(const std::uint64_t* words, std::size_t count) {
  std::uint64_t sums[8] = {};
  for (std::size_t i = 0; i + 8 <= count; i += 8) {
    for (std::size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
  }
  for (const std::uint64_t sum : sums) g_sink += sum;
}

double read_rate(Team& team, const Arena& memory, double seconds) {
  constexpr std::size_t kChunkWords = std::size_t{1} << 17;
  const auto* words = reinterpret_cast<const std::uint64_t*>(memory.data());
  const std::size_t count = memory.bytes() / 8;
  const int chunks = static_cast<int>(count / kChunkWords);
  const double sweep = median_seconds(seconds, [&] {
    team.run(chunks, [&](int chunk) {
      read_words(words + static_cast<std::size_t>(chunk) * kChunkWords, kChunkWords);
    });
  });
  return static_cast<double>(chunks) * kChunkWords * 8 / sweep * 1e-9;
}

// Weights of one format, more than the caches hold, and products with them.
class ProductBench {
 public:
  ProductBench(Team& team, kernels::Isa isa, const kernels::PackedFormat& format,
               kernels::ActivationForm form)
      : team_(team), table_(kernels::kernels(isa)), form_(form), format_(format) {}

  void allocate(std::int64_t bytes) {
    const auto row = static_cast<std::int64_t>(packed_bytes(format_, kWide, kWide)) / kWide;
    height_ = std::max<std::int64_t>(1, bytes / row / kWide) * kWide;
    weights_.emplace(packed_bytes(format_, height_, kWide));
    std::fill_n(weights_->data(), weights_->bytes(), std::byte{0});
    plain_.resize(static_cast<std::size_t>(kPromptRows * kWide));
    for (std::size_t i = 0; i < plain_.size(); ++i) plain_[i] = static_cast<float>(i % 7) - 3;
    prepared_.emplace(static_cast<std::size_t>(kPromptRows * activation_row_bytes(form_, kWide)));
    out_.resize(static_cast<std::size_t>(kPromptRows * height_));
  }

  // Seconds of one product of all weights with `rows` rows.
  double seconds(std::int64_t rows, double spent) {
    const kernels::PackedMatrix matrix{weights_->data(), format_, height_, kWide};
    const std::int64_t panels = matrix.panels();
    constexpr std::int64_t kPanelsAtOnce = 16;
    const auto chunks = static_cast<int>((panels + kPanelsAtOnce - 1) / kPanelsAtOnce);
    return median_seconds(spent, [&] {
      const kernels::Activations activations = prepare(rows);
      team_.run(chunks, [&](int chunk) {
        kernels::Matmul product;
        product.x = activations;
        product.rows = rows;
        product.w = &matrix;
        product.y = out_.data();
        product.y_stride = height_;
        product.panel_begin = chunk * kPanelsAtOnce;
        product.panel_end = std::min<std::int64_t>(panels, product.panel_begin + kPanelsAtOnce);
        table_.matmul(product);
      });
    });
  }

  double gigabytes() const { return static_cast<double>(weights_->bytes()) * 1e-9; }
  double operations(std::int64_t rows) const {
    return 2.0 * static_cast<double>(rows) * static_cast<double>(height_) * kWide;
  }

 private:
  kernels::Activations prepare(std::int64_t rows) {
    if (form_.kind == kernels::ActivationForm::Kind::kF32) {
      return {form_, reinterpret_cast<const std::byte*>(plain_.data()), kWide * 4};
    }
    const std::int64_t row_bytes = activation_row_bytes(form_, kWide);
    table_.prepare({form_, plain_.data(), kWide, rows, kWide, prepared_->data(), row_bytes});
    return {form_, prepared_->data(), row_bytes};
  }

  Team& team_;
  const kernels::Kernels& table_;
  const kernels::ActivationForm form_;
  const kernels::PackedFormat format_;
  std::int64_t height_ = 0;  // rows of the weights
  std::optional<Arena> weights_, prepared_;
  std::vector<float> plain_, out_;
};

// A format's weights and the seconds of its products, a value for each round.
struct FormatBench {
  ProductBench product;
  ComputeRate rate;
  std::vector<double> one = {}, sixteen = {}, prompt = {};
};

FormatBench make_bench(Team& team, const MachineFacts& facts, const kernels::PackedFormat& format,
                       kernels::Arithmetic arithmetic) {
  const kernels::ActivationForm form = form_for(format, arithmetic);
  FormatBench bench{ProductBench(team, facts.isa, format, form), {}};
  bench.product.allocate(std::clamp(4 * facts.cache_bytes, kWeightBytesMin,
                                    std::max(kWeightBytesMin, facts.available_bytes / 32)));
  bench.rate.format = kernels::format_name(format.kind);
  bench.rate.activations = form.kind == kernels::ActivationForm::Kind::kF32    ? "f32"
                           : form.kind == kernels::ActivationForm::Kind::kBf16 ? "bf16"
                                                                               : "int8";
  return bench;
}

// What the machine does when nothing else runs: the second best of the rounds. Whatever disturbs
// less than all but two of them changes nothing, and neither does one lucky round.
double undisturbed(std::vector<double> seconds) {
  std::ranges::sort(seconds);
  return seconds[std::min<std::size_t>(1, seconds.size() - 1)];
}

// Each round measures every format, so that the rounds of one number lie seconds apart.
std::vector<ComputeRate> compute_rates(Team& team, const MachineFacts& facts,
                                       const Measurement& measurement) {
  std::vector<FormatBench> benches;
  for (const kernels::PackedFormat& format :
       {kernels::PackedFormat::of(DType::kF32), kernels::PackedFormat::of(DType::kBf16),
        kernels::PackedFormat::int8(), kernels::affine_format(4, 64, DType::kBf16),
        kernels::affine_format(8, 64, DType::kBf16)}) {
    benches.push_back(make_bench(team, facts, format, measurement.arithmetic));
  }
  for (int round = 0; round < kRounds; ++round) {
    for (FormatBench& bench : benches) {
      const double spent = measurement.seconds / kRounds;
      bench.one.push_back(bench.product.seconds(1, spent));
      bench.sixteen.push_back(bench.product.seconds(kBatchRows, spent));
      bench.prompt.push_back(bench.product.seconds(kPromptRows, spent));
    }
  }
  std::vector<ComputeRate> rates;
  for (FormatBench& bench : benches) {
    const double gigabytes = bench.product.gigabytes();
    bench.rate.one_gb_s = gigabytes / undisturbed(bench.one);
    bench.rate.sixteen_gb_s = gigabytes / undisturbed(bench.sixteen);
    bench.rate.gflops = bench.product.operations(kPromptRows) / undisturbed(bench.prompt) * 1e-9;
    rates.push_back(bench.rate);
  }
  return rates;
}

}  // namespace

MachineFacts read_machine() {
  MachineFacts facts;
  facts.processor = cpuinfo("model name");
  facts.processors_online = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    facts.processors_allowed = CPU_COUNT(&set);
    facts.cores_allowed = count_cores(set);
  }
  for (int node = 1; node < 1024; ++node) {
    if (::access(fmt::format("/sys/devices/system/node/node{}", node).c_str(), F_OK) != 0) break;
    ++facts.numa_nodes;
  }
  facts.quota = processor_quota();
  std::ifstream("/proc/loadavg") >> facts.load;
  facts.instruction_sets = instruction_sets();
  facts.isa = kernels::best_isa();
  facts.cache_bytes = cache_bytes();
  const engine::MachineMemory memory = engine::machine_memory();
  facts.memory_bytes = memory.total_bytes;
  facts.available_bytes = memory.available_bytes;
  facts.physical_bytes = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) *
                         static_cast<std::int64_t>(::sysconf(_SC_PAGE_SIZE));
  facts.huge_pages = chosen_word(read_file("/sys/kernel/mm/transparent_hugepage/enabled"));
  return facts;
}

MachineRates measure_machine(const MachineFacts& facts, const Measurement& measurement) {
  const FlushDenormals flush;
  MachineRates rates;
  const double seconds = measurement.seconds;
  rates.threads =
      measurement.threads > 0 ? measurement.threads : std::max(1, facts.processors_allowed);
  Team team(rates.threads), one(1);
  const std::int64_t bytes = std::min(kReadBytesMax, facts.available_bytes / 4);
  {
    Arena memory(static_cast<std::size_t>(bytes) / 4096 * 4096);
    std::fill_n(memory.data(), memory.bytes(), std::byte{1});
    rates.read_gb_s = read_rate(team, memory, seconds);
    rates.read_one_gb_s = read_rate(one, memory, seconds);
  }
  rates.compute = compute_rates(team, facts, measurement);
  return rates;
}

}  // namespace quire::cli
