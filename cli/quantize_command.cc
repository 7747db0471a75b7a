// `quire quantize`: the checkpoint, the errors, and what they cost on a text.
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>

#include "cli/chat_backend.h"
#include "cli/command.h"
#include "cli/interruption.h"
#include "cli/model_source.h"
#include "cli/progress.h"
#include "cli/quantize.h"
#include "engine/memory_plan.h"

namespace quire::cli {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kWindowTokens = 512;
constexpr std::size_t kWorstShown = 8;

// Mean log-probability of a text's tokens, each window of the text from its own beginning.
struct Score {
  double sum = 0;
  std::int64_t tokens = 0;
  double mean() const { return tokens > 0 ? sum / static_cast<double>(tokens) : 0; }
};

// Scores one window; waits for the engine.
Status score_window(engine::Engine& engine, std::vector<std::int32_t> prompt, Score& score) {
  engine::GenerateRequest request;
  request.prompt = std::move(prompt);
  request.sampling.temperature = 0;
  request.sampling.max_tokens = 1;
  request.sampling.prompt_logprobs = 0;
  std::mutex mutex;
  std::condition_variable finished_signal;
  bool finished = false;
  Status status;
  QUIRE_TRY(engine.submit(std::move(request), [&](engine::Output&& output) {
    const std::lock_guard lock(mutex);
    for (std::size_t i = 1; i < output.prompt_tokens.size(); ++i) {
      score.sum += output.prompt_tokens[i].logprob;
      ++score.tokens;
    }
    if (output.finish == engine::FinishReason::kNone) return;
    if (output.finish == engine::FinishReason::kError) status = tl::unexpected(output.error);
    finished = true;
    finished_signal.notify_one();
  }));
  std::unique_lock lock(mutex);
  finished_signal.wait(lock, [&] { return finished; });
  return status;
}

Result<Score> score_text(const Options& options, const std::string& folder,
                         const std::string& text) {
  QUIRE_ASSIGN(const auto engine, load_engine(options, folder));
  QUIRE_ASSIGN(const std::vector<std::int32_t> ids, engine->tokenizer().encode(text, {}));
  const std::int64_t window = std::min(kWindowTokens, engine->card().context_max - 1);
  Score score;
  for (std::size_t at = 0; at + 1 < ids.size(); at += static_cast<std::size_t>(window)) {
    const std::size_t end = std::min(ids.size(), at + static_cast<std::size_t>(window));
    if (end - at < 2) break;
    QUIRE_TRY(score_window(*engine,
                           {ids.begin() + static_cast<std::ptrdiff_t>(at),
                            ids.begin() + static_cast<std::ptrdiff_t>(end)},
                           score));
  }
  if (score.tokens == 0) return fail(ErrorCode::kInvalid, "--eval-text: no two tokens in it");
  return score;
}

struct Comparison {
  Score before, after;
};

std::string report_text(const QuantizeReport& report, const std::optional<Comparison>& scores,
                        bool all) {
  std::string out;
  std::vector<QuantizedTensor> worst = report.tensors;
  std::ranges::sort(worst, std::ranges::greater(), &QuantizedTensor::error);
  out += fmt::format(
      "{} matrices quantized, {} tensors as they were; {} became {} ({:.2f} bits "
      "for a parameter)\n",
      report.tensors.size(), report.float_count, bytes_text(report.source_bytes),
      bytes_text(report.target_bytes), report.bits_per_weight);
  const std::size_t shown = all ? worst.size() : std::min(worst.size(), kWorstShown);
  out += fmt::format("{} (root mean square, relative to the weights):\n",
                     all ? "errors" : "largest errors");
  for (std::size_t i = 0; i < shown; ++i) {
    out += fmt::format("  {:.4f}  {} ({} bits, groups of {})\n", worst[i].error, worst[i].module,
                       worst[i].widths.bits, worst[i].widths.group);
  }
  if (scores) {
    const double before = scores->before.mean(), after = scores->after.mean();
    out += fmt::format(
        "log-probability of {} tokens: {:.4f} before, {:.4f} after ({:+.4f}); "
        "perplexity {:.3f} and {:.3f}\n",
        scores->before.tokens, before, after, after - before, std::exp(-before), std::exp(-after));
  }
  return out;
}

Json report_json(const QuantizeReport& report, const std::optional<Comparison>& scores) {
  Json tensors = Json::array();
  for (const QuantizedTensor& tensor : report.tensors) {
    tensors.push_back({{"module", tensor.module},
                       {"bits", tensor.widths.bits},
                       {"group_size", tensor.widths.group},
                       {"shape", tensor.shape},
                       {"error", tensor.error},
                       {"error_max", tensor.error_max}});
  }
  Json out = {{"source_bytes", report.source_bytes},
              {"target_bytes", report.target_bytes},
              {"bits_per_parameter", report.bits_per_weight},
              {"float_tensors", report.float_count},
              {"tensors", tensors}};
  if (scores) {
    out["log_probability"] = {{"tokens", scores->before.tokens},
                              {"before", scores->before.mean()},
                              {"after", scores->after.mean()}};
  }
  return out;
}

Result<QuantizePlan> make_plan(const Invocation& invocation) {
  const Options& options = invocation.options;
  QuantizePlan plan;
  plan.widths = {options.bits, options.group_size};
  for (const std::string& text : options.mixed) {
    QUIRE_ASSIGN(QuantizeRule rule, parse_quantize_rule(text, plan.widths));
    plan.rules.push_back(std::move(rule));
  }
  QUIRE_ASSIGN(const std::int64_t shard, engine::parse_memory_size(options.shard_size, 0));
  plan.shard_bytes = static_cast<std::uint64_t>(shard);
  QUIRE_ASSIGN(plan.source, find_model(invocation.words[0], options));
  plan.target = invocation.words[1];
  std::error_code ignored;
  if (fs::equivalent(plan.source, plan.target, ignored)) {
    return fail(ErrorCode::kInvalid, "source and target are the same folder");
  }
  if (options.overwrite) plan.existing = NewFolder::Existing::kReplaced;
  return plan;
}

// Ctrl-C ends the writing in good order; afterwards it ends the program as ever.
Result<QuantizeReport> quantize_with_bar(QuantizePlan& plan) {
  Progress progress("quantizing", true);
  plan.progress = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  const Interruption interruption;
  plan.cancelled = &interruption.flag();
  return quantize_checkpoint(plan);
}

}  // namespace

int quantize_command(Invocation& invocation) {
  const Options& options = invocation.options;
  std::string text;
  if (!options.eval_text.empty()) {
    std::ifstream file(options.eval_text, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(file), {});
    if (text.empty()) {
      return report("quantize", {ErrorCode::kIo, fmt::format("cannot read {}", options.eval_text)});
    }
  }
  auto plan = make_plan(invocation);
  if (!plan) return report("quantize", plan.error());
  const auto done = quantize_with_bar(*plan);
  if (!done && done.error().code == ErrorCode::kCancelled) {
    write_error(
        fmt::format("quire quantize: stopped; nothing was written to {}\n", plan->target.string()));
    return kExitInterrupted;
  }
  if (!done) return report("quantize", done.error());
  for (const std::string& pattern : done->unused_rules) {
    write_error(fmt::format("quire quantize: --mixed {} fits no matrix\n", pattern));
  }
  std::optional<Comparison> scores;
  if (!text.empty()) {
    const auto before = score_text(options, plan->source.string(), text);
    if (!before) return report("quantize", before.error());
    const auto after = score_text(options, plan->target.string(), text);
    if (!after) return report("quantize", after.error());
    scores = Comparison{*before, *after};
  }
  write_out(options.json ? dump_json(report_json(*done, scores)) + "\n"
                         : report_text(*done, scores, options.tensors));
  write_error(fmt::format("written to {0}; try: quire chat {0}\n", plan->target.string()));
  return kExitOk;
}

}  // namespace quire::cli
