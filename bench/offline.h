// Offline benchmarks: sequences given straight to an engine in this process, without a server.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/measures.h"
#include "engine/engine.h"

namespace quire::bench {

struct OfflineOptions {
  int sequences = 1;
  int input_tokens = 512, output_tokens = 128;
  int shared_prefix_tokens = 0;  // of the input: equal in every sequence
  int repeat_tokens = 0;         // the input repeats this many tokens; 0: it does not
  int rounds = 3, warmup_rounds = 1;
  std::uint64_t seed = 0;
};

// The prompt of one sequence in one round; ids are spread over the vocabulary V without its end,
// where bytes and special tokens are. Equal for equal options on every machine.
std::vector<std::int32_t> make_prompt_ids(const OfflineOptions& options, int round, int sequence,
                                          int vocab);

// Times in seconds from the submission of the batch.
struct SequenceRecord {
  std::vector<double> token_times;
  std::int64_t cached_tokens = 0;
  std::string error;
};

// Submits all prompts at once, greedy and without stopping, and waits for the last token.
Result<std::vector<SequenceRecord>> run_batch(engine::Engine& engine,
                                              const std::vector<std::vector<std::int32_t>>& prompts,
                                              int output_tokens);

// The span in which every sequence decodes: from the last first token to the first last token.
struct DecodeWindow {
  double seconds = 0;
  std::int64_t tokens = 0;     // that arrived in it, of all sequences
  std::vector<double> gap_ms;  // between the arrivals of one sequence
};
// kInvalid when the window holds less than half of the tokens: then the batch did not overlap.
Result<DecodeWindow> decode_window(const std::vector<SequenceRecord>& records);

struct OfflineRound {
  double prefill_tokens_per_second = 0;  // latency: the prompts alone
  double decode_tokens_per_second = 0;   // latency: while all sequences decode
  double seconds = 0;                    // throughput: first submission to last token
  double output_tokens_per_second = 0, total_tokens_per_second = 0;
  double cached_share = 0;  // of the prompt tokens, in the decoding part
  Distribution ttft_ms, step_ms;
};

struct OfflineReport {
  std::string command;
  double load_seconds = 0;
  std::int64_t loaded_bytes = 0, peak_bytes = 0;  // resident: after loading, at most
  engine::ModelCard card;
  std::vector<OfflineRound> rounds;
  std::uint64_t steps = 0, draft_tokens = 0, accepted_draft_tokens = 0;  // of the rounds
};
std::string report_table(const OfflineOptions& options, const OfflineReport& report);
std::string report_json(const OfflineOptions& options, const OfflineReport& report);
std::string round_json(const OfflineRound& round);  // on one line

// Prefill: every prompt with one token of output. Decode: the same prompts again, now found in the
// prefix cache, so that all sequences decode side by side from the start.
Result<OfflineRound> latency_round(engine::Engine& engine, const OfflineOptions& options,
                                   int round);
// All at once; the scheduler mixes prefill and decode as it does in a server.
Result<OfflineRound> throughput_round(engine::Engine& engine, const OfflineOptions& options,
                                      int round);

// Bytes of this process in memory, now and at most.
struct ResidentMemory {
  std::int64_t now_bytes = 0, peak_bytes = 0;
};
ResidentMemory resident_memory();

}  // namespace quire::bench
