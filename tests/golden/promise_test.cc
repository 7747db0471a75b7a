// Same request, same bytes: for every golden model the whole engine gives the same tokens,
// log-probabilities and top lists, bit by bit, however a request is run. The right answer is that
// of the plainest way: alone, cold, in one prefill, one thread, scalar code, no drafts.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "engine/step_loop.h"
#include "models/load/load.h"
#include "tests/golden/golden_file.h"
#include "tests/sim/fake_tokenizer.h"
#include "tests/sim/scripted_drafter.h"

namespace quire::testing {
namespace {

using engine::FinishReason;
using engine::GenerateRequest;
using engine::OutputToken;

constexpr int kPromptTokens = 75;
constexpr int kNewTokens = 24;
constexpr int kProbes = 3;

// One way to run requests; the defaults are the plainest one.
struct Way {
  std::string name;
  kernels::Isa isa = kernels::Isa::kScalar;
  int threads = 1;
  int page_tokens = 16;
  int chunk = 0;          // tokens; 0: whole
  int preempt_every = 0;  // steps
  int drafts = 0;
  double draft_accuracy = 0;
  int crowd = 0;   // other requests at the same time
  int rounds = 1;  // the last one is compared; earlier ones warm the prefix cache
  bool prefix_cache = true;
  DType kv_dtype = DType::kF32;  // a request's answer may depend on this one
};

std::vector<Way> ways() {
  std::vector<Way> all = {
      {.name = "crowd of 16", .crowd = 16},
      {.name = "chunks of 1", .chunk = 1},
      {.name = "chunks of 7", .chunk = 7},
      {.name = "chunks of 64", .chunk = 64},
      {.name = "warm", .rounds = 2},
      {.name = "no prefix cache", .rounds = 2, .prefix_cache = false},
      {.name = "preempted", .preempt_every = 3},
      {.name = "right drafts", .drafts = 4, .draft_accuracy = 1},
      {.name = "wrong drafts", .drafts = 4, .draft_accuracy = 0},
      {.name = "mixed drafts", .drafts = 5, .draft_accuracy = 0.6},
      {.name = "pages of 32", .page_tokens = 32},
      {.name = "pages of 64", .page_tokens = 64},
      {.name = "two threads", .threads = 2},
  };
  for (const kernels::Isa isa : {kernels::Isa::kAvx2, kernels::Isa::kAvx512}) {
    if (!kernels::isa_supported(isa)) continue;
    const std::string name(kernels::isa_name(isa));
    all.push_back({.name = name, .isa = isa});
    all.push_back({.name = name + " and everything at once",
                   .isa = isa,
                   .threads = 2,
                   .page_tokens = 32,
                   .chunk = 13,
                   .preempt_every = 7,
                   .drafts = 3,
                   .draft_accuracy = 0.7,
                   .crowd = 12,
                   .rounds = 2});
  }
  return all;
}

struct Answer {
  std::vector<OutputToken> tokens;
  FinishReason finish = FinishReason::kNone;
  engine::Usage usage;
};

// Scheduler, cache and step loop over a golden model, driven by hand.
class Stack {
 public:
  Stack(models::LoadedModel loaded, const Way& way)
      : way_(way),
        model_(std::move(loaded.spec), std::move(loaded.weights), options(way)),
        runner_(model_, way.threads),
        cache_(cache_config(way, model_)),
        store_(store_config(way, model_)),
        scheduler_(scheduler_config(way), cache_),
        drafter_(way.draft_accuracy, 1, model_.spec().vocab) {
    engine::StepLoopParts parts;
    parts.runner = &runner_;
    parts.clock = &clock_;
    parts.scheduler = &scheduler_;
    parts.cache = &cache_;
    parts.store = &store_;
    if (way.drafts > 0) parts.drafters = {&drafter_};
    engine::StepLoopConfig config;
    config.draft_tokens_max = way.drafts;
    config.draft_rows_max = 1000;
    config.invariant_check_every = 1;
    loop_ = std::make_unique<engine::StepLoop>(
        config, parts, engine::ChoiceContext{&kernels::kernels(way.isa), &tokenizer_, {}});
  }

  // expected: what the answer will be, as a script for the drafter.
  void submit(const GenerateRequest& request, Answer& answer,
              const std::vector<OutputToken>& expected) {
    std::vector<std::int32_t> script;
    for (const OutputToken& token : expected) script.push_back(token.id);
    drafter_.expect(next_id_, request.prompt.size(), std::move(script));
    const Status accepted = loop_->submit(
        next_id_++, request,
        [&answer](engine::Output&& output) {
          for (OutputToken& token : output.tokens) answer.tokens.push_back(std::move(token));
          answer.finish = output.finish;
          answer.usage = output.usage;
        },
        clock_.now());
    ASSERT_TRUE(accepted) << accepted.error().message;
  }

  void run() {
    for (int steps = 0; loop_->has_work(); ++steps) {
      ASSERT_LT(steps, 20000) << "no end in sight";
      loop_->step();
      clock_.advance(std::chrono::milliseconds(1));
    }
  }

  engine::EngineStats stats() const { return loop_->stats(); }

 private:
  static constexpr std::int64_t kContext = 128;

  static models::ModelOptions options(const Way& way) {
    return {.kv_dtype = way.kv_dtype,
            .page_tokens = way.page_tokens,
            .context_max = kContext,
            .step_tokens_max = 512,
            .isa = way.isa};
  }
  static std::int32_t page_count(const Way& way) { return 40 * 128 / way.page_tokens; }
  static cache::CacheConfig cache_config(const Way& way, const models::Model& model) {
    cache::CacheConfig config;
    config.page_tokens = way.page_tokens;
    for (const models::KvGroup& group : model.kv_groups()) {
      config.groups.push_back({.window = group.window, .page_count = page_count(way)});
    }
    config.state_slots = model.state_bytes() > 0 ? 300 : 0;
    config.prefix_cache = way.prefix_cache;
    return config;
  }
  static cache::KvStoreConfig store_config(const Way& way, const models::Model& model) {
    cache::KvStoreConfig config;
    for (const models::KvGroup& group : model.kv_groups()) {
      config.groups.push_back(
          {.page_bytes = group.token_bytes() * way.page_tokens, .page_count = page_count(way)});
    }
    config.state_bytes = model.state_bytes();
    config.state_slots = model.state_bytes() > 0 ? 300 : 0;
    return config;
  }
  static scheduler::SchedulerConfig scheduler_config(const Way& way) {
    scheduler::SchedulerConfig config;
    config.sequences_max = 20;
    config.step_tokens_max = 512;
    config.context_max = kContext;
    config.step_target = std::chrono::seconds(100);  // whole prompts unless the way says chunks
    config.prefill_tokens_min = 512;
    config.drafts_max = way.drafts;
    config.debug_preempt_every = way.preempt_every;
    config.debug_chunk_tokens = way.chunk;
    return config;
  }

  Way way_;
  VirtualClock clock_;
  sim::FakeTokenizer tokenizer_;
  models::Model model_;
  engine::LoadedRunner runner_;
  cache::CacheManager cache_;
  cache::KvStore store_;
  scheduler::Scheduler scheduler_;
  sim::ScriptedDrafter drafter_;
  std::unique_ptr<engine::StepLoop> loop_;
  engine::RequestId next_id_ = 1;
};

GenerateRequest probe(int number, int vocab) {
  GenerateRequest request;
  Rng rng(static_cast<std::uint64_t>(number) + 500);
  for (int i = 0; i < kPromptTokens + 11 * number; ++i) {
    request.prompt.push_back(
        static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocab))));
  }
  engine::SamplingParams& params = request.sampling;
  params.max_tokens = kNewTokens;
  params.logprobs = 3;
  params.seed = 77 + static_cast<std::uint64_t>(number);
  if (number == 0) params.temperature = 0;
  if (number == 1) params.top_p = 0.9f;
  if (number == 2) {
    params.repetition_penalty = 1.2f;
    params.frequency_penalty = 0.3f;
    params.min_tokens = 5;
    params.stop_token_ids = {3};
  }
  return request;
}

GenerateRequest neighbour(Rng& rng, int vocab) {
  GenerateRequest request;
  const auto length = 1 + rng.below(90);
  for (std::uint64_t i = 0; i < length; ++i) {
    request.prompt.push_back(
        static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocab))));
  }
  request.sampling.max_tokens = 1 + static_cast<std::int64_t>(rng.below(30));
  request.sampling.seed = rng.bits();
  return request;
}

void expect_same(const Answer& got, const Answer& wanted) {
  ASSERT_EQ(got.tokens.size(), wanted.tokens.size());
  EXPECT_EQ(got.finish, wanted.finish);
  for (std::size_t i = 0; i < got.tokens.size(); ++i) {
    const OutputToken &a = got.tokens[i], &b = wanted.tokens[i];
    ASSERT_EQ(a.id, b.id) << "token " << i;
    ASSERT_EQ(a.logprob, b.logprob) << "token " << i;
    ASSERT_EQ(a.rank, b.rank) << "token " << i;
    ASSERT_EQ(a.top.size(), b.top.size());
    for (std::size_t k = 0; k < a.top.size(); ++k) {
      ASSERT_EQ(a.top[k].id, b.top[k].id) << "token " << i;
      ASSERT_EQ(a.top[k].logprob, b.top[k].logprob) << "token " << i;
    }
  }
}

class Promise : public ::testing::TestWithParam<std::filesystem::path> {
 protected:
  void SetUp() override {
    const Golden golden = read_golden(GetParam());
    write_file(folder_ / "config.json", config_text(golden.config_published));
    // Half of the models with weights as most checkpoints have them.
    const bool halves = golden.name.size() % 2 == 0;
    write_file(folder_ / "model.safetensors",
               safetensors_bytes(stored(golden.tensors, halves ? "BF16" : "F32")));
    // A third each with pages of every type.
    constexpr DType kKvDtypes[] = {DType::kF32, DType::kBf16, DType::kI8};
    int sum = 0;
    for (const char letter : golden.name) sum += letter;
    kv_dtype_ = kKvDtypes[sum % 3];
  }

  models::LoadedModel load() const {
    auto loaded = models::load_model(folder_.path(), {});
    CHECK(loaded, "{}", loaded.error().message);
    return std::move(*loaded);
  }

  TempFolder folder_;
  DType kv_dtype_ = DType::kF32;
};

TEST_P(Promise, SameRequestSameBytes) {
  std::vector<Answer> plain(kProbes);
  Way plainest;
  plainest.kv_dtype = kv_dtype_;
  int vocab = 0;
  for (int i = 0; i < kProbes; ++i) {  // each quite alone
    models::LoadedModel loaded = load();
    vocab = loaded.spec.vocab;
    Way alone;
    alone.kv_dtype = kv_dtype_;
    Stack stack(std::move(loaded), alone);
    stack.submit(probe(i, vocab), plain[static_cast<std::size_t>(i)], {});
    stack.run();
    ASSERT_GT(plain[static_cast<std::size_t>(i)].tokens.size(), 4u);
  }
  for (Way way : ways()) {
    SCOPED_TRACE(way.name);
    way.kv_dtype = kv_dtype_;
    Stack stack(load(), way);
    std::vector<Answer> answers;
    for (int round = 0; round < way.rounds; ++round) {
      answers.assign(kProbes, {});
      std::vector<Answer> others(static_cast<std::size_t>(way.crowd));
      Rng rng(static_cast<std::uint64_t>(round) + 9);
      for (Answer& other : others) stack.submit(neighbour(rng, vocab), other, {});
      for (int i = 0; i < kProbes; ++i) {
        const auto at = static_cast<std::size_t>(i);
        stack.submit(probe(i, vocab), answers[at], plain[at].tokens);
      }
      stack.run();
    }
    engine::Usage sum;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      SCOPED_TRACE(fmt::format("probe {}", i));
      expect_same(answers[i], plain[i]);
      sum.cached_tokens += answers[i].usage.cached_tokens;
      sum.preemptions += answers[i].usage.preemptions;
      sum.accepted_draft_tokens += answers[i].usage.accepted_draft_tokens;
    }
    // The way was really taken.
    EXPECT_EQ(sum.cached_tokens > 0, way.rounds > 1 && way.prefix_cache);
    EXPECT_EQ(sum.preemptions > 0, way.preempt_every > 0);
    EXPECT_EQ(sum.accepted_draft_tokens > 0, way.draft_accuracy > 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Promise, ::testing::ValuesIn(golden_paths()),
                         [](const ::testing::TestParamInfo<std::filesystem::path>& info) {
                           return info.param.stem().string();
                         });

}  // namespace
}  // namespace quire::testing
