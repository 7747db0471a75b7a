// One round of an offline benchmark: prompts, the engine's answers with their times, the rates.
#include <algorithm>
#include <fstream>
#include <latch>
#include <limits>
#include <memory>

#include "base/check.h"
#include "base/rng.h"
#include "bench/offline.h"

namespace quire::bench {
namespace {

constexpr int kReservedTokens = 272;  // bytes and special tokens at the end of the vocabulary
constexpr double kOverlapMin = 0.5;

engine::GenerateRequest greedy_request(const std::vector<std::int32_t>& prompt, int output_tokens) {
  engine::GenerateRequest request;
  request.prompt = prompt;
  request.sampling.temperature = 0;
  request.sampling.ignore_eos = true;
  request.sampling.max_tokens = output_tokens;
  return request;
}

std::vector<std::vector<std::int32_t>> make_prompts(const engine::Engine& engine,
                                                    const OfflineOptions& options, int round) {
  std::vector<std::vector<std::int32_t>> prompts;
  for (int i = 0; i < options.sequences; ++i) {
    prompts.push_back(make_prompt_ids(options, round, i, engine.card().vocab));
  }
  return prompts;
}

double last_token_at(const std::vector<SequenceRecord>& records) {
  double last = 0;
  for (const SequenceRecord& r : records) last = std::max(last, r.token_times.back());
  return last;
}

Distribution ttft_of(const std::vector<SequenceRecord>& records) {
  std::vector<double> ttft;
  for (const SequenceRecord& r : records) ttft.push_back(1e3 * r.token_times.front());
  return distribution_of(std::move(ttft));
}

}  // namespace

std::vector<std::int32_t> make_prompt_ids(const OfflineOptions& options, int round, int sequence,
                                          int vocab) {
  const std::uint64_t shared = mix64(options.seed) + static_cast<std::uint64_t>(round);
  const std::uint64_t own = mix64(shared) + 1 + static_cast<std::uint64_t>(sequence);
  const auto limit = static_cast<std::uint64_t>(std::max(vocab - kReservedTokens, vocab / 2));
  std::vector<std::int32_t> ids;
  for (int i = 0; i < options.input_tokens; ++i) {
    const int at = options.repeat_tokens > 0 ? i % options.repeat_tokens : i;
    const std::uint64_t key = i < options.shared_prefix_tokens ? shared : own;
    ids.push_back(
        static_cast<std::int32_t>(random_bits(key, static_cast<std::uint64_t>(at)) % limit));
  }
  return ids;
}

Result<std::vector<SequenceRecord>> run_batch(engine::Engine& engine,
                                              const std::vector<std::vector<std::int32_t>>& prompts,
                                              int output_tokens) {
  std::vector<SequenceRecord> records(prompts.size());
  // Shared: the engine thread may still be inside the last count_down() when wait() returns.
  const auto finished = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(prompts.size()));
  const SteadyClock clock;
  const Time start = clock.now();
  Error refusal;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    // The engine thread alone writes the record until the latch counts down.
    auto sink = [&clock, finished, start, record = &records[i]](engine::Output&& output) {
      const double now = to_seconds(clock.now() - start);
      record->token_times.insert(record->token_times.end(), output.tokens.size(), now);
      if (output.finish == engine::FinishReason::kNone) return;
      record->cached_tokens = output.usage.cached_tokens;
      if (output.finish != engine::FinishReason::kLength) {
        record->error = output.error.message.empty() ? "ended early" : output.error.message;
      }
      finished->count_down();
    };
    const auto id = engine.submit(greedy_request(prompts[i], output_tokens), std::move(sink));
    if (!id) {
      refusal = id.error();
      finished->count_down();
    }
  }
  finished->wait();
  if (!refusal.message.empty()) return tl::unexpected(refusal);
  for (const SequenceRecord& record : records) {
    if (!record.error.empty()) return fail(ErrorCode::kInternal, "a sequence {}", record.error);
    if (record.token_times.size() != static_cast<std::size_t>(output_tokens)) {
      return fail(ErrorCode::kInternal, "a sequence had {} tokens instead of {}",
                  record.token_times.size(), output_tokens);
    }
  }
  return records;
}

Result<DecodeWindow> decode_window(const std::vector<SequenceRecord>& records) {
  double begin = 0, end = std::numeric_limits<double>::max();
  std::int64_t all = 0;
  for (const SequenceRecord& r : records) {
    begin = std::max(begin, r.token_times.front());
    end = std::min(end, r.token_times.back());
    all += static_cast<std::int64_t>(r.token_times.size()) - 1;
  }
  DecodeWindow window;
  window.seconds = end - begin;
  for (const SequenceRecord& r : records) {
    for (std::size_t i = 1; i < r.token_times.size(); ++i) {
      if (r.token_times[i] <= begin || r.token_times[i] > end) continue;
      ++window.tokens;
      window.gap_ms.push_back(1e3 * (r.token_times[i] - r.token_times[i - 1]));
    }
  }
  if (window.seconds <= 0 ||
      static_cast<double>(window.tokens) < kOverlapMin * static_cast<double>(all)) {
    return fail(ErrorCode::kInvalid,
                "the {} sequences decoded side by side for {} of {} tokens only: more output "
                "tokens or a larger KV cache and the prefix cache are needed",
                records.size(), window.tokens, all);
  }
  return window;
}

Result<OfflineRound> latency_round(engine::Engine& engine, const OfflineOptions& options,
                                   int round) {
  const auto prompts = make_prompts(engine, options, round);
  QUIRE_ASSIGN(const auto prefill, run_batch(engine, prompts, 1));
  QUIRE_ASSIGN(const auto decode, run_batch(engine, prompts, options.output_tokens));
  QUIRE_ASSIGN(DecodeWindow window, decode_window(decode));
  const double input = static_cast<double>(options.sequences) * options.input_tokens;
  OfflineRound result;
  result.prefill_tokens_per_second = input / last_token_at(prefill);
  result.decode_tokens_per_second = static_cast<double>(window.tokens) / window.seconds;
  result.ttft_ms = ttft_of(prefill);
  result.step_ms = distribution_of(std::move(window.gap_ms));
  for (const SequenceRecord& r : decode) {
    result.cached_share += static_cast<double>(r.cached_tokens) / input;
  }
  return result;
}

Result<OfflineRound> throughput_round(engine::Engine& engine, const OfflineOptions& options,
                                      int round) {
  QUIRE_ASSIGN(const auto records,
               run_batch(engine, make_prompts(engine, options, round), options.output_tokens));
  const double input = static_cast<double>(options.sequences) * options.input_tokens;
  const double output = static_cast<double>(options.sequences) * options.output_tokens;
  OfflineRound result;
  result.seconds = last_token_at(records);
  result.output_tokens_per_second = output / result.seconds;
  result.total_tokens_per_second = (input + output) / result.seconds;
  result.ttft_ms = ttft_of(records);
  std::vector<double> gaps;
  for (const SequenceRecord& r : records) {
    result.cached_share += static_cast<double>(r.cached_tokens) / input;
    for (std::size_t i = 1; i < r.token_times.size(); ++i) {
      gaps.push_back(1e3 * (r.token_times[i] - r.token_times[i - 1]));
    }
  }
  result.step_ms = distribution_of(std::move(gaps));
  return result;
}

ResidentMemory resident_memory() {
  ResidentMemory memory;
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    if (key == "VmRSS:") status >> memory.now_bytes;
    if (key == "VmHWM:") status >> memory.peak_bytes;
    status.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  constexpr std::int64_t kKiB = 1024;
  return {memory.now_bytes * kKiB, memory.peak_bytes * kKiB};
}

}  // namespace quire::bench
