// `quire bench latency` and `quire bench throughput`: flags, load, rounds, report.
#include <filesystem>
#include <iostream>

#include "base/bundled.h"
#include "base/log.h"
#include "bench/commands.h"
#include "bench/flags.h"
#include "bench/offline.h"
#include "server/settings.h"

extern char** environ;

namespace quire::bench {
namespace {

using RoundFunction = Result<OfflineRound> (*)(engine::Engine&, const OfflineOptions&, int);

struct OutputOptions {
  bool json = false;
  bool paced = false;
};

struct OfflineCommand {
  const char* name;
  const char* summary;
  RoundFunction round;
};

void add_flags(FlagTable& flags, OfflineOptions& options, OutputOptions& output) {
  flags.add("sequences", "sequences at once", options.sequences, 1);
  flags.add("input-tokens", "of each prompt", options.input_tokens, 1);
  flags.add("output-tokens", "of each answer", options.output_tokens, 2);
  flags.add("shared-prefix-tokens", "of the input, equal in every sequence",
            options.shared_prefix_tokens, 0);
  flags.add("repeat-tokens", "the input repeats this many tokens; 0: it does not",
            options.repeat_tokens, 0);
  flags.add("rounds", "measured, the median counts", options.rounds, 1);
  flags.add("warmup-rounds", "before, not measured", options.warmup_rounds, 0);
  flags.add("seed", "of the prompts", options.seed);
  flags.add("json", "one JSON object instead of the table", output.json);
  flags.add("paced",
            "a round for each number read from the input, answered with a line of JSON; equal "
            "numbers have equal prompts",
            output.paced);
}

Result<OfflineReport> run_rounds(const OfflineCommand& command, const OfflineOptions& options,
                                 const engine::EngineConfig& config) {
  const SteadyClock clock;
  const Time start = clock.now();
  QUIRE_ASSIGN(const std::unique_ptr<engine::Engine> engine, engine::create_engine(config));
  OfflineReport report;
  report.command = command.name;
  report.load_seconds = to_seconds(clock.now() - start);
  report.loaded_bytes = resident_memory().now_bytes;
  report.card = engine->card();
  for (int i = 0; i < options.warmup_rounds; ++i) {
    QUIRE_TRY(command.round(*engine, options, -1 - i));
  }
  const engine::EngineStats before = engine->stats();
  for (int i = 0; i < options.rounds; ++i) {
    QUIRE_ASSIGN(OfflineRound round, command.round(*engine, options, i));
    report.rounds.push_back(round);
  }
  const engine::EngineStats after = engine->stats();
  report.steps = after.steps - before.steps;
  report.draft_tokens = after.draft_tokens - before.draft_tokens;
  report.accepted_draft_tokens = after.accepted_draft_tokens - before.accepted_draft_tokens;
  report.peak_bytes = resident_memory().peak_bytes;
  return report;
}

Status run_and_report(const OfflineCommand& command, const OfflineOptions& options,
                      const engine::EngineConfig& config, const OutputOptions& output) {
  QUIRE_ASSIGN(const OfflineReport report, run_rounds(command, options, config));
  std::cout << (output.json ? report_json(options, report) : report_table(options, report));
  return {};
}

// Until the input ends; the engine waits in between and burns nothing.
Status run_paced_rounds(const OfflineCommand& command, const OfflineOptions& options,
                        const engine::EngineConfig& config) {
  QUIRE_ASSIGN(const std::unique_ptr<engine::Engine> engine, engine::create_engine(config));
  for (int i = 0; i < options.warmup_rounds; ++i) {
    QUIRE_TRY(command.round(*engine, options, -1 - i));
  }
  int number = 0;
  while (std::cin >> number) {
    QUIRE_ASSIGN(const OfflineRound round, command.round(*engine, options, number));
    std::cout << round_json(round) << std::flush;
  }
  if (std::cin.eof()) return {};
  return fail(ErrorCode::kInvalid,
              "--paced reads numbers of rounds; the input holds something else");
}

int wrong_usage(const OfflineCommand& command, const std::vector<std::string>& errors) {
  for (const std::string& error : errors) {
    std::cerr << "quire bench " << command.name << ": " << error << "\n";
  }
  return 2;
}

int run_command(const OfflineCommand& command, const std::vector<std::string>& arguments) {
  OfflineOptions options;
  OutputOptions output;
  FlagTable flags;
  add_flags(flags, options, output);
  if (asks_for_help(arguments)) {
    std::cout << "Usage: quire bench " << command.name << " --model DIR [flags]\n"
              << command.summary << "\n\n"
              << flags.help() << "  and the flags of the engine: see quire serve --help\n";
    return 0;
  }
  const auto engine_words = flags.parse(arguments);
  if (!engine_words) return wrong_usage(command, {engine_words.error().message});
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  server::ParsedSettings parsed = server::parse_settings(*engine_words, environment);
  if (!parsed.errors.empty()) return wrong_usage(command, parsed.errors);
  engine::EngineConfig& config = parsed.settings.engine;
  std::error_code ignored;
  if (config.model == "demo" && !std::filesystem::exists("demo", ignored)) {
    if (std::string bundled = bundled_folder("demo"); !bundled.empty()) config.model = bundled;
  }
  config.max_num_waiting = std::max(config.max_num_waiting, options.sequences);
  set_log(LogLevel::kWarning, LogFormat::kText);
  const Status done = output.paced ? run_paced_rounds(command, options, config)
                                   : run_and_report(command, options, config, output);
  if (done) return 0;
  std::cerr << "quire bench " << command.name << ": " << done.error().message << "\n";
  return 1;
}

}  // namespace

int bench_latency_command(const std::vector<std::string>& arguments) {
  return run_command({"latency",
                      "Runs one batch: the prompts alone, then the same prompts from the prefix "
                      "cache and the answers, all side by side.",
                      latency_round},
                     arguments);
}

int bench_throughput_command(const std::vector<std::string>& arguments) {
  return run_command({"throughput",
                      "Submits all sequences at once and waits for the last token; prefill and "
                      "decode mix as in a server.",
                      throughput_round},
                     arguments);
}

}  // namespace quire::bench
