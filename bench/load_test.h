// A load test of any OpenAI-compatible server: what is sent, what each request came to, the report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/measures.h"

namespace quire::bench {

struct LoadOptions {
  std::string url = "http://127.0.0.1:8000";  // http only; the path before /v1 may be given
  std::string model;                          // empty: the first of /v1/models
  std::string api_key;
  int requests = 100;
  int warmup_requests = 0;  // before, in the same way, not counted
  int concurrency = 16;     // closed loop: requests in flight
  double rate = 0;          // open loop: Poisson arrivals a second; 0 = closed loop
  int input_tokens = 128, output_tokens = 64;  // means where lengths vary
  double length_sigma = 0;       // lengths are lognormal with this sigma; 0: all equal
  int shared_prefix_tokens = 0;  // of the input: equal in every request
  bool text_prompts = false;     // words instead of token ids
  int vocab = 1000;              // prompt ids are drawn below it
  std::uint64_t seed = 0;
  double timeout_seconds = 600;
  double ttft_goal_ms = 2000, itl_goal_ms = 150;  // goodput: requests within both
};

// Times in seconds from the start of the test.
struct RequestRecord {
  double scheduled = 0, sent = 0;
  std::vector<double> chunk_times;  // arrival of each chunk that carried tokens
  std::vector<int> chunk_tokens;    // tokens in it
  double finished = 0;
  int prompt_tokens = 0, completion_tokens = 0;
  std::string error;  // empty: the answer was complete
};

struct LoadReport {
  int completed = 0, failed = 0;
  double seconds = 0;
  double requests_per_second = 0, output_tokens_per_second = 0, total_tokens_per_second = 0;
  double goodput_per_second = 0;
  // Milliseconds. Inter-token latency: one value per token after the first; tokens that came in one
  // chunk share its gap evenly.
  Distribution ttft_ms, itl_ms, end_to_end_ms;
  double itl_max_ms = 0;
  std::vector<std::string> errors;  // distinct ones, a few
};
LoadReport make_report(const LoadOptions& options, const std::vector<RequestRecord>& records);
std::string report_table(const LoadReport& report);
std::string report_json(const LoadOptions& options, const LoadReport& report);

// The lengths of one request: at least 1 token, at most 8 times the mean, equal for equal options.
struct RequestLengths {
  int input_tokens = 0, output_tokens = 0;
};
RequestLengths lengths_of(const LoadOptions& options, int index);

// Runs the test; fails when the server cannot be reached at all.
Result<std::vector<RequestRecord>> run_load(const LoadOptions& options);

}  // namespace quire::bench
