// Times of a request with several choices span from the first to the last of them.
#include "server/usage_json.h"

#include <algorithm>

namespace quire::server {
namespace {

using engine::FinishReason;

double milliseconds(Time time) { return to_seconds(time) * 1e3; }

// The borders between the parts of a request's life, never going back.
struct Span {
  Time submitted = Time::max(), scheduled = Time::max(), first = Time::max(),
       finished = Time::zero();
};

Span span_of(const std::vector<ChoiceState>& choices) {
  Span span;
  for (const ChoiceState& choice : choices) {
    // A choice that ended early ends where it stands.
    const engine::Timings& times = choice.timings;
    const Time end = times.finished;
    const auto reached = [end](Time time) { return time > Time::zero() ? time : end; };
    span.submitted = std::min(span.submitted, times.arrival);
    span.scheduled = std::min(span.scheduled, reached(times.first_scheduled));
    span.first = std::min(span.first, reached(times.first_token));
    span.finished = std::max(span.finished, end);
  }
  span.scheduled = std::max(span.scheduled, span.submitted);
  span.first = std::max(span.first, span.scheduled);
  span.finished = std::max(span.finished, span.first);
  return span;
}

}  // namespace

UsageTotals sum_usage(const GenerationPlan& plan, const std::vector<ChoiceState>& choices) {
  UsageTotals out;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const bool first_of_prompt = i % static_cast<std::size_t>(plan.n) == 0;
    out.completion += choices[i].finish == FinishReason::kNone ? choices[i].token_count
                                                               : choices[i].usage.completion_tokens;
    out.drafts += choices[i].usage.draft_tokens;
    out.accepted += choices[i].usage.accepted_draft_tokens;
    out.predicted += choices[i].usage.predicted_tokens;
    out.accepted_predicted += choices[i].usage.accepted_predicted_tokens;
    out.reasoning += choices[i].usage.reasoning_tokens;
    out.preemptions += choices[i].usage.preemptions;
    if (!first_of_prompt) continue;
    const engine::Usage& usage = choices[i].usage;
    out.cached += usage.cached_tokens;
    out.missed.cold += usage.missed.cold;
    out.missed.evicted += usage.missed.evicted;
    out.missed.state += usage.missed.state;
    out.missed.window += usage.missed.window;
  }
  for (const PromptPlan& prompt : plan.prompts) out.prompt += prompt.prompt_tokens;
  return out;
}

Json usage_json(const GenerationPlan& plan, const std::vector<ChoiceState>& choices) {
  const UsageTotals sum = sum_usage(plan, choices);
  Json usage = Json::object();
  usage["prompt_tokens"] = sum.prompt;
  usage["completion_tokens"] = sum.completion;
  usage["total_tokens"] = sum.prompt + sum.completion;
  usage["prompt_tokens_details"] = {{"cached_tokens", sum.cached}};
  usage["completion_tokens_details"] = {
      {"reasoning_tokens", sum.reasoning},
      {"accepted_prediction_tokens", sum.accepted_predicted},
      {"rejected_prediction_tokens", sum.predicted - sum.accepted_predicted},
  };
  return usage;
}

Json timings_json(const GenerationPlan& plan, const std::vector<ChoiceState>& choices) {
  const UsageTotals sum = sum_usage(plan, choices);
  const Span span = span_of(choices);
  const double prompt_ms = milliseconds(span.first - span.scheduled);
  const double predicted_ms = milliseconds(span.finished - span.first);
  const auto rate = [](std::int64_t count, double ms) {
    return ms > 0 ? static_cast<double>(count) * 1e3 / ms : 0.0;
  };
  const auto each = [](std::int64_t count, double ms) {
    return count > 0 ? ms / static_cast<double>(count) : 0.0;
  };
  const std::int64_t computed = sum.prompt - sum.cached;
  Json out = Json::object();
  out["cache_n"] = sum.cached;
  out["prompt_n"] = computed;
  out["prompt_ms"] = prompt_ms;
  out["prompt_per_token_ms"] = each(computed, prompt_ms);
  out["prompt_per_second"] = rate(computed, prompt_ms);
  out["predicted_n"] = sum.completion;
  out["predicted_ms"] = predicted_ms;
  out["predicted_per_token_ms"] = each(sum.completion, predicted_ms);
  out["predicted_per_second"] = rate(sum.completion, predicted_ms);
  if (sum.drafts > 0) {
    out["draft_n"] = sum.drafts;
    out["draft_n_accepted"] = sum.accepted;
  }
  return out;
}

Json receipt_json(const GenerationPlan& plan, const std::vector<ChoiceState>& choices, Time now) {
  const UsageTotals sum = sum_usage(plan, choices);
  const Span span = span_of(choices);
  Json out = Json::object();
  out["prepare_ms"] = milliseconds(span.submitted - plan.arrival);
  out["queued_ms"] = milliseconds(span.scheduled - span.submitted);
  out["prefill_ms"] = milliseconds(span.first - span.scheduled);
  out["decode_ms"] = milliseconds(span.finished - span.first);
  out["deliver_ms"] = milliseconds(now - span.finished);
  out["total_ms"] = milliseconds(now - plan.arrival);
  const std::int64_t missed = sum.prompt - sum.cached;
  const cache::MissedTokens& why = sum.missed;
  out["cache"] = {{"prompt_tokens", sum.prompt},
                  {"hit_tokens", sum.cached},
                  {"missed_tokens", missed},
                  {"missed_by_reason",
                   {{"cold", why.cold},
                    {"evicted", why.evicted},
                    {"state", why.state},
                    {"window", why.window},
                    {"not_looked_up", missed - why.cold - why.evicted - why.state - why.window}}}};
  out["generated_tokens"] = sum.completion;
  out["drafts"] = {{"proposed_tokens", sum.drafts}, {"accepted_tokens", sum.accepted}};
  out["preemptions"] = sum.preemptions;
  return out;
}

}  // namespace quire::server
