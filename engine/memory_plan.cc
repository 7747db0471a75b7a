// Integer arithmetic over page sizes; the machine's numbers come from /proc and /sys.
#include "engine/memory_plan.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <sstream>

#include "base/checked_math.h"

namespace quire::engine {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kContextUnlimited = 131072;  // when neither model nor user says one
constexpr std::int32_t kStateSlotsMin = 4;  // working, one snapshot, and one of each to move to
constexpr std::int64_t kPagesMax = std::numeric_limits<std::int32_t>::max() / 2;

// --- the machine --------------------------------------------------------------------------------

std::int64_t read_number(const std::string& path, std::int64_t otherwise) {
  std::ifstream file(path);
  std::int64_t value = 0;
  return file >> value ? value : otherwise;  // "max" is no number
}

// A line "key value" of a /proc or cgroup file.
std::int64_t read_line(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  std::int64_t value = 0;
  while (file >> word) {
    if (word == key) return file >> value ? value : 0;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

// Folders of the memory control groups of this process, from its own up to the root.
std::vector<std::string> control_groups() {
  std::ifstream file("/proc/self/cgroup");
  std::vector<std::string> folders;
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string root;
    if (controllers.empty()) root = "/sys/fs/cgroup";
    if (controllers.find("memory") != std::string::npos) root = "/sys/fs/cgroup/memory";
    if (root.empty()) continue;
    std::string path = line.substr(second + 1);
    while (path.size() > 1) {
      folders.push_back(root + path);
      path.resize(path.rfind('/'));
    }
    folders.push_back(root);
  }
  return folders;
}

void apply_limit(std::int64_t limit, std::int64_t used, MachineMemory& memory) {
  if (limit <= 0 || limit >= memory.total_bytes) return;
  memory.total_bytes = limit;
  memory.available_bytes =
      std::min(memory.available_bytes, std::max<std::int64_t>(limit - used, 0));
}

// --- the plan -----------------------------------------------------------------------------------

std::int64_t pages_of(std::int64_t tokens, int page_tokens) {
  return (tokens + page_tokens - 1) / page_tokens;
}

// Pages that one sequence of `tokens` holds in a group at most: a window group keeps the window and
// the rows of a step, which begin and end inside pages.
std::int64_t sequence_pages(const MemoryDemand& demand, const models::KvGroup& group,
                            std::int64_t tokens) {
  const std::int64_t full = pages_of(tokens, demand.page_tokens) + 1;  // one to copy on write
  if (group.window == 0) return full;
  const std::int64_t rows = group.window + demand.step_tokens_max + demand.drafts_max;
  return std::min(full, pages_of(rows, demand.page_tokens) + 2);
}

// Pages of a group when the full-retention groups have `pages` each.
std::int64_t group_pages(const MemoryDemand& demand, const models::KvGroup& group,
                         std::int64_t pages) {
  if (group.window == 0) return pages;
  const std::int64_t one = sequence_pages(demand, group, kContextUnlimited * 1024);
  return std::min(pages, one * demand.sequences_max);
}

std::int64_t page_bytes(const MemoryDemand& demand, const models::KvGroup& group) {
  return group.token_bytes() * demand.page_tokens;
}

std::int64_t bytes_with(const MemoryDemand& demand, std::int64_t pages) {
  std::int64_t sum = 0;
  for (const models::KvGroup& group : demand.groups) {
    const auto bytes = checked_mul(static_cast<std::uint64_t>(group_pages(demand, group, pages)),
                                   static_cast<std::uint64_t>(page_bytes(demand, group)));
    const auto total = checked_add(static_cast<std::uint64_t>(sum), bytes.value_or(kUnlimited));
    if (!bytes || !total || *total > static_cast<std::uint64_t>(kUnlimited)) return kUnlimited;
    sum = static_cast<std::int64_t>(*total);
  }
  return sum;
}

// The largest argument for which `fits`, which holds up to some point only; 0 when for none.
template <class F>
std::int64_t largest(std::int64_t limit, const F& fits) {
  std::int64_t low = 0, high = limit;
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

std::int64_t context_goal(const MemoryDemand& demand) {
  if (demand.context_wanted > 0) return demand.context_wanted;
  return demand.model_context > 0 ? demand.model_context : kContextUnlimited;
}

std::int32_t plan_states(const MemoryDemand& demand) {
  if (demand.state_bytes == 0) return 0;
  const std::int64_t share = demand.groups.empty() ? demand.budget_bytes : demand.budget_bytes / 3;
  const std::int64_t working = std::int64_t{demand.sequences_max} * (1 + demand.drafts_max);
  const std::int64_t snapshots = 2 * std::int64_t{demand.sequences_max} + 64;
  const std::int64_t slots = std::min(working + snapshots, share / demand.state_bytes);
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(slots, kStateSlotsMin, kPagesMax));
}

std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

MachineMemory machine_memory() {
  MachineMemory memory;
  memory.total_bytes = read_line("/proc/meminfo", "MemTotal:") * 1024;
  memory.available_bytes = read_line("/proc/meminfo", "MemAvailable:") * 1024;
  for (const std::string& folder : control_groups()) {
    const std::int64_t reclaimable = read_line(folder + "/memory.stat", "inactive_file");
    apply_limit(read_number(folder + "/memory.max", 0),
                read_number(folder + "/memory.current", 0) - reclaimable, memory);
    apply_limit(read_number(folder + "/memory.limit_in_bytes", 0),
                read_number(folder + "/memory.usage_in_bytes", 0) - reclaimable, memory);
  }
  return memory;
}

Result<std::int64_t> parse_memory_size(std::string_view text, std::int64_t total_bytes) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  double factor = 0;
  if (unit.empty()) factor = 1;
  if (unit == "K" || unit == "k" || unit == "KiB") factor = 1024;
  if (unit == "M" || unit == "m" || unit == "MiB") factor = 1024.0 * 1024;
  if (unit == "G" || unit == "g" || unit == "GiB") factor = 1024.0 * 1024 * 1024;
  if (unit == "%") factor = static_cast<double>(total_bytes) / 100;
  const double bytes = number * factor;
  if (error != std::errc() || factor == 0 || !(bytes >= 1 && bytes < 9e18) ||
      (unit == "%" && number > 100)) {
    return fail_at("kv_cache_memory", ErrorCode::kInvalid,
                   "kv_cache_memory takes bytes with K, M or G, or a share such as 30%, got '{}'",
                   text);
  }
  return static_cast<std::int64_t>(bytes);
}

Result<MemoryPlan> plan_memory(const MemoryDemand& demand) {
  MemoryPlan plan;
  plan.state_slots = plan_states(demand);
  plan.bytes = plan.state_slots * demand.state_bytes;
  const std::int64_t goal = context_goal(demand);
  const std::int64_t page_budget = demand.budget_bytes - plan.bytes;
  const std::int64_t enough =
      std::min(kPagesMax, 2 * demand.sequences_max * (pages_of(goal, demand.page_tokens) + 1));
  const std::int64_t pages =
      largest(enough, [&](std::int64_t count) { return bytes_with(demand, count) <= page_budget; });
  for (const models::KvGroup& group : demand.groups) {
    plan.page_counts.push_back(static_cast<std::int32_t>(group_pages(demand, group, pages)));
  }
  plan.kv_tokens = demand.groups.empty() ? 0 : pages * demand.page_tokens;
  if (!demand.groups.empty()) plan.bytes += bytes_with(demand, pages);
  plan.context_max = largest(goal, [&](std::int64_t tokens) {
    for (std::size_t g = 0; g < demand.groups.size(); ++g) {
      if (sequence_pages(demand, demand.groups[g], tokens) > plan.page_counts[g]) return false;
    }
    return true;
  });
  const std::int64_t least = demand.context_wanted > 0 ? goal : demand.page_tokens;
  if (plan.context_max < least || page_budget < 0) {
    return fail_at("kv_cache_memory", ErrorCode::kInvalid,
                   "{} for pages and states hold {} tokens of context (a token takes {} bytes, a "
                   "state {} bytes, {} states at least), {} are needed: raise kv_cache_memory or "
                   "lower max_model_len",
                   mebibytes(demand.budget_bytes), plan.context_max,
                   bytes_with(demand, 1) / demand.page_tokens, demand.state_bytes,
                   demand.state_bytes > 0 ? kStateSlotsMin : 0, least);
  }
  return plan;
}

}  // namespace quire::engine
