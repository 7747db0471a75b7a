// Numbers are rounded to microseconds: the snapshot is read by eyes.
#include "server/live_json.h"

#include <algorithm>
#include <cmath>

#include "server/cache_json.h"
#include "server/openai_response.h"

namespace quire::server {
namespace {

using engine::RequestPhase;

double ms(Time time) { return std::round(to_seconds(time) * 1e6) / 1e3; }
Json ms_or_null(Time time) { return time == Time::zero() ? Json(nullptr) : Json(ms(time)); }

std::string_view phase_name(RequestPhase phase) {
  switch (phase) {
    case RequestPhase::kWaiting:
      return "waiting";
    case RequestPhase::kPrefill:
      return "prefill";
    case RequestPhase::kDecode:
      break;
  }
  return "decode";
}

Json mapped_pool_json(const cache::PoolView& pool) {
  Json out = pool_json(pool.stats);
  out["map"] = page_map(pool.runs);
  out["mapped"] = pool.listed;
  return out;
}

Json cache_json(const engine::LiveView& view) {
  Json groups = Json::array();
  for (const cache::PoolView& group : view.cache.groups) groups.push_back(mapped_pool_json(group));
  Json chains = Json::array();
  for (const cache::PrefixChain& chain : view.cache.chains) {
    chains.push_back({{"parent", chain.parent},
                      {"root", chain.root},
                      {"begin", chain.begin},
                      {"end", chain.end},
                      {"pages", chain.pages},
                      {"references", chain.references},
                      {"snapshots", chain.snapshots},
                      {"first_page", chain.first_page},
                      {"hidden", chain.hidden_children}});
  }
  Json body = Json::object();
  body["groups"] = std::move(groups);
  body["states"] = mapped_pool_json(view.cache.states);
  body["prefix"] = {{"nodes", view.cache.nodes}, {"chains", std::move(chains)}};
  add_prefix_totals(view.stats.cache, body);
  return body;
}

// [sequence, rows, drafts, accepted] of each, rows below 0 in prefill.
Json shares_json(const std::vector<engine::StepShare>& shares) {
  Json flat = Json::array();
  for (const engine::StepShare& share : shares) {
    flat.push_back(share.sequence);
    flat.push_back(share.prefill ? -share.rows : share.rows);
    flat.push_back(share.drafts);
    flat.push_back(share.accepted);
  }
  return flat;
}

Json step_json(const engine::StepRecord& step, const engine::ModelCard& card) {
  const engine::StepFacts& facts = step.facts;
  const double forward = to_seconds(facts.forward);
  const double bytes =
      static_cast<double>(card.weight_bytes) +
      static_cast<double>(facts.context_tokens) * static_cast<double>(card.kv_bytes_per_token);
  Json out = Json::object();
  out["n"] = facts.number;
  out["at"] = ms(facts.begin);
  out["ms"] = {ms(facts.schedule), ms(facts.forward), ms(facts.sample), ms(facts.commit),
               ms(facts.emit)};
  out["target"] = ms(facts.target);
  out["sequences"] = facts.sequences;
  out["decode"] = facts.decode_rows;
  out["prefill"] = facts.prefill_rows;
  out["drafts"] = facts.draft_rows;
  out["accepted"] = facts.accepted_drafts;
  if (!step.preempted.empty()) out["preempted"] = step.preempted;
  out["gbps"] = forward > 0 ? std::round(bytes / forward / 1e6) / 1e3 : 0.0;
  if (!step.shares.empty()) out["shares"] = shares_json(step.shares);
  return out;
}

Json request_json(const engine::RequestView& request, const RequestNamer& namer) {
  Json pages = Json::array();
  for (const engine::PageRange& range : request.pages) {
    pages.push_back(range.first);
    pages.push_back(range.count);
  }
  Json out = Json::object();
  out["sequence"] = request.sequence;
  out["request_id"] = namer(request.id);
  out["choice"] = request.choice;
  out["phase"] = phase_name(request.phase);
  out["prompt_tokens"] = request.prompt_tokens;
  out["cached_tokens"] = request.cached_tokens;
  out["computed_tokens"] = request.computed_tokens;
  out["output_tokens"] = request.output_tokens;
  out["max_tokens"] = request.max_tokens;
  out["draft_tokens"] = request.draft_tokens;
  out["accepted_draft_tokens"] = request.accepted_draft_tokens;
  out["preemptions"] = request.preemptions;
  out["priority"] = request.priority;
  out["arrival"] = ms(request.arrival);
  out["first_scheduled"] = ms_or_null(request.first_scheduled);
  out["first_token"] = ms_or_null(request.first_token);
  out["pages"] = std::move(pages);
  return out;
}

ChoiceState finish_of(engine::FinishReason finish) {
  ChoiceState state;
  state.finish = finish;
  return state;
}

Json finished_json(const engine::FinishedView& finished) {
  const engine::Timings& times = finished.timings;
  return {{"serial", finished.serial},
          {"sequence", finished.sequence},
          {"finish", finish_reason_name(finish_of(finished.finish))},
          {"prompt_tokens", finished.usage.prompt_tokens},
          {"cached_tokens", finished.usage.cached_tokens},
          {"output_tokens", finished.usage.completion_tokens},
          {"preemptions", finished.usage.preemptions},
          {"arrival", ms(times.arrival)},
          {"first_scheduled", ms_or_null(times.first_scheduled)},
          {"first_token", ms_or_null(times.first_token)},
          {"finished", ms(times.finished)}};
}

}  // namespace

std::string page_map(const std::vector<cache::PageRun>& runs) {
  const auto letter = [](std::int32_t references) {
    if (references == cache::PageRun::kFreeRun) return 'f';
    if (references <= 2) return references == 0 ? 'c' : references == 1 ? 'r' : 's';
    if (references <= 16) return references <= 4 ? 't' : references <= 8 ? 'u' : 'v';
    return 'w';
  };
  std::string map;
  char last = 0;
  std::int64_t count = 0;
  const auto flush = [&] {
    if (count > 0) map += fmt::format("{}{}", last, count);
    count = 0;
  };
  for (const cache::PageRun& run : runs) {
    const char next = letter(run.references);
    if (next != last) flush();
    last = next;
    count += run.count;
  }
  flush();
  return map;
}

Json live_json(const engine::LiveView& view, const engine::ModelCard& card,
               const RequestNamer& namer) {
  const engine::EngineStats& stats = view.stats;
  Json steps = Json::array(), requests = Json::array(), finished = Json::array();
  for (const engine::StepRecord& step : view.steps) steps.push_back(step_json(step, card));
  for (const auto& request : view.requests) requests.push_back(request_json(request, namer));
  for (const auto& ended : view.finished) finished.push_back(finished_json(ended));
  Json body = Json::object();
  body["now"] = ms(view.now);
  body["model"] = {{"family", card.family},
                   {"context_max", card.context_max},
                   {"page_tokens", card.block_size},
                   {"weight_bytes", card.weight_bytes},
                   {"kv_bytes_per_token", card.kv_bytes_per_token},
                   {"max_num_seqs", card.max_num_seqs},
                   {"threads", card.threads},
                   {"isa", card.isa},
                   {"memory_gbps", std::round(card.read_bytes_per_second / 1e6) / 1e3}};
  body["running"] = stats.running;
  body["waiting"] = stats.waiting;
  body["counters"] = {{"steps", stats.steps},
                      {"prompt_tokens", stats.prompt_tokens},
                      {"cached_prompt_tokens", stats.cached_prompt_tokens},
                      {"generation_tokens", stats.generation_tokens},
                      {"preemptions", stats.preemptions}};
  body["cache"] = cache_json(view);
  body["drafts"] = {{"proposed", stats.drafted_per_position},
                    {"accepted", stats.accepted_per_position}};
  body["steps"] = std::move(steps);
  body["requests"] = std::move(requests);
  body["requests_total"] = view.requests_total;
  body["finished"] = std::move(finished);
  return body;
}

}  // namespace quire::server
