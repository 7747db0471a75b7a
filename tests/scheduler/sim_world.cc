// The simulated server: what clients ask, what the fake model answers, what must hold in each step.
#include "tests/scheduler/sim_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/check.h"

namespace quire::scheduler::sim {

World::World(const Params& params, std::uint64_t seed)
    : params_(params),
      rng_(seed),
      cache_(params.cache),
      scheduler_(params.scheduler, cache_),
      memory_(params.cache) {}

// The next token is a function of all tokens before it.
std::int32_t World::model(std::span<const std::int32_t> tokens, std::uint64_t salt) const {
  std::uint64_t state = kEmptyState;
  for (const std::int32_t token : tokens) state = next_state(state, token, salt);
  return static_cast<std::int32_t>(mix64(state) % static_cast<std::uint64_t>(params_.vocab));
}

std::vector<std::int32_t> World::make_prompt() {
  const int size = 1 + below(params_.prompt_max);
  std::vector<std::int32_t> prompt;
  if (!history_.empty() && chance(params_.again)) {
    const auto& earlier =
        history_[static_cast<std::size_t>(below(static_cast<int>(history_.size())))];
    const int kept = chance(0.3) ? static_cast<int>(earlier.size())
                                 : below(static_cast<int>(earlier.size()) + 1);
    prompt.assign(earlier.begin(), earlier.begin() + std::min(kept, params_.prompt_max));
    if (chance(0.3) && !prompt.empty()) return prompt;
  }
  while (std::ssize(prompt) < size) prompt.push_back(below(params_.vocab));
  return prompt;
}

void World::submit() {
  NewRequest request;
  request.prompt = make_prompt();
  request.new_tokens_max = below(params_.output_max + 1);
  request.priority = below(params_.priorities) - params_.priorities / 2;
  request.arrival = now_;
  request.cache_namespace = {0, static_cast<std::uint64_t>(below(params_.namespaces))};
  request.read_prefix_cache = !chance(params_.unshared);
  request.write_prefix_cache = !chance(params_.unshared);
  if (chance(params_.deadline)) request.deadline = now_ + std::chrono::milliseconds(below(300));
  const int copies = chance(params_.burst) ? 2 + below(7) : 1;
  for (int i = 0; i < copies; ++i) submit_one(request);
}

void World::submit_one(NewRequest request) {
  Client client;
  client.id = request.id = next_id_++;
  client.tokens = request.prompt;
  client.prompt_tokens = std::ssize(request.prompt);
  client.output_max = request.new_tokens_max;
  client.stop_after = chance(params_.stop) ? 1 + below(params_.output_max) : 1 << 30;
  client.deadline = request.deadline;
  client.salt = request.cache_namespace.low;
  const std::int64_t referenced = scheduler_.stats().waiting;
  if (!scheduler_.submit(std::move(request))) {
    ++events_.refused;
    CHECK(scheduler_.stats().waiting == referenced, "a refused request was taken");
    return;
  }
  ++events_.submitted;
  clients_.emplace(client.id, std::move(client));
}

void World::check_plan(const StepPlan& plan) {
  CHECK(plan.token_count <= params_.scheduler.step_tokens_max, "{} rows", plan.token_count);
  CHECK(std::ssize(plan.sequences) <= params_.scheduler.sequences_max, "{} sequences",
        plan.sequences.size());
  std::set<RequestId> ids;
  int rows = 0;
  for (const ScheduledSequence& it : plan.sequences) {
    const auto client = clients_.find(it.id);
    CHECK(client != clients_.end(), "request {} is not live", it.id);
    CHECK(ids.insert(it.id).second, "request {} is planned twice", it.id);
    CHECK(std::ssize(it.tokens) == it.token_count && it.token_count > it.draft_count &&
              it.draft_count >= 0,
          "request {}: {} tokens, {} rows, {} drafts", it.id, it.tokens.size(), it.token_count,
          it.draft_count);
    CHECK(std::ssize(it.page_tables) == std::ssize(params_.cache.groups), "{} page tables",
          it.page_tables.size());
    CHECK((it.state_slot >= 0) == (params_.cache.state_slots > 0), "state slot {}", it.state_slot);
    const std::int64_t end = it.position + it.token_count - it.draft_count;
    CHECK(it.samples == (end == std::ssize(client->second.tokens) && client->second.output_max > 0),
          "request {} samples {} at {}", it.id, it.samples, end);
    CHECK(it.draft_count <= params_.scheduler.drafts_max &&
              it.draft_count <= std::ssize(client->second.drafts),
          "{} drafts", it.draft_count);
    rows += it.token_count;
    if (params_.scheduler.debug_chunk_tokens > 0 && !it.samples) {
      CHECK(it.token_count <= params_.scheduler.debug_chunk_tokens, "a chunk of {}",
            it.token_count);
    }
  }
  CHECK(rows == plan.token_count, "{} rows, said {}", rows, plan.token_count);
  for (const RequestId id : plan.expired) {
    CHECK(clients_.at(id).deadline <= now_, "request {} expired early", id);
    clients_.erase(id);
    ++events_.expired;
  }
  for (const auto& [id, client] : clients_) {
    CHECK(client.deadline > now_, "request {} outlived its deadline", id);
  }
  // With work and nobody to wait for, something must run.
  CHECK(clients_.empty() || !plan.sequences.empty(), "step {} is empty with {} live requests",
        plan.number, clients_.size());
}

void World::record(const StepPlan& plan) {
  ++events_.steps;
  events_.rows += static_cast<std::uint64_t>(plan.token_count);
  events_.idle_steps += plan.sequences.empty() ? 1 : 0;
  events_.preempted += plan.preempted.size();
  events_.page_copies += plan.page_copies.size();
  events_.state_copies += plan.state_copies.size();
  for (const ScheduledSequence& it : plan.sequences) {
    events_.state_saves += it.state_saves.size();
    events_.drafts += static_cast<std::uint64_t>(it.draft_count);
    for (const auto& table : it.page_tables) {
      events_.window_pages_freed += !table.empty() && table[0] < 0 ? 1 : 0;
    }
    digest_ =
        mix64(digest_ ^ it.id) + static_cast<std::uint64_t>(it.position * 4096 + it.token_count);
    for (const auto& table : it.page_tables) {
      for (const std::int32_t page : table) digest_ = digest_ * 31 + static_cast<unsigned>(page);
    }
  }
}

SequenceResult World::result_of(const ScheduledSequence& sequence, Client& client, bool faults) {
  SequenceResult result;
  result.id = sequence.id;
  if (faults && chance(params_.poison)) {
    result.poisoned = true;
    memory_.spoil(sequence);
    return result;
  }
  if (!sequence.samples) {
    const bool whole = sequence.position + sequence.token_count == std::ssize(client.tokens);
    // Whether the caller says so or not, a request without outputs ends with its prompt.
    result.finished = whole && chance(0.5);
    return result;
  }
  for (int draft = 0;; ++draft) {
    const std::int32_t token = model(client.tokens, client.salt);
    client.tokens.push_back(token);
    result.tokens.push_back(token);
    const std::int64_t outputs = std::ssize(client.tokens) - client.prompt_tokens;
    result.finished = outputs >= client.stop_after || (outputs == client.output_max && chance(0.5));
    if (result.finished || draft >= sequence.draft_count) break;
    if (client.drafts[static_cast<std::size_t>(draft)] != token) break;
  }
  const auto accepted = static_cast<int>(result.tokens.size()) - 1;
  events_.accepted += static_cast<std::uint64_t>(accepted);
  events_.rolled_back += accepted < sequence.draft_count ? 1 : 0;
  return result;
}

std::vector<SequenceResult> World::run_model(const StepPlan& plan, bool faults) {
  memory_.carry_out(plan);
  std::vector<ShadowMemory::Truth> truths;
  for (const ScheduledSequence& it : plan.sequences) {
    const Client& client = clients_.at(it.id);
    const auto end = it.position + it.token_count - it.draft_count;
    truths.push_back({{client.tokens.begin(), client.tokens.begin() + end}, client.salt});
    auto& tokens = truths.back().tokens;
    tokens.insert(tokens.end(), client.drafts.begin(), client.drafts.begin() + it.draft_count);
  }
  memory_.run(plan, truths);
  std::vector<SequenceResult> results;
  for (const ScheduledSequence& it : plan.sequences) {
    results.push_back(result_of(it, clients_.at(it.id), faults));
  }
  return results;
}

void World::cancel_some(bool in_step) {
  if (clients_.empty() || !chance(params_.cancel)) return;
  auto at = clients_.begin();
  std::advance(at, below(static_cast<int>(clients_.size())));
  CHECK(scheduler_.cancel(at->first) == !at->second.cancelled, "cancel of {}", at->first);
  ++events_.cancelled;
  if (!in_step) {
    clients_.erase(at);
    return;
  }
  ++events_.cancelled_in_step;
  at->second.cancelled = true;
}

void World::propose_drafts() {
  for (auto& [id, client] : clients_) {
    // Drafts hold until the next token is known, even where the request sat a step out.
    if (client.drafts_at != std::ssize(client.tokens)) client.drafts.clear();
    if (chance(0.2)) continue;
    client.drafts.clear();
    client.drafts_at = std::ssize(client.tokens);
    if (params_.drafts == 0 || std::ssize(client.tokens) == client.prompt_tokens) continue;
    std::vector<std::int32_t> tokens = client.tokens;
    const int count = below(params_.drafts + 1);
    for (int i = 0; i < count; ++i) {
      const std::int32_t right = model(tokens, client.salt);
      tokens.push_back(chance(params_.draft_right) ? right : below(params_.vocab));
      client.drafts.push_back(tokens.back());
    }
    scheduler_.set_drafts(id, client.drafts);
  }
}

void World::step(bool faults) {
  if (faults && std::ssize(clients_) < params_.live_max && chance(params_.submit)) submit();
  if (faults) cancel_some(false);
  if (faults && chance(params_.reset)) {
    cache_.reset();
    ++events_.resets;
  }
  const StepPlan& plan = scheduler_.plan(now_);
  check_plan(plan);
  scheduler_.check_invariants();
  record(plan);
  const std::vector<SequenceResult> results = run_model(plan, faults);
  if (faults) cancel_some(true);
  const Time elapsed = std::chrono::microseconds(500 + 300 * plan.token_count + below(200));
  now_ += elapsed;
  scheduler_.commit(results, elapsed, now_);
  scheduler_.check_invariants();

  settle(plan, results);
  propose_drafts();
}

// Who has ended, by what the clients know; the scheduler must think the same.
void World::settle(const StepPlan& plan, const std::vector<SequenceResult>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const SequenceResult& result = results[i];
    const ScheduledSequence& sequence = plan.sequences[i];
    const Client& client = clients_.at(result.id);
    CHECK(scheduler_.trace(result.id).has_value(), "request {} left no trace", result.id);
    if (!client.cancelled && !result.poisoned) {
      const auto known = scheduler_.tokens(result.id);
      CHECK(std::ranges::equal(known, client.tokens), "request {} knows {} tokens, true are {}",
            result.id, known.size(), client.tokens.size());
    }
    const bool ran = sequence.position + sequence.token_count >= client.prompt_tokens;
    const bool complete =
        ran && std::ssize(client.tokens) - client.prompt_tokens == client.output_max;
    events_.poisoned += result.poisoned ? 1 : 0;
    if (!result.finished && !result.poisoned && !client.cancelled && !complete) continue;
    if (!result.poisoned && !client.cancelled) finish(client);
    clients_.erase(result.id);
  }
  std::erase_if(clients_, [](const auto& it) { return it.second.cancelled; });
  const SchedulerStats stats = scheduler_.stats();
  CHECK(stats.running + stats.waiting == std::ssize(clients_), "{} running, {} waiting, {} clients",
        stats.running, stats.waiting, clients_.size());
  CHECK(scheduler_.has_work() == !clients_.empty(), "work of nobody");
}

void World::finish(const Client& client) {
  ++events_.finished;
  const RequestTrace trace = *scheduler_.trace(client.id);
  CHECK(trace.cached_tokens < client.prompt_tokens && trace.prompt_tokens == client.prompt_tokens,
        "{} of {} prompt tokens cached", trace.cached_tokens, client.prompt_tokens);
  if (history_.size() < 64) history_.emplace_back();
  history_[static_cast<std::size_t>(below(static_cast<int>(history_.size())))] = client.tokens;
}

std::int64_t World::work_left() const {
  std::int64_t rows = 0;
  for (const auto& [id, client] : clients_) rows += client.prompt_tokens + client.output_max;
  return rows;
}

void World::check_end() {
  CHECK(clients_.empty() && !scheduler_.has_work(), "{} clients left", clients_.size());
  const cache::CacheStats stats = cache_.stats();
  std::int64_t cached = 0;
  for (const cache::PoolStats& pool : stats.groups) {
    CHECK(pool.referenced == 0, "{} pages are still referenced", pool.referenced);
    cached += pool.cached;
  }
  CHECK(stats.states.referenced == 0, "{} state slots are still referenced",
        stats.states.referenced);
  CHECK(stats.hit_tokens + stats.miss_cold + stats.miss_evicted + stats.miss_state +
                stats.miss_window ==
            stats.query_tokens,
        "{} tokens were queried, {} hit", stats.query_tokens, stats.hit_tokens);
  events_.hit_tokens += stats.hit_tokens;
  events_.miss_cold += stats.miss_cold;
  events_.miss_evicted += stats.miss_evicted;
  events_.miss_state += stats.miss_state;
  events_.miss_window += stats.miss_window;
  events_.recomputed += static_cast<std::uint64_t>(scheduler_.stats().recomputed_tokens);
  const cache::CacheManager::Reset reset = cache_.reset();
  CHECK(reset.pages == cached && reset.states == stats.states.cached, "{} of {} pages were freed",
        reset.pages, cached);
  cache_.check_invariants();
}

void Events::add(const Events& other) {
  const auto* from = reinterpret_cast<const std::uint64_t*>(&other);
  auto* to = reinterpret_cast<std::uint64_t*>(this);
  for (std::size_t i = 0; i < sizeof(Events) / sizeof(std::uint64_t); ++i) to[i] += from[i];
}

}  // namespace quire::scheduler::sim
