// `quire bench serve`: flags, run, report.
#include <iostream>

#include "base/terminal.h"
#include "bench/commands.h"
#include "bench/flags.h"
#include "bench/load_test.h"

namespace quire::bench {
namespace {

void add_flags(FlagTable& flags, LoadOptions& options, bool& json) {
  flags.add("url", "of the server; a path before /v1 may follow", options.url);
  flags.add("model", "name; default: the first of /v1/models", options.model);
  flags.add("api-key", "sent as bearer token", options.api_key);
  flags.add("requests", "in all", options.requests, 1);
  flags.add("warmup-requests", "sent before and not counted", options.warmup_requests, 0);
  flags.add("concurrency", "requests in flight, closed loop", options.concurrency, 1);
  flags.add("rate", "Poisson arrivals a second instead of the closed loop; 0: closed", options.rate,
            0);
  flags.add("input-tokens", "of each prompt", options.input_tokens, 1);
  flags.add("output-tokens", "of each answer", options.output_tokens, 1);
  flags.add("length-sigma", "lengths are lognormal around those means; 0: all equal",
            options.length_sigma, 0);
  flags.add("shared-prefix-tokens", "of the input, equal in every request",
            options.shared_prefix_tokens, 0);
  flags.add_choice("prompts", "token ids or words", {"ids", "text"},
                   [&options](std::size_t choice) { options.text_prompts = choice == 1; });
  flags.add("vocab", "prompt ids are drawn below it", options.vocab, 1);
  flags.add("seed", "of prompts, lengths and arrivals", options.seed);
  flags.add("timeout", "seconds for one request", options.timeout_seconds, 0);
  flags.add("ttft-goal", "ms; goodput counts requests within both goals", options.ttft_goal_ms, 0);
  flags.add("itl-goal", "ms, on the p99 of a request", options.itl_goal_ms, 0);
  flags.add("json", "one JSON object instead of the table", json);
}

int wrong_usage(const std::string& message) {
  std::cerr << "quire bench serve: " << message << "\nTry: quire bench serve --help\n";
  return 2;
}

}  // namespace

std::string bench_serve_help(int columns) {
  LoadOptions options;
  bool json = false;
  FlagTable flags;
  add_flags(flags, options, json);
  return "Usage: quire bench serve [flags]\n\n" +
         wrap("Load test of any OpenAI-compatible server.", 0, columns) + "\n" +
         flags.help(columns);
}

int bench_serve_command(const std::vector<std::string>& arguments) {
  LoadOptions options;
  bool json = false;
  FlagTable flags;
  add_flags(flags, options, json);
  const auto rest = flags.parse(arguments);
  if (!rest) return wrong_usage(rest.error().message);
  if (!rest->empty()) return wrong_usage(flags.refusal(rest->front()));
  const auto records = run_load(options);
  if (!records) {
    std::cerr << "quire bench serve: " << records.error().message << "\n";
    return 1;
  }
  const LoadReport report = make_report(options, *records);
  std::cout << (json ? report_json(options, report) : report_table(report));
  return report.failed == 0 ? 0 : 1;
}

}  // namespace quire::bench
