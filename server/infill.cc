// The body becomes one of /v1/completions whose prompt is token ids.
#include "server/infill.h"

#include <array>

#include "server/fim.h"
#include "server/sse_writer.h"
#include "server/usage_json.h"

namespace quire::server {
namespace {

using engine::FinishReason;

constexpr std::array<std::string_view, 4> kOwn{"prompt", "input_prefix", "input_suffix",
                                               "input_extra"};

class InfillWriter final : public AnswerWriter {
 public:
  explicit InfillWriter(const GenerationPlan& plan) : plan_(plan) {}

  std::string whole(const std::vector<ChoiceState>& choices) override {
    return dump_json(final_json(choices, choices.front().answer.content));
  }
  std::string piece(const AnswerPiece& piece, std::vector<ChoiceState>&) override {
    std::string text;
    for (const text::AnswerEvent& event : *piece.events) text += event.text;
    if (text.empty()) return {};
    return sse_event(dump_json({{"index", 0}, {"content", text}, {"stop", false}}));
  }
  std::string stream_end(const std::vector<ChoiceState>& choices) override {
    return sse_event(dump_json(final_json(choices, "")));
  }
  std::string stream_error(const ApiError& error) override { return sse_event(error_body(error)); }

 private:
  Json final_json(const std::vector<ChoiceState>& choices, const std::string& text) const {
    const ChoiceState& state = choices.front();
    const UsageTotals sum = sum_usage(plan_, choices);
    const bool limit = finish_reason_name(state) == "length";
    const bool word = !limit && !state.stop_reason.empty();
    Json out = Json::object();
    out["index"] = 0;
    out["content"] = text;
    out["stop"] = true;
    out["model"] = plan_.model;
    out["tokens_predicted"] = sum.completion;
    out["tokens_evaluated"] = sum.prompt;
    out["tokens_cached"] = sum.cached;
    out["truncated"] = false;
    out["stop_type"] = limit ? "limit" : word ? "word" : "eos";
    out["stopping_word"] = word ? state.stop_reason : "";
    out["timings"] = timings_json(plan_, choices);
    if (plan_.receipt) out["receipt"] = receipt_json(plan_, choices, SteadyClock().now());
    if (!plan_.warnings.empty()) out["warnings"] = plan_.warnings;
    return out;
  }

  const GenerationPlan& plan_;
};

tl::expected<FimParts, ApiError> read_parts(const Fields& fields) {
  FimParts parts;
  if (const Json* prompt = fields.get("prompt"); prompt != nullptr && !prompt->is_string()) {
    return api_fail(kBadRequest, "prompt", "prompt must be a string");
  }
  parts.prefix = fields.text("input_prefix", "") + fields.text("prompt", "");
  parts.suffix = fields.text("input_suffix", "");
  const Json* extra = fields.get("input_extra");
  for (std::size_t i = 0; extra != nullptr && i < extra->size(); ++i) {
    const Json* text = find_member((*extra)[i], "text");
    const Json* name = find_member((*extra)[i], "filename");
    if (text == nullptr || !text->is_string() || (name != nullptr && !name->is_string())) {
      return api_fail(kBadRequest, fmt::format("input_extra[{}]", i),
                      "input_extra[{}] must have a text, and a filename that is a string", i);
    }
    parts.files.emplace_back(name != nullptr ? name->get<std::string>() : "tmp",
                             text->get<std::string>());
  }
  return parts;
}

}  // namespace

tl::expected<GenerationPlan, ApiError> plan_infill(std::string_view text, const Backend& backend,
                                                   const RequestPolicy& policy) {
  const auto body = parse_body(text);
  if (!body) return tl::unexpected(body.error());
  auto warnings = check_fields(*body, kInfill, policy.strict_fields);
  if (!warnings) return tl::unexpected(warnings.error());
  const text::Tokenizer& tokenizer = backend.engine->tokenizer();
  const auto tokens = find_fim_tokens(tokenizer);
  if (!tokens) {
    return api_fail(kUnsupportedEndpoint, "", "the model has no fill-in-the-middle tokens");
  }
  const auto parts = read_parts(Fields(*body));
  if (!parts) return tl::unexpected(parts.error());
  const auto ids = fim_prompt(tokenizer, *tokens, *parts);
  if (!ids) return tl::unexpected(api_error(ids.error()));
  Json completion = Json::object();
  for (const auto& [name, value] : body->items()) {
    const bool own = std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end();
    if (!own && find_field(name, kInfill) && find_field(name, kCompletions))
      completion[name] = value;
  }
  completion["prompt"] = *ids;
  auto plan = plan_parsed(kCompletions, completion, backend, policy);
  if (!plan) return plan;
  plan->warnings = std::move(*warnings);
  plan->make_writer = [](const GenerationPlan& it, const engine::Engine&,
                         const std::string&) -> std::unique_ptr<AnswerWriter> {
    return std::make_unique<InfillWriter>(it);
  };
  return plan;
}

}  // namespace quire::server
