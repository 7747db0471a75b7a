// Pages that are only cached do not count as used: an idle server shows 0.
#include "server/engine_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace quire::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Builder {
 public:
  explicit Builder(Labels labels) : labels_(std::move(labels)) {}

  void gauge(const char* name, const char* help, double value, Labels more = {}) {
    ClientMetric& metric = add(name, help, MetricType::Gauge, std::move(more));
    metric.gauge.value = value;
  }
  void counter(const char* name, const char* help, double value, Labels more = {}) {
    ClientMetric& metric = add(name, help, MetricType::Counter, std::move(more));
    metric.counter.value = value;
  }
  // counts[i]: observations up to bounds[i]; one more for those above.
  void histogram(const char* name, const char* help, std::span<const int> bounds,
                 const std::vector<std::uint64_t>& counts, double sum) {
    ClientMetric& metric = add(name, help, MetricType::Histogram, {});
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      total += counts[i];
      if (i < bounds.size()) {
        metric.histogram.bucket.push_back({total, static_cast<double>(bounds[i])});
      }
    }
    metric.histogram.bucket.push_back({total, std::numeric_limits<double>::infinity()});
    metric.histogram.sample_count = total;
    metric.histogram.sample_sum = sum;
  }
  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  ClientMetric& add(const char* name, const char* help, MetricType type, Labels more) {
    if (families_.empty() || families_.back().name != name) {
      families_.push_back({name, help, type, {}});
    }
    ClientMetric metric;
    metric.label = labels_;
    metric.label.insert(metric.label.end(), more.begin(), more.end());
    families_.back().metric.push_back(std::move(metric));
    return families_.back().metric.back();
  }

  Labels labels_;
  std::vector<MetricFamily> families_;
};

double share_used(const cache::CacheStats& cache) {
  double used = 0;
  for (const cache::PoolStats& pool : cache.groups) {
    if (pool.total > 0) {
      used = std::max(used, static_cast<double>(pool.referenced) / static_cast<double>(pool.total));
    }
  }
  return used;
}

std::int64_t page_total(const cache::CacheStats& cache) {
  std::int64_t total = 0;
  for (const cache::PoolStats& pool : cache.groups) total += pool.total;
  return total;
}

void add_cache(Builder& out, const engine::EngineStats& stats) {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  out.gauge("vllm:kv_cache_usage_perc", "Share of the KV pages that requests hold, 0 to 1.",
            share_used(stats.cache));
  out.counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.",
              number(stats.cache.query_tokens));
  out.counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.",
              number(stats.cache.hit_tokens));
  const char* const missed = "quire:prefix_cache_misses_total";
  const char* const help = "Prompt tokens not found in the prefix cache, by reason.";
  out.counter(missed, help, number(stats.cache.miss_cold), {{"reason", "cold"}});
  out.counter(missed, help, number(stats.cache.miss_evicted), {{"reason", "evicted"}});
  out.counter(missed, help, number(stats.cache.miss_state), {{"reason", "state"}});
  out.counter(missed, help, number(stats.cache.miss_window), {{"reason", "window"}});
}

void add_speculation(Builder& out, const engine::EngineStats& stats) {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  out.counter("vllm:spec_decode_num_drafts_total", "Times tokens were guessed ahead.",
              number(stats.drafts));
  out.counter("vllm:spec_decode_num_draft_tokens_total", "Tokens guessed ahead.",
              number(stats.draft_tokens));
  out.counter("vllm:spec_decode_num_accepted_tokens_total", "Guessed tokens that were right.",
              number(stats.accepted_draft_tokens));
  for (std::size_t i = 0; i < stats.accepted_per_position.size(); ++i) {
    out.counter("vllm:spec_decode_num_accepted_tokens_per_pos_total",
                "Guessed tokens that were right, by position.",
                number(stats.accepted_per_position[i]), {{"position", std::to_string(i)}});
  }
}

// The names of llama.cpp's server for the same facts.
void add_llamacpp(Builder& out, const engine::EngineStats& stats) {
  out.gauge("llamacpp:requests_processing", "Requests in the running batch.", stats.running);
  out.gauge("llamacpp:requests_deferred", "Requests that wait to be run.", stats.waiting);
  out.gauge("llamacpp:kv_cache_usage_ratio", "Share of the KV pages that requests hold.",
            share_used(stats.cache));
  out.counter("llamacpp:prompt_tokens_total", "Prompt tokens of admitted requests.",
              static_cast<double>(stats.prompt_tokens));
  out.counter("llamacpp:tokens_predicted_total", "Tokens generated.",
              static_cast<double>(stats.generation_tokens));
  out.counter("llamacpp:n_decode_total", "Engine steps.", static_cast<double>(stats.steps));
}

}  // namespace

std::vector<MetricFamily> engine_metrics(const engine::Engine& engine,
                                         const std::string& model_name) {
  const engine::EngineStats stats = engine.stats();
  const engine::ModelCard& card = engine.card();
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  Builder out({{"model_name", model_name}, {"engine", "0"}});
  out.gauge("vllm:num_requests_running", "Requests in the running batch.", stats.running);
  out.gauge("vllm:num_requests_waiting", "Requests that wait to be run.", stats.waiting);
  add_cache(out, stats);
  out.counter("vllm:num_preemptions_total", "Requests that gave their pages up and began anew.",
              number(stats.preemptions));
  out.counter("vllm:prompt_tokens_total", "Prompt tokens of admitted requests.",
              number(stats.prompt_tokens));
  out.counter("vllm:prompt_tokens_cached_total", "Prompt tokens that came from the prefix cache.",
              number(stats.cached_prompt_tokens));
  out.counter("vllm:generation_tokens_total", "Tokens generated.", number(stats.generation_tokens));
  out.counter("vllm:corrupted_requests_total", "Rows of logits that held NaN.",
              number(stats.nan_rows));
  add_speculation(out, stats);
  out.histogram("vllm:iteration_tokens_total", "Tokens per engine step.", engine::kStepTokenBounds,
                stats.step_tokens_histogram,
                number(stats.prompt_tokens - stats.cached_prompt_tokens + stats.generation_tokens));
  out.counter("quire:steps_total", "Engine steps.", number(stats.steps));
  out.gauge("vllm:cache_config_info", "How the KV cache is laid out.", 1,
            {{"block_size", std::to_string(card.block_size)},
             {"num_gpu_blocks", std::to_string(page_total(stats.cache))},
             {"cache_dtype", card.kv_dtype}});
  add_llamacpp(out, stats);
  return out.take();
}

std::vector<MetricFamily> process_metrics() {
  Builder out(Labels{});
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  out.counter("process_cpu_seconds_total", "User and system time.",
              seconds(usage.ru_utime) + seconds(usage.ru_stime));
  std::ifstream statm("/proc/self/statm");
  std::int64_t size_pages = 0;
  std::int64_t resident_pages = 0;
  if (statm >> size_pages >> resident_pages) {
    out.gauge("process_resident_memory_bytes", "Resident memory.",
              static_cast<double>(resident_pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  }
  std::error_code error;
  std::int64_t descriptors = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++descriptors;
  }
  out.gauge("process_open_fds", "Open file descriptors.", static_cast<double>(descriptors));
  return out.take();
}

}  // namespace quire::server
