// Clients, faults and checks of the simulated server.
#include "tests/sim/world.h"

#include <gtest/gtest.h>

#include "engine/grammar/front_ends.h"

namespace quire::sim {
namespace {

using engine::FinishReason;

bool is_prefix(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
}

// The longest context that empty pools hold, at most `wish`.
std::int64_t context_that_fits(const cache::CacheManager& cache, std::int64_t wish) {
  std::int64_t tokens = wish;
  while (tokens > 1 && !cache.fits_empty(tokens)) --tokens;
  return tokens;
}

scheduler::SchedulerConfig with_context(scheduler::SchedulerConfig config, std::int64_t context) {
  config.context_max = context;
  return config;
}

}  // namespace

void WorldCounts::add(const WorldCounts& other) {
  steps += other.steps;
  requests += other.requests;
  refused += other.refused;
  tokens += other.tokens;
  stops += other.stops;
  stop_strings += other.stop_strings;
  lengths += other.lengths;
  aborts += other.aborts;
  timeouts += other.timeouts;
  errors += other.errors;
  preemptions += other.preemptions;
  drafts += other.drafts;
  accepted += other.accepted;
  cached_tokens += other.cached_tokens;
  resets += other.resets;
  scored_prompts += other.scored_prompts;
  shared_choices += other.shared_choices;
  structured += other.structured;
  chained += other.chained;
  fingerprint = mix64(fingerprint + other.fingerprint);
}

WorldConfig random_world(std::uint64_t seed) {
  Rng rng(seed);
  WorldConfig world;
  world.seed = seed;
  world.model.page_tokens = std::array{4, 8, 16, 16}[rng.below(4)];
  switch (rng.below(6)) {
    case 0:
      world.model.windows = {};
      world.model.has_state = true;
      break;
    case 1:
      world.model.windows = {0};
      world.model.has_state = true;
      break;
    case 2:
      world.model.windows = {0, 2 + static_cast<std::int64_t>(rng.below(40))};
      break;
    case 3:
      world.model.windows = {2 + static_cast<std::int64_t>(rng.below(40))};
      break;
    default:
      world.model.windows = {0};
  }
  if (rng.below(4) == 0) world.model.nan_one_in = 50 + rng.below(2000);
  world.cache.page_tokens = world.model.page_tokens;
  const auto sequences = 1 + static_cast<int>(rng.below(10));
  for (const std::int64_t window : world.model.windows) {
    const auto pages = static_cast<std::int32_t>(6 + rng.below(rng.below(2) == 0 ? 20 : 120));
    world.cache.groups.push_back({.window = window, .page_count = pages});
  }
  world.drafts_max = rng.below(2) == 0 ? 0 : 1 + static_cast<int>(rng.below(6));
  world.draft_accuracy = rng.uniform();
  if (world.model.has_state) {
    world.cache.state_slots =
        static_cast<std::int32_t>(4 + rng.below(static_cast<std::uint64_t>(sequences) * 6 + 10));
    world.cache.state_stride_tokens = 8 + static_cast<int>(rng.below(64));
  }
  world.cache.prefix_cache = rng.below(8) != 0;
  if (rng.below(8) == 0) world.cache.debug_hash_bits = 6;
  world.scheduler.sequences_max = sequences;
  world.scheduler.step_tokens_max = 1 + static_cast<int>(rng.below(80)) + sequences;
  world.scheduler.waiting_max = 1 + static_cast<int>(rng.below(20));
  world.scheduler.drafts_max = world.drafts_max;
  world.scheduler.look_past_max = static_cast<int>(rng.below(8));
  world.scheduler.prefill_tokens_min = 1 + static_cast<int>(rng.below(16));
  world.scheduler.step_target = std::chrono::milliseconds(3 + rng.below(20));
  if (rng.below(4) == 0) world.scheduler.debug_chunk_tokens = 1 + static_cast<int>(rng.below(20));
  if (rng.below(4) == 0) {
    world.scheduler.debug_preempt_every = 5 + static_cast<int>(rng.below(40));
  }
  world.arrival_chance = 0.02 + rng.uniform() * 0.4;
  world.cancel_chance = rng.below(3) == 0 ? 0 : rng.uniform() * 0.1;
  world.timeout_chance = rng.below(3) == 0 ? 0 : rng.uniform() * 0.2;
  world.prompt_max = 2 + static_cast<int>(rng.below(100));
  world.output_max = 2 + static_cast<int>(rng.below(50));
  return world;
}

namespace {

// Free stretches, forced ones, counts, nesting, characters of several bytes.
const char* const kGrammars[] = {
    R"(root ::= ([a-c]{1,6} "z" | [d-m]* "hello"){1,8})",
    R"(root ::= ("abc" | "xyz" [nop]{0,9}){3,40})",
    R"(root ::= "a" root "b" | [c-k])",
    R"(root ::= "begin" ([a-z] | "é" | "€")* "end")",
};

const std::vector<std::shared_ptr<const grammar::Network>>& networks() {
  static const auto all = [] {
    std::vector<std::shared_ptr<const grammar::Network>> out;
    for (const char* source : kGrammars) {
      const auto parsed = grammar::parse_gbnf(source);
      CHECK(parsed, "{}: {}", source, parsed.error().message);
      out.push_back(
          std::make_shared<const grammar::Network>(grammar::compile(*parsed, {}).value()));
    }
    return out;
  }();
  return all;
}

std::shared_ptr<const grammar::TokenTrie> vocabulary(int vocab) {
  std::vector<std::string> bytes;
  for (std::int32_t id = 0; id < vocab; ++id) {
    bytes.push_back(id <= FakeTokenizer::kSpecial ? "" : FakeTokenizer::bytes(id, false));
  }
  return std::make_shared<const grammar::TokenTrie>(bytes);
}

}  // namespace

World::World(const WorldConfig& config)
    : config_(config),
      rng_(mix64(config.seed + 77)),
      function_(config.model),
      model_(config.model, clock_),
      cache_(config.cache),
      store_(FakeModel::store_config(config.model, config.cache)),
      context_max_(context_that_fits(cache_, config.prompt_max + config.output_max)),
      scheduler_(with_context(config.scheduler, context_max_), cache_),
      scripted_(config.draft_accuracy, config.seed, config.model.vocab),
      lookup_(engine::make_prompt_lookup_drafter(3)) {
  clock_.advance(std::chrono::seconds(1));
  engine::StepLoopParts parts;
  parts.runner = &model_;
  parts.clock = &clock_;
  parts.scheduler = &scheduler_;
  parts.cache = &cache_;
  parts.store = &store_;
  if (config.drafts_max > 0) parts.drafters = {&scripted_, lookup_.get()};
  engine::StepLoopConfig loop;
  loop.draft_tokens_max = config.drafts_max;
  loop.invariant_check_every = config.check_every;
  loop_ = std::make_unique<engine::StepLoop>(
      loop, parts,
      engine::ChoiceContext{
          &kernels::kernels(kernels::best_isa()), &tokenizer_, {FakeTokenizer::kEos}});
  const auto tokens = vocabulary(config.model.vocab);
  for (const auto& network : networks()) {
    structures_.push_back({network, std::make_shared<grammar::CompiledGrammar>(network, tokens)});
  }
  for (int i = 0; i < 4; ++i) {
    std::vector<std::int32_t> trunk;
    for (int j = 0; j < config.prompt_max; ++j) {
      trunk.push_back(static_cast<std::int32_t>(rng_.below(48)));
    }
    trunks_.push_back(std::move(trunk));
  }
}

void World::structure(engine::GenerateRequest& request) {
  const Structure& structure = structures_[rng_.below(structures_.size())];
  request.grammar = structure.compiled;
  request.sampling.min_tokens = 0;
}

// Samplers with a state of their own, and penalties that look back.
void World::bend(engine::SamplingParams& params) {
  params.mirostat = static_cast<int>(rng_.below(3));
  if (rng_.below(2) == 0) params.adaptive_target = 0.4f;
  if (rng_.below(2) == 0) params.xtc_probability = 0.5f;
  if (rng_.below(2) == 0) params.dynatemp_range = 0.5f;
  if (rng_.below(2) == 0) params.dry.multiplier = 0.8f;
  if (rng_.below(2) == 0) params.dry.breakers = {{9, {}}, {2, {3}}};
  if (rng_.below(2) == 0) params.repeat_penalty = 1.2f;
  if (rng_.below(3) == 0) params.bad_words = {{12}, {8, 9}};
  params.repeat_last_n = static_cast<int>(rng_.below(20)) - 1;
}

std::shared_ptr<const grammar::Network> World::network_of(
    const engine::GenerateRequest& request) const {
  for (const Structure& structure : structures_) {
    if (structure.compiled == request.grammar) return structure.network;
  }
  return nullptr;
}

engine::GenerateRequest World::random_request() {
  engine::GenerateRequest request;
  const std::vector<std::int32_t>& trunk = trunks_[rng_.below(trunks_.size())];
  const auto most = static_cast<std::uint64_t>(
      std::max<std::int64_t>(1, std::min<std::int64_t>(config_.prompt_max, context_max_ - 1)));
  const std::size_t length = 1 + rng_.below(most);
  const std::size_t shared = rng_.below(length + 1);
  request.prompt.assign(trunk.begin(), trunk.begin() + static_cast<std::ptrdiff_t>(shared));
  while (request.prompt.size() < length) {
    request.prompt.push_back(static_cast<std::int32_t>(rng_.below(48)));
  }
  engine::SamplingParams& params = request.sampling;
  const std::int64_t room = std::max<std::int64_t>(
      0,
      std::min<std::int64_t>(config_.output_max, context_max_ - static_cast<std::int64_t>(length)));
  params.max_tokens = static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(room) + 1));
  if (rng_.below(2) == 0) params.temperature = 0;
  if (rng_.below(4) == 0) params.top_p = 0.8f;
  if (rng_.below(4) == 0) params.top_k = 5;
  if (rng_.below(4) == 0) params.repetition_penalty = 1.3f;
  if (rng_.below(4) == 0) params.frequency_penalty = 0.5f;
  if (rng_.below(6) == 0) params.min_tokens = std::min<std::int64_t>(params.max_tokens, 7);
  if (rng_.below(4) == 0) params.ignore_eos = true;
  if (rng_.below(4) == 0) params.stop_token_ids = {static_cast<std::int32_t>(rng_.below(48))};
  if (rng_.below(3) == 0) {
    const auto letter = [&] { return static_cast<char>('a' + rng_.below(26)); };
    params.stop = {std::string(1, letter()), {letter(), letter()}, {letter(), letter(), letter()}};
    params.include_stop_str_in_output = rng_.below(2) == 0;
  }
  params.skip_special_tokens = rng_.below(2) == 0;
  params.seed = rng_.bits();
  if (rng_.below(12) == 0) params.prompt_logprobs = static_cast<int>(rng_.below(4));
  if (rng_.below(6) == 0) params.logprobs = static_cast<int>(rng_.below(4));
  if (rng_.below(6) == 0) request.n = 2 + static_cast<int>(rng_.below(3));
  if (rng_.uniform() < config_.priority_chance) {
    request.priority = static_cast<int>(rng_.below(5)) - 2;
  }
  if (rng_.uniform() < config_.timeout_chance) {
    request.timeout = std::chrono::milliseconds(rng_.below(400));
  }
  if (rng_.below(8) == 0) request.cache_salt = rng_.below(2) == 0 ? "one" : "two";
  if (rng_.below(3) == 0) structure(request);
  if (rng_.below(3) == 0) bend(params);
  return request;
}

engine::RequestId World::submit(engine::GenerateRequest request) {
  const engine::RequestId id = next_id_;
  next_id_ += static_cast<engine::RequestId>(request.n);
  RequestLog log;
  log.request = request;
  for (int i = 0; i < request.n; ++i) {
    ChoiceLog choice;
    choice.expected = reference_answer(function_, request, i, network_of(request));
    scripted_.expect(id + static_cast<engine::RequestId>(i), request.prompt.size(),
                     choice.expected.tokens);
    log.choices.push_back(std::move(choice));
  }
  logs_[id] = std::move(log);
  const Status accepted = loop_->submit(
      id, request, [this, id](engine::Output&& output) { receive(id, std::move(output)); },
      clock_.now());
  ++counts_.requests;
  if (!accepted) {
    EXPECT_EQ(accepted.error().code, ErrorCode::kOverloaded) << accepted.error().message;
    logs_.erase(id);
    ++counts_.refused;
    return 0;
  }
  if (request.n > 1) ++counts_.shared_choices;
  if (request.grammar) ++counts_.structured;
  if (request.sampling.uses_chain()) ++counts_.chained;
  return id;
}

void World::receive(engine::RequestId id, engine::Output&& output) {
  const auto found = logs_.find(id);
  ASSERT_NE(found, logs_.end()) << "output after the last finish of request " << id;
  RequestLog& log = found->second;
  ChoiceLog& choice = log.choices.at(static_cast<std::size_t>(output.choice));
  ASSERT_FALSE(choice.finished) << "output after the finish, request " << id;
  EXPECT_EQ(sanitize(output.text), output.text) << "cut inside a character";
  for (const engine::OutputToken& token : output.tokens) {
    choice.tokens.push_back(token.id);
    mix(static_cast<std::uint64_t>(token.id));
    if (log.request.sampling.logprobs >= 0) {
      EXPECT_LE(token.logprob, 1e-5);
    }
  }
  counts_.tokens += static_cast<std::int64_t>(output.tokens.size());
  choice.text += output.text;
  for (engine::OutputToken& token : output.prompt_tokens) {
    choice.prompt_tokens.push_back(std::move(token));
  }
  ASSERT_TRUE(is_prefix(choice.tokens, choice.expected.tokens)) << "request " << id;
  if (output.finish == FinishReason::kNone) return;
  choice.finished = true;
  check_finish(log, choice, output);
  count_finish(output);
  bool open = false;
  for (const ChoiceLog& other : log.choices) open |= !other.finished;
  if (!open) logs_.erase(found);
}

void World::check_finish(const RequestLog& log, const ChoiceLog& choice,
                         const engine::Output& output) {
  const auto made = static_cast<std::int64_t>(choice.tokens.size());
  EXPECT_EQ(output.usage.completion_tokens, made);
  EXPECT_EQ(output.usage.prompt_tokens, static_cast<std::int64_t>(log.request.prompt.size()));
  EXPECT_LE(output.usage.cached_tokens, output.usage.prompt_tokens);
  EXPECT_LE(output.timings.arrival, output.timings.first_scheduled);
  EXPECT_LE(output.timings.first_scheduled, output.timings.first_token);
  EXPECT_LE(output.timings.first_token, output.timings.finished);
  if (output.finish == FinishReason::kAbort) {
    EXPECT_TRUE(log.cancelled);
    return;
  }
  if (output.finish == FinishReason::kTimeout) {
    EXPECT_NE(log.request.timeout, Time::max());
    return;
  }
  // A prompt whose logprobs were asked for may meet a row that is not finite earlier.
  const bool scored = log.request.sampling.prompt_logprobs >= 0 && output.choice == 0;
  if (scored && output.finish == FinishReason::kError && choice.tokens.empty()) {
    EXPECT_GT(config_.model.nan_one_in, 0u) << output.error.message;
    return;
  }
  EXPECT_EQ(choice.tokens, choice.expected.tokens);
  EXPECT_EQ(choice.text, choice.expected.text);
  EXPECT_EQ(static_cast<int>(output.finish), static_cast<int>(choice.expected.finish));
  EXPECT_EQ(output.stop_reason, choice.expected.stop_reason);
  EXPECT_EQ(output.stop_token_id, choice.expected.stop_token_id);
  if (scored) check_prompt_scores(log, choice);
}

void World::check_prompt_scores(const RequestLog& log, const ChoiceLog& choice) {
  const std::vector<std::int32_t>& prompt = log.request.prompt;
  ++counts_.scored_prompts;
  ASSERT_EQ(choice.prompt_tokens.size(), prompt.size());
  EXPECT_EQ(choice.prompt_tokens[0].rank, 0);
  const kernels::Kernels& kernels = kernels::kernels(kernels::Isa::kScalar);
  for (std::size_t i = 1; i < prompt.size(); ++i) {
    const engine::OutputToken& scored = choice.prompt_tokens[i];
    const std::vector<float> row = function_.direct(std::span(prompt).first(i));
    const engine::OutputToken expected =
        engine::score_token(kernels, row, prompt[i], log.request.sampling.prompt_logprobs);
    EXPECT_EQ(scored.id, prompt[i]);
    EXPECT_EQ(scored.logprob, expected.logprob);
    EXPECT_EQ(scored.rank, expected.rank);
    ASSERT_EQ(scored.top.size(), expected.top.size());
  }
}

void World::count_finish(const engine::Output& output) {
  counts_.stops += output.finish == FinishReason::kStop ? 1 : 0;
  counts_.stop_strings += !output.stop_reason.empty() && output.stop_reason.size() < 5 ? 1 : 0;
  counts_.lengths += output.finish == FinishReason::kLength ? 1 : 0;
  counts_.aborts += output.finish == FinishReason::kAbort ? 1 : 0;
  counts_.timeouts += output.finish == FinishReason::kTimeout ? 1 : 0;
  counts_.errors += output.finish == FinishReason::kError ? 1 : 0;
  counts_.preemptions += output.usage.preemptions;
  counts_.drafts += output.usage.draft_tokens;
  counts_.accepted += output.usage.accepted_draft_tokens;
  counts_.cached_tokens += output.usage.cached_tokens;
  mix(static_cast<std::uint64_t>(output.finish));
}

void World::cancel(engine::RequestId id) {
  const auto found = logs_.find(id);
  if (found != logs_.end()) found->second.cancelled = true;
  EXPECT_EQ(loop_->cancel(id), found != logs_.end());
  EXPECT_FALSE(logs_.contains(id)) << "cancel left choices open";
}

void World::step() {
  loop_->step();
  ++counts_.steps;
}

void World::round(bool arrivals, bool faults) {
  if (arrivals && rng_.uniform() < config_.arrival_chance) submit(random_request());
  if (faults && !logs_.empty() && rng_.uniform() < config_.cancel_chance) {
    auto victim = logs_.begin();
    std::advance(victim, static_cast<std::ptrdiff_t>(rng_.below(logs_.size())));
    cancel(victim->first);
  }
  if (faults && rng_.uniform() < config_.reset_chance) {
    loop_->reset_cache();
    ++counts_.resets;
  }
  if (busy()) {
    step();
  } else {
    clock_.advance(std::chrono::milliseconds(1));
  }
}

void World::drain() {
  std::int64_t work = 0;
  for (const auto& [id, log] : logs_) {
    work += log.request.n * (static_cast<std::int64_t>(log.request.prompt.size()) +
                             log.request.sampling.max_tokens);
  }
  const std::int64_t limit = counts_.steps + 4 * work + 100;
  while (busy()) {
    ASSERT_LT(counts_.steps, limit)
        << logs_.size() << " requests make no progress, seed " << config_.seed;
    step();
  }
  EXPECT_TRUE(logs_.empty());
  EXPECT_EQ(static_cast<std::int64_t>(loop_->stats().generation_tokens), counts_.tokens);
  const cache::CacheStats stats = cache_.stats();
  for (const cache::PoolStats& pool : stats.groups) EXPECT_EQ(pool.referenced, 0);
  EXPECT_EQ(stats.states.referenced, 0);
  scheduler_.check_invariants();
}

}  // namespace quire::sim
