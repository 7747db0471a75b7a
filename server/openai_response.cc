// Members are set in the order in which OpenAI's own answers have them.
#include "server/openai_response.h"

#include <algorithm>
#include <utility>

#include "server/answer_values.h"
#include "server/chat_json.h"
#include "server/logprobs_json.h"
#include "server/sse_writer.h"
#include "server/usage_json.h"

namespace quire::server {
namespace {

using engine::FinishReason;

Json ids_json(std::span<const std::int32_t> ids) {
  Json out = Json::array();
  for (const std::int32_t id : ids) out.push_back(id);
  return out;
}

// The matched stop string, the matched id as a number, "timeout", or null.
Json stop_reason_json(const ChoiceState& state) {
  if (state.finish == FinishReason::kTimeout) return "timeout";
  if (state.stop_token_id >= 0) return state.stop_token_id;
  return state.stop_reason.empty() ? Json(nullptr) : Json(state.stop_reason);
}

Json finish_json(const GenerationPlan& plan, const ChoiceState& state) {
  if (state.finish == FinishReason::kNone) return nullptr;
  const std::string_view name = finish_reason_name(state);
  return plan.legacy_functions && name == "tool_calls" ? "function_call" : name;
}

bool all_finished(const std::vector<ChoiceState>& choices) {
  return std::all_of(choices.begin(), choices.end(), [](const ChoiceState& choice) {
    return choice.finish != FinishReason::kNone;
  });
}

}  // namespace

std::string_view finish_reason_name(const ChoiceState& state) {
  switch (state.finish) {
    case FinishReason::kStop:
      return state.answer.calls.empty() ? "stop" : "tool_calls";
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

namespace {

Json envelope(const GenerationPlan& plan, std::string_view object, const std::string& id,
              std::int64_t created, const std::string& fingerprint) {
  Json out = Json::object();
  out["id"] = id;
  out["object"] = object;
  out["created"] = created;
  out["model"] = plan.model;
  if (plan.shows_tier) out["service_tier"] = plan.service_tier;
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

// The tokens that an answer or a chunk shows of one choice.
struct Parts {
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

class OpenAiWriter final : public AnswerWriter {
 public:
  OpenAiWriter(const GenerationPlan& plan, const engine::Engine& engine, std::string id)
      : plan_(plan),
        tokenizer_(engine.tokenizer()),
        is_chat_(plan.endpoint == kChat),
        id_((is_chat_ ? "chatcmpl-" : "cmpl-") +
            (plan.request_id.empty() ? std::move(id) : plan.request_id)),
        fingerprint_("quire-" + engine.card().fingerprint),
        created_(unix_seconds()) {}

  std::string whole(const std::vector<ChoiceState>& choices) override;
  std::string piece(const AnswerPiece& piece, std::vector<ChoiceState>& choices) override;
  std::string stream_end(const std::vector<ChoiceState>& choices) override;
  std::string stream_error(const ApiError& error) override {
    return sse_event(error_body(error)) + std::string(kSseDone);
  }

 private:
  const PromptPlan& prompt_of(std::size_t index) const {
    return plan_.prompts[index / static_cast<std::size_t>(plan_.n)];
  }
  std::size_t first_choice(std::size_t index) const {
    return index - index % static_cast<std::size_t>(plan_.n);
  }
  CallStyle call_style() const {
    return plan_.legacy_functions ? CallStyle::kFunction : CallStyle::kTools;
  }
  // What was asked about the prompt of a choice.
  void add_prompt(std::size_t index, const std::vector<ChoiceState>& choices, Json& out) const;
  Json whole_choice(std::size_t index, const std::vector<ChoiceState>& choices) const;
  Json piece_choice(const AnswerPiece& piece, std::vector<ChoiceState>& choices, bool first) const;
  void add_costs(const std::vector<ChoiceState>& choices, Json& out) const;

  const GenerationPlan& plan_;
  const text::Tokenizer& tokenizer_;
  const bool is_chat_;
  std::string id_;
  std::string fingerprint_;
  std::int64_t created_;
};

void OpenAiWriter::add_costs(const std::vector<ChoiceState>& choices, Json& out) const {
  out["timings"] = timings_json(plan_, choices);
  if (plan_.receipt) out["receipt"] = receipt_json(plan_, choices, SteadyClock().now());
}

void OpenAiWriter::add_prompt(std::size_t index, const std::vector<ChoiceState>& choices,
                              Json& out) const {
  const PromptPlan& prompt = prompt_of(index);
  if (plan_.return_token_ids) out["prompt_token_ids"] = ids_json(prompt.prompt_ids);
  if (plan_.return_token_offsets) out["prompt_token_offsets"] = offsets_json(prompt.offsets);
  if (plan_.return_prompt_text) out["prompt_text"] = prompt.text;
  if (!plan_.shows_prompt_logprobs) return;
  out["prompt_logprobs"] = prompt_logprobs(tokenizer_, choices[first_choice(index)].prompt_tokens);
}

Json OpenAiWriter::whole_choice(std::size_t index, const std::vector<ChoiceState>& choices) const {
  const ChoiceState& state = choices[index];
  const PromptPlan& prompt = prompt_of(index);
  const auto& prompt_tokens = choices[first_choice(index)].prompt_tokens;
  const Parts parts{state.tokens, prompt_tokens};
  std::int64_t offset = 0;
  Json choice = Json::object();
  choice["index"] = index;
  if (is_chat_) {
    choice["message"] = message_json(state.answer, call_style());
    if (!prompt.echo.empty()) {
      Json& content = choice["message"]["content"];
      content = prompt.echo + (content.is_string() ? content.get<std::string>() : "");
    }
  } else {
    choice["text"] = prompt.echo + state.answer.content;
  }
  choice["logprobs"] = parts.logprobs(plan_, tokenizer_, offset);
  choice["finish_reason"] = finish_json(plan_, state);
  choice["stop_reason"] = stop_reason_json(state);
  if (plan_.return_token_ids) choice["token_ids"] = token_ids_json(state.tokens);
  if (!is_chat_) add_prompt(index, choices, choice);
  return choice;
}

std::string OpenAiWriter::whole(const std::vector<ChoiceState>& choices) {
  Json out = envelope(plan_, is_chat_ ? "chat.completion" : "text_completion", id_, created_,
                      fingerprint_);
  Json list = Json::array();
  for (std::size_t i = 0; i < choices.size(); ++i) list.push_back(whole_choice(i, choices));
  out["choices"] = std::move(list);
  out["usage"] = usage_json(plan_, choices);
  if (is_chat_) add_prompt(0, choices, out);
  add_costs(choices, out);
  add_warnings(plan_, out);
  return dump_json(out);
}

Json OpenAiWriter::piece_choice(const AnswerPiece& piece, std::vector<ChoiceState>& choices,
                                bool first) const {
  ChoiceState& state = choices[piece.index];
  const PromptPlan& prompt = prompt_of(piece.index);
  const auto& prompt_tokens = choices[first_choice(piece.index)].prompt_tokens;
  const std::span<const engine::OutputToken> shown_prompt =
      first ? std::span<const engine::OutputToken>(prompt_tokens)
            : std::span<const engine::OutputToken>();
  const Parts parts{piece.output->tokens, shown_prompt};
  Json choice = Json::object();
  choice["index"] = piece.index;
  if (is_chat_) {
    choice["delta"] = delta_json(*piece.events, call_style(), first, first ? prompt.echo : "");
  } else {
    std::string text = first ? prompt.echo : "";
    for (const text::AnswerEvent& event : *piece.events) text += event.text;
    choice["text"] = std::move(text);
  }
  choice["logprobs"] = parts.logprobs(plan_, tokenizer_, state.text_offset);
  const bool ends = piece.output->finish != FinishReason::kNone;
  choice["finish_reason"] = ends ? finish_json(plan_, state) : Json(nullptr);
  if (ends) choice["stop_reason"] = stop_reason_json(state);
  if (plan_.return_token_ids) choice["token_ids"] = token_ids_json(piece.output->tokens);
  if (!is_chat_ && first) add_prompt(piece.index, choices, choice);
  return choice;
}

std::string OpenAiWriter::piece(const AnswerPiece& piece, std::vector<ChoiceState>& choices) {
  ChoiceState& state = choices[piece.index];
  const engine::Output& output = *piece.output;
  const bool first = state.chunks++ == 0;
  const bool shows_tokens = plan_.logprobs >= 0 || plan_.return_token_ids;
  if (!first && piece.events->empty() && output.finish == FinishReason::kNone &&
      !(shows_tokens && !output.tokens.empty())) {
    return {};
  }
  Json out = envelope(plan_, is_chat_ ? "chat.completion.chunk" : "text_completion", id_, created_,
                      fingerprint_);
  out["choices"] = Json::array({piece_choice(piece, choices, first)});
  if (plan_.continuous_usage) {
    out["usage"] = usage_json(plan_, choices);
  } else if (plan_.include_usage) {
    out["usage"] = nullptr;
  }
  if (first && is_only_begun(choices, piece.index)) {
    if (is_chat_) add_prompt(piece.index, choices, out);
    add_warnings(plan_, out);
  }
  if (output.finish != FinishReason::kNone && all_finished(choices)) add_costs(choices, out);
  return sse_event(dump_json(out));
}

std::string OpenAiWriter::stream_end(const std::vector<ChoiceState>& choices) {
  if (!plan_.include_usage) return std::string(kSseDone);
  Json out = envelope(plan_, is_chat_ ? "chat.completion.chunk" : "text_completion", id_, created_,
                      fingerprint_);
  out["choices"] = Json::array();
  out["usage"] = usage_json(plan_, choices);
  add_costs(choices, out);
  return sse_event(dump_json(out)) + std::string(kSseDone);
}

}  // namespace

std::unique_ptr<AnswerWriter> make_openai_writer(const GenerationPlan& plan,
                                                 const engine::Engine& engine, std::string id) {
  return std::make_unique<OpenAiWriter>(plan, engine, std::move(id));
}

}  // namespace quire::server
