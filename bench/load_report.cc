// Percentiles and rates of a load test, as a table and as JSON.
#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "bench/load_test.h"
#include "models/load/json.h"

namespace quire::bench {
namespace {

// Gaps between tokens of one answer, in milliseconds.
std::vector<double> token_gaps_ms(const RequestRecord& record) {
  std::vector<double> gaps;
  for (std::size_t i = 0; i < record.chunk_times.size(); ++i) {
    // The first chunk's first token is TTFT; its further tokens arrived with no gap.
    const int tokens = record.chunk_tokens[i] - (i == 0 ? 1 : 0);
    const double gap = i == 0 ? 0 : record.chunk_times[i] - record.chunk_times[i - 1];
    for (int t = 0; t < tokens; ++t) gaps.push_back(1e3 * gap / tokens);
  }
  return gaps;
}

}  // namespace

LoadReport make_report(const LoadOptions& options, const std::vector<RequestRecord>& records) {
  LoadReport report;
  std::vector<double> ttft, itl, end_to_end;
  std::set<std::string> errors;
  std::int64_t input = 0, output = 0;
  int good = 0;
  double first = std::numeric_limits<double>::max(), last = 0;
  for (const RequestRecord& record : records) {
    first = std::min(first, record.sent);
    last = std::max(last, record.finished);
    if (!record.error.empty() || record.chunk_times.empty()) {
      ++report.failed;
      errors.insert(record.error.empty() ? "no token arrived" : record.error);
      continue;
    }
    ++report.completed;
    input += record.prompt_tokens;
    output += record.completion_tokens > 0
                  ? record.completion_tokens
                  : std::accumulate(record.chunk_tokens.begin(), record.chunk_tokens.end(), 0);
    ttft.push_back(1e3 * (record.chunk_times.front() - record.scheduled));
    end_to_end.push_back(1e3 * (record.finished - record.scheduled));
    const std::vector<double> gaps = token_gaps_ms(record);
    itl.insert(itl.end(), gaps.begin(), gaps.end());
    good += ttft.back() <= options.ttft_goal_ms && distribution_of(gaps).p99 <= options.itl_goal_ms;
  }
  report.seconds = records.empty() ? 0 : last - first;
  const double seconds = std::max(report.seconds, 1e-9);
  report.requests_per_second = report.completed / seconds;
  report.output_tokens_per_second = static_cast<double>(output) / seconds;
  report.total_tokens_per_second = static_cast<double>(input + output) / seconds;
  report.goodput_per_second = good / seconds;
  report.ttft_ms = distribution_of(ttft);
  report.itl_ms = distribution_of(itl);
  report.itl_max_ms = report.itl_ms.max;
  report.end_to_end_ms = distribution_of(end_to_end);
  for (const std::string& error : errors) {
    if (report.errors.size() < 5) report.errors.push_back(error);
  }
  return report;
}

std::string report_table(const LoadReport& report) {
  std::string out = fmt::format(
      "requests                  {} completed, {} failed, {:.2f} s\n"
      "throughput                {:.2f} requests/s, {:.1f} output tokens/s, {:.1f} tokens/s\n"
      "goodput                   {:.2f} requests/s\n\n",
      report.completed, report.failed, report.seconds, report.requests_per_second,
      report.output_tokens_per_second, report.total_tokens_per_second, report.goodput_per_second);
  out += table_head("milliseconds");
  out += table_row("time to first token", report.ttft_ms);
  out += table_row("inter-token latency", report.itl_ms);
  out += table_row("end to end", report.end_to_end_ms);
  for (const std::string& error : report.errors) out += "error: " + error + "\n";
  return out;
}

std::string report_json(const LoadOptions& options, const LoadReport& report) {
  const std::string errors = dump_json(Json(report.errors));
  return fmt::format(
      "{{\"requests\":{},\"concurrency\":{},\"rate\":{},\"input_tokens\":{},\"output_tokens\":{},"
      "\"shared_prefix_tokens\":{},\"completed\":{},\"failed\":{},\"seconds\":{:.4f},"
      "\"requests_per_second\":{:.4f},\"output_tokens_per_second\":{:.4f},"
      "\"goodput_per_second\":{:.4f},\"ttft_ms\":{},\"itl_ms\":{},\"end_to_end_ms\":{},\"errors\":{"
      "}}}\n",
      options.requests, options.concurrency, options.rate, options.input_tokens,
      options.output_tokens, options.shared_prefix_tokens, report.completed, report.failed,
      report.seconds, report.requests_per_second, report.output_tokens_per_second,
      report.goodput_per_second, json_of(report.ttft_ms), json_of(report.itl_ms),
      json_of(report.end_to_end_ms), errors);
}

}  // namespace quire::bench
