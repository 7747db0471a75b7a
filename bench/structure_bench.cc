// What structure costs and brings a running batch: step times, the share that drawing tokens takes,
// and tokens a second, for several kinds of grammar beside free text. Weights without sense are the
// worst case: nearly every draw is refused and needs a mask.
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <latch>
#include <string>
#include <vector>

#include "base/terminal.h"
#include "bench/flags.h"
#include "bench/offline.h"
#include "engine/grammar/front_ends.h"
#include "engine/grammar/matcher.h"
#include "engine/live_view.h"

namespace quire::bench {
namespace {

struct Kind {
  const char* name;
  const char* schema;  // empty: free text
};
const Kind kKinds[] = {
    {"free text", ""},
    {"any JSON", "true"},
    {"string, maxLength 400", R"({"type":"string","maxLength":400})"},
    {"pattern and length", R"({"type":"string","pattern":"^[a-z ]+$","maxLength":600})"},
    {"numbers", R"({"type":"array","items":{"type":"number"},"minItems":200})"},
    {"records",
     R"({"type":"array","minItems":50,"items":{"type":"object","properties":{
      "name":{"type":"string","maxLength":24},"age":{"type":"integer","minimum":0,"maximum":150},
      "city":{"enum":["Porto","Lisbon","Coimbra"]}},"required":["name","age","city"],
      "additionalProperties":false}})"},
    {"mostly forced",
     R"({"type":"array","minItems":50,"items":{"type":"object","properties":{
      "temperature_in_degrees_celsius":{"enum":[1,2]},"relative_humidity_in_percent":{"enum":[3,4]},
      "station_identification_number":{"const":"station-0815-north"}},
      "required":["temperature_in_degrees_celsius","relative_humidity_in_percent",
      "station_identification_number"],"additionalProperties":false}})"},
};

struct Options {
  std::string model;
  int sequences = 16, output_tokens = 64, threads = 0, draft_tokens = 4;
};

struct Numbers {
  double compile_ms = 0, step_ms = 0, sample_ms = 0, worst_sample_ms = 0, tokens_per_second = 0;
  std::uint64_t drafts = 0, accepted = 0;
};

engine::GenerateRequest request_of(const Options& options, const engine::Engine& engine, int index,
                                   std::shared_ptr<grammar::CompiledGrammar> grammar) {
  engine::GenerateRequest request;
  OfflineOptions prompt;
  prompt.input_tokens = 32;
  request.prompt = make_prompt_ids(prompt, 0, index, engine.card().vocab);
  request.sampling.seed = static_cast<std::uint64_t>(index);
  request.sampling.max_tokens = options.output_tokens;
  request.grammar = std::move(grammar);
  return request;
}

// The decoding steps of the whole batch since `after`.
std::vector<engine::StepFacts> steps_since(engine::Engine& engine, std::uint64_t after,
                                           int sequences) {
  std::promise<engine::LiveView> seen;
  engine.observe({.steps_after = after, .cache = {}},
                 [&](engine::LiveView&& view) { seen.set_value(std::move(view)); });
  std::vector<engine::StepFacts> out;
  for (const engine::StepRecord& record : seen.get_future().get().steps) {
    if (record.facts.prefill_rows == 0 && record.facts.sequences == sequences) {
      out.push_back(record.facts);
    }
  }
  return out;
}

double median_ms(std::vector<double> seconds) {
  if (seconds.empty()) return 0;
  std::sort(seconds.begin(), seconds.end());
  return 1e3 * seconds[seconds.size() / 2];
}

Result<Numbers> measure(engine::Engine& engine, grammar::GrammarStore& store, const Kind& kind,
                        const Options& options) {
  const SteadyClock clock;
  Numbers result;
  std::shared_ptr<grammar::CompiledGrammar> grammar;
  if (*kind.schema != '\0') {
    const Time begun = clock.now();
    QUIRE_ASSIGN(const Json schema, parse_json(kind.schema));
    QUIRE_ASSIGN(grammar, store.get(kind.name, [&] { return grammar::parse_json_schema(schema); }));
    result.compile_ms = 1e3 * to_seconds(clock.now() - begun);
  }
  const engine::EngineStats before = engine.stats();
  const auto finished = std::make_shared<std::latch>(options.sequences);
  std::int64_t tokens = 0;
  const Time begun = clock.now();
  for (int i = 0; i < options.sequences; ++i) {
    auto sink = [finished, &tokens](engine::Output&& output) {
      tokens += static_cast<std::int64_t>(output.tokens.size());
      if (output.finish != engine::FinishReason::kNone) finished->count_down();
    };
    QUIRE_ASSIGN(const engine::RequestId id,
                 engine.submit(request_of(options, engine, i, grammar), std::move(sink)));
    static_cast<void>(id);
  }
  finished->wait();
  const auto steps = steps_since(engine, before.steps, options.sequences);
  result.tokens_per_second = static_cast<double>(tokens) / to_seconds(clock.now() - begun);
  const engine::EngineStats after = engine.stats();
  result.drafts = after.draft_tokens - before.draft_tokens;
  result.accepted = after.accepted_draft_tokens - before.accepted_draft_tokens;
  std::vector<double> whole, sample;
  for (const engine::StepFacts& step : steps) {
    sample.push_back(to_seconds(step.sample));
    whole.push_back(
        to_seconds(step.schedule + step.forward + step.sample + step.commit + step.emit));
    result.worst_sample_ms = std::max(result.worst_sample_ms, 1e3 * sample.back());
  }
  result.step_ms = median_ms(std::move(whole));
  result.sample_ms = median_ms(std::move(sample));
  return result;
}

Status run(const Options& options) {
  engine::EngineConfig config;
  config.model = options.model;
  config.threads = options.threads;
  config.max_draft_tokens = options.draft_tokens;
  QUIRE_ASSIGN(const auto engine, engine::create_engine(config));
  grammar::GrammarStore store(engine->tokenizer(), engine->card().vocab);
  fmt::print("{} sequences of {} tokens, vocabulary {}\n", options.sequences, options.output_tokens,
             engine->card().vocab);
  for (const Kind& kind : kKinds) {
    QUIRE_ASSIGN(const Numbers r, measure(*engine, store, kind, options));
    fmt::print(
        "{:<22} compile {:>6.1f} ms | step {:>6.1f} ms | draw {:>5.2f} ms ({:>4.1f} %), worst "
        "{:>6.2f} | {:>6.1f} tokens/s | {}/{} drafts\n",
        kind.name, r.compile_ms, r.step_ms, r.sample_ms, 100 * r.sample_ms / r.step_ms,
        r.worst_sample_ms, r.tokens_per_second, r.accepted, r.drafts);
  }
  return {};
}

}  // namespace
}  // namespace quire::bench

int main(int argc, char** argv) {
  using namespace quire::bench;
  Options options;
  FlagTable flags;
  flags.add("model", "checkpoint folder", options.model);
  flags.add("sequences", "at once", options.sequences, 1);
  flags.add("output-tokens", "of each answer", options.output_tokens, 2);
  flags.add("threads", "of the engine; 0: all", options.threads, 0);
  flags.add("draft-tokens", "of one sequence in a step", options.draft_tokens, 0);
  const auto rest = flags.parse({argv + 1, argv + argc});
  if (!rest || !rest->empty() || options.model.empty()) {
    fmt::print(stderr, "Usage: structure_bench --model DIR [flags]\n{}",
               flags.help(quire::terminal_columns()));
    return 2;
  }
  if (const quire::Status done = run(options); !done) {
    fmt::print(stderr, "structure_bench: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
