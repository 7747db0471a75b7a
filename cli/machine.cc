// Facts from /proc and /sys; rates from plain reads and from the kernels that serve.
#include "cli/machine.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
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
constexpr std::int64_t kRows = 64, kWide = 1024;

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
  while (times.size() < 3 || seconds_since(begin) < seconds) {
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

ComputeRate compute_rate(Team& team, kernels::Isa isa, const kernels::PackedFormat& format,
                         double seconds) {
  const kernels::Kernels& table = kernels::kernels(isa);
  const kernels::ActivationForm form = form_for(format, kernels::Arithmetic::kFast);
  Arena weights(packed_bytes(format, kWide, kWide));
  Arena plain(static_cast<std::size_t>(kRows * kWide) * 4);
  const std::int64_t row_bytes = activation_row_bytes(form, kWide);
  Arena prepared(static_cast<std::size_t>(kRows * row_bytes));
  auto* x = reinterpret_cast<float*>(plain.data());
  for (std::int64_t i = 0; i < kRows * kWide; ++i) x[i] = static_cast<float>(i % 7) - 3;
  kernels::Activations activations{form, plain.data(), kWide * 4};
  if (form.kind != kernels::ActivationForm::Kind::kF32) {
    table.prepare({form, x, kWide, kRows, kWide, prepared.data(), row_bytes});
    activations = {form, prepared.data(), row_bytes};
  }
  const kernels::PackedMatrix matrix{weights.data(), format, kWide, kWide};
  std::vector<float> y(static_cast<std::size_t>(kRows * kWide));
  constexpr int kPanelsAtOnce = 4, kRepeats = 8;
  const int chunks = static_cast<int>(matrix.panels()) / kPanelsAtOnce;
  const double spent = median_seconds(seconds, [&] {
    team.run(chunks * kRepeats, [&](int chunk) {
      kernels::Matmul product;
      product.x = activations;
      product.rows = kRows;
      product.w = &matrix;
      product.y = y.data();
      product.y_stride = kWide;
      product.panel_begin = chunk % chunks * kPanelsAtOnce;
      product.panel_end = product.panel_begin + kPanelsAtOnce;
      table.matmul(product);
    });
  });
  const double operations = 2.0 * kRows * kWide * kWide * kRepeats;
  ComputeRate rate;
  rate.format = kernels::format_name(format.kind);
  rate.activations = form.kind == kernels::ActivationForm::Kind::kF32    ? "f32"
                     : form.kind == kernels::ActivationForm::Kind::kBf16 ? "bf16"
                                                                         : "int8";
  rate.gflops = operations / spent * 1e-9;
  return rate;
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

MachineRates measure_machine(const MachineFacts& facts, int threads, double seconds) {
  const FlushDenormals flush;
  MachineRates rates;
  rates.threads = threads > 0 ? threads : std::max(1, facts.processors_allowed);
  Team team(rates.threads), one(1);
  const std::int64_t bytes = std::min(kReadBytesMax, facts.available_bytes / 4);
  {
    Arena memory(static_cast<std::size_t>(bytes) / 4096 * 4096);
    std::fill_n(memory.data(), memory.bytes(), std::byte{1});
    rates.read_gb_s = read_rate(team, memory, seconds);
    rates.read_one_gb_s = read_rate(one, memory, seconds);
  }
  for (const kernels::PackedFormat& format :
       {kernels::PackedFormat::of(DType::kF32), kernels::PackedFormat::of(DType::kBf16),
        kernels::PackedFormat::int8(), kernels::affine_format(4, 64, DType::kBf16)}) {
    rates.compute.push_back(compute_rate(team, facts.isa, format, seconds));
  }
  return rates;
}

}  // namespace quire::cli
