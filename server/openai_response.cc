// Members are set in the order in which OpenAI's own answers have them.
#include "server/openai_response.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "server/logprobs_json.h"

namespace quire::server {
namespace {

using engine::FinishReason;

Json ids_json(std::span<const std::int32_t> ids) {
  Json out = Json::array();
  for (const std::int32_t id : ids) out.push_back(id);
  return out;
}

Json token_ids_json(std::span<const engine::OutputToken> tokens) {
  Json out = Json::array();
  for (const engine::OutputToken& token : tokens) out.push_back(token.id);
  return out;
}

// The matched stop string, the matched id as a number, "timeout", or null.
Json stop_reason_json(FinishReason finish, const std::string& reason) {
  constexpr std::string_view kTokenPrefix = "token:";
  if (finish == FinishReason::kTimeout) return "timeout";
  if (reason.empty()) return nullptr;
  if (reason.starts_with(kTokenPrefix)) {
    std::int64_t id = 0;
    const char* const begin = reason.data() + kTokenPrefix.size();
    const char* const end = reason.data() + reason.size();
    const auto [stop, error] = std::from_chars(begin, end, id);
    if (error == std::errc() && stop == end) return id;
  }
  return reason;
}

Json finish_json(FinishReason finish, const ChoiceState& state) {
  if (finish == FinishReason::kNone) return nullptr;
  const bool calls = state.parser != nullptr && state.parser->call_count() > 0;
  if (finish == FinishReason::kStop && calls) return "tool_calls";
  return finish_reason_name(finish);
}

Json call_json(const text::ToolCall& call) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

Json message_json(const text::Answer& answer) {
  Json message = {{"role", "assistant"}, {"content", answer.content}, {"refusal", nullptr}};
  const bool nothing_said = !answer.calls.empty() || !answer.reasoning.empty();
  if (answer.content.empty() && nothing_said) message["content"] = nullptr;
  if (!answer.reasoning.empty()) {
    message["reasoning_content"] = answer.reasoning;
    message["reasoning"] = answer.reasoning;
  }
  if (answer.calls.empty()) return message;
  Json calls = Json::array();
  for (const text::ToolCall& call : answer.calls) calls.push_back(call_json(call));
  message["tool_calls"] = std::move(calls);
  return message;
}

// The events of one output as the delta of a chunk.
Json delta_json(const text::AnswerEvents& events, bool first) {
  Json delta = Json::object();
  if (first) delta["role"] = "assistant";
  if (first && events.empty()) delta["content"] = "";
  const auto append = [&](const char* name, const std::string& text) {
    Json& member = delta[name];
    member = member.is_string() ? member.get<std::string>() + text : text;
  };
  for (const text::AnswerEvent& event : events) {
    switch (event.kind) {
      case text::AnswerEvent::Kind::kContent:
        append("content", event.text);
        break;
      case text::AnswerEvent::Kind::kReasoning:
        append("reasoning_content", event.text);
        append("reasoning", event.text);
        break;
      case text::AnswerEvent::Kind::kCallBegin: {
        Json call = call_json({event.call_id, event.text, {}});
        Json indexed = {{"index", event.call_idx}};
        indexed.update(call);
        delta["tool_calls"].push_back(std::move(indexed));
        break;
      }
      case text::AnswerEvent::Kind::kArguments:
        delta["tool_calls"].push_back(
            {{"index", event.call_idx}, {"function", {{"arguments", event.text}}}});
        break;
    }
  }
  return delta;
}

struct Totals {
  std::int64_t prompt = 0, completion = 0, cached = 0, drafts = 0, accepted = 0;
  std::int64_t predicted = 0, accepted_predicted = 0, reasoning = 0;
};

Totals totals(const GenerationPlan& plan, const std::vector<ChoiceState>& choices) {
  Totals out;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const bool first_of_prompt = i % static_cast<std::size_t>(plan.n) == 0;
    out.completion += choices[i].finish == FinishReason::kNone ? choices[i].token_count
                                                               : choices[i].usage.completion_tokens;
    out.drafts += choices[i].usage.draft_tokens;
    out.accepted += choices[i].usage.accepted_draft_tokens;
    out.predicted += choices[i].usage.predicted_tokens;
    out.accepted_predicted += choices[i].usage.accepted_predicted_tokens;
    out.reasoning += choices[i].usage.reasoning_tokens;
    if (first_of_prompt) out.cached += choices[i].usage.cached_tokens;
  }
  for (const PromptPlan& prompt : plan.prompts) out.prompt += prompt.prompt_tokens;
  return out;
}

Json usage_json(const GenerationPlan& plan, const std::vector<ChoiceState>& choices) {
  const Totals sum = totals(plan, choices);
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

// llama.cpp's timings: prefill and decode of the request as a whole.
Json timings_json(const GenerationPlan& plan, const std::vector<ChoiceState>& choices) {
  const Totals sum = totals(plan, choices);
  Time scheduled = Time::max(), first = Time::max(), finished = Time::zero();
  for (const ChoiceState& choice : choices) {
    // A choice that ended early ends where it stands.
    const engine::Timings& times = choice.timings;
    const Time end = times.finished;
    scheduled =
        std::min(scheduled, times.first_scheduled > Time::zero() ? times.first_scheduled : end);
    first = std::min(first, times.first_token > Time::zero() ? times.first_token : end);
    finished = std::max(finished, end);
  }
  const double prompt_ms = std::max(0.0, to_seconds(first - scheduled) * 1e3);
  const double predicted_ms = std::max(0.0, to_seconds(finished - first) * 1e3);
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

bool all_finished(const std::vector<ChoiceState>& choices) {
  return std::all_of(choices.begin(), choices.end(), [](const ChoiceState& choice) {
    return choice.finish != FinishReason::kNone;
  });
}

}  // namespace

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
    case FinishReason::kTimeout:
      return "length";
    case FinishReason::kAbort:
      return "abort";
    case FinishReason::kError:
      return "error";
    case FinishReason::kNone:
      break;
  }
  return "none";
}

text::AnswerEvents answer_events(const GenerationPlan& plan, const engine::Output& output,
                                 ChoiceState& state) {
  text::AnswerEvents events;
  if (!plan.answer.parser) {
    text::add_event(events, text::AnswerEvent::Kind::kContent, output.text);
    return events;
  }
  if (!state.parser) state.parser = std::make_unique<text::AnswerParser>(*plan.answer.parser);
  events = state.parser->push(output.text);
  if (output.finish == FinishReason::kNone) return events;
  const bool cut = output.finish != FinishReason::kStop;
  for (text::AnswerEvent& event : state.parser->finish(cut)) {
    if (event.kind == text::AnswerEvent::Kind::kCallBegin) {
      events.push_back(std::move(event));
    } else {
      text::add_event(events, event.kind, event.text, event.call_idx);
    }
  }
  return events;
}

// The tokens that an answer or a chunk shows of one choice.
struct AnswerFormatter::Parts {
  std::span<const engine::OutputToken> tokens;
  std::span<const engine::OutputToken> prompt_tokens;

  Json logprobs(const GenerationPlan& plan, const text::Tokenizer& tokenizer,
                std::int64_t& next_offset) const {
    if (plan.logprobs < 0) return nullptr;
    const LogprobsStyle style{plan.tokens_as_ids, plan.logprobs};
    if (plan.endpoint == kChat) return chat_logprobs(tokenizer, tokens, style);
    if (!plan.echo) return completion_logprobs(tokenizer, tokens, style, 0, next_offset);
    std::vector<engine::OutputToken> all(prompt_tokens.begin(), prompt_tokens.end());
    all.insert(all.end(), tokens.begin(), tokens.end());
    return completion_logprobs(tokenizer, all, style, prompt_tokens.size(), next_offset);
  }
};

AnswerFormatter::AnswerFormatter(const GenerationPlan& plan, const engine::Engine& engine,
                                 std::string id)
    : plan_(plan),
      tokenizer_(engine.tokenizer()),
      id_((plan.endpoint == kChat ? "chatcmpl-" : "cmpl-") + std::move(id)),
      fingerprint_("quire-" + engine.card().fingerprint),
      created_(std::chrono::duration_cast<std::chrono::seconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count()) {}

namespace {

Json envelope(const GenerationPlan& plan, std::string_view object, const std::string& id,
              std::int64_t created, const std::string& fingerprint) {
  Json out = Json::object();
  out["id"] = id;
  out["object"] = object;
  out["created"] = created;
  out["model"] = plan.model;
  out["system_fingerprint"] = fingerprint;
  return out;
}

// No other choice has shown anything yet.
bool is_only_begun(const std::vector<ChoiceState>& choices, std::size_t index) {
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i != index && choices[i].chunks > 0) return false;
  }
  return true;
}

void add_warnings(const GenerationPlan& plan, Json& out) {
  if (!plan.warnings.empty()) out["warnings"] = plan.warnings;
}

}  // namespace

std::string AnswerFormatter::whole(const std::vector<ChoiceState>& choices) const {
  const bool chat = plan_.endpoint == kChat;
  Json out =
      envelope(plan_, chat ? "chat.completion" : "text_completion", id_, created_, fingerprint_);
  Json list = Json::array();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const ChoiceState& state = choices[i];
    const std::size_t first = i - i % static_cast<std::size_t>(plan_.n);
    const PromptPlan& prompt = plan_.prompts[first / static_cast<std::size_t>(plan_.n)];
    const auto& prompt_tokens = choices[first].prompt_tokens;
    const Parts parts{state.tokens, prompt_tokens};
    std::int64_t offset = 0;
    Json choice = Json::object();
    choice["index"] = i;
    if (chat) {
      choice["message"] = message_json(state.answer);
    } else {
      choice["text"] = prompt.echo + state.answer.content;
    }
    choice["logprobs"] = parts.logprobs(plan_, tokenizer_, offset);
    choice["finish_reason"] = finish_json(state.finish, state);
    choice["stop_reason"] = stop_reason_json(state.finish, state.stop_reason);
    if (plan_.return_token_ids) choice["token_ids"] = token_ids_json(state.tokens);
    if (!chat && plan_.return_token_ids) choice["prompt_token_ids"] = ids_json(prompt.prompt_ids);
    if (!chat && plan_.shows_prompt_logprobs) {
      choice["prompt_logprobs"] = prompt_logprobs(tokenizer_, prompt_tokens);
    }
    list.push_back(std::move(choice));
  }
  out["choices"] = std::move(list);
  out["usage"] = usage_json(plan_, choices);
  if (chat && plan_.return_token_ids) {
    out["prompt_token_ids"] = ids_json(plan_.prompts.front().prompt_ids);
  }
  if (chat && plan_.shows_prompt_logprobs) {
    out["prompt_logprobs"] = prompt_logprobs(tokenizer_, choices.front().prompt_tokens);
  }
  out["timings"] = timings_json(plan_, choices);
  add_warnings(plan_, out);
  return dump_json(out);
}

std::string AnswerFormatter::chunk(std::size_t index, const engine::Output& output,
                                   std::vector<ChoiceState>& choices) const {
  ChoiceState& state = choices[index];
  const bool chat = plan_.endpoint == kChat;
  const bool first = state.chunks++ == 0;
  const text::AnswerEvents events = answer_events(plan_, output, state);
  const bool shows_tokens = plan_.logprobs >= 0 || plan_.return_token_ids;
  if (!first && events.empty() && output.finish == FinishReason::kNone &&
      !(shows_tokens && !output.tokens.empty())) {
    return {};
  }
  const std::size_t first_index = index - index % static_cast<std::size_t>(plan_.n);
  const PromptPlan& prompt = plan_.prompts[first_index / static_cast<std::size_t>(plan_.n)];
  const auto& prompt_tokens = choices[first_index].prompt_tokens;
  const std::span<const engine::OutputToken> shown_prompt =
      first ? std::span<const engine::OutputToken>(prompt_tokens)
            : std::span<const engine::OutputToken>();
  const Parts parts{output.tokens, shown_prompt};

  Json choice = Json::object();
  choice["index"] = index;
  if (chat) {
    choice["delta"] = delta_json(events, first);
  } else {
    choice["text"] = (first ? prompt.echo : "") + output.text;
  }
  choice["logprobs"] = parts.logprobs(plan_, tokenizer_, state.text_offset);
  choice["finish_reason"] = finish_json(output.finish, state);
  if (output.finish != FinishReason::kNone) {
    choice["stop_reason"] = stop_reason_json(output.finish, output.stop_reason);
  }
  if (plan_.return_token_ids) choice["token_ids"] = token_ids_json(output.tokens);
  if (!chat && first && plan_.return_token_ids) {
    choice["prompt_token_ids"] = ids_json(prompt.prompt_ids);
  }
  if (!chat && first && plan_.shows_prompt_logprobs) {
    choice["prompt_logprobs"] = prompt_logprobs(tokenizer_, prompt_tokens);
  }

  Json out = envelope(plan_, chat ? "chat.completion.chunk" : "text_completion", id_, created_,
                      fingerprint_);
  out["choices"] = Json::array({std::move(choice)});
  if (plan_.continuous_usage) {
    out["usage"] = usage_json(plan_, choices);
  } else if (plan_.include_usage) {
    out["usage"] = nullptr;
  }
  if (first && is_only_begun(choices, index)) {
    if (chat && plan_.return_token_ids) out["prompt_token_ids"] = ids_json(prompt.prompt_ids);
    if (chat && plan_.shows_prompt_logprobs) {
      out["prompt_logprobs"] = prompt_logprobs(tokenizer_, prompt_tokens);
    }
    add_warnings(plan_, out);
  }
  if (all_finished(choices)) out["timings"] = timings_json(plan_, choices);
  return dump_json(out);
}

std::string AnswerFormatter::usage_chunk(const std::vector<ChoiceState>& choices) const {
  Json out = envelope(plan_, plan_.endpoint == kChat ? "chat.completion.chunk" : "text_completion",
                      id_, created_, fingerprint_);
  out["choices"] = Json::array();
  out["usage"] = usage_json(plan_, choices);
  out["timings"] = timings_json(plan_, choices);
  return dump_json(out);
}

}  // namespace quire::server
