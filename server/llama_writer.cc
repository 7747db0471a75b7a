// Several prompts come as a list when whole; in a stream each has an end of its own.
#include "server/llama_writer.h"

#include <algorithm>
#include <utility>

#include "server/answer_values.h"
#include "server/logprobs_json.h"
#include "server/sse_writer.h"
#include "server/usage_json.h"

namespace quire::server {
namespace {

using engine::FinishReason;

// The member at "a/b/c"; null when there is none.
const Json* member_at(const Json& whole, std::string_view path) {
  const Json* at = &whole;
  while (at != nullptr) {
    const std::size_t slash = path.find('/');
    at = at->is_object() ? find_member(*at, path.substr(0, slash)) : nullptr;
    if (slash == std::string_view::npos) return at;
    path.remove_prefix(slash + 1);
  }
  return nullptr;
}

// What there is of the fields that were asked for, by their whole paths.
Json pick(const std::vector<std::string>& fields, Json whole) {
  if (fields.empty()) return whole;
  Json out = Json::object();
  for (const std::string& path : fields) {
    if (const Json* member = member_at(whole, path)) out[path] = *member;
  }
  return out;
}

class LlamaWriter final : public AnswerWriter {
 public:
  LlamaWriter(const GenerationPlan& plan, const engine::Engine& engine, LlamaShape shape)
      : plan_(plan), tokenizer_(engine.tokenizer()), shape_(std::move(shape)) {}

  std::string whole(const std::vector<ChoiceState>& choices) override;
  std::string piece(const AnswerPiece& piece, std::vector<ChoiceState>& choices) override;
  std::string stream_end(const std::vector<ChoiceState>&) override { return {}; }
  std::string stream_error(const ApiError& error) override { return sse_event(error_body(error)); }

 private:
  const PromptPlan& prompt_of(std::size_t index) const {
    return plan_.prompts[index / static_cast<std::size_t>(plan_.n)];
  }
  Json end_json(std::size_t index, const ChoiceState& state) const;
  void add_probabilities(std::span<const engine::OutputToken> tokens, Json& out) const {
    if (shape_.n_probs == 0 || tokens.empty()) return;
    const LlamaProbs style{shape_.n_probs, shape_.post_sampling};
    out["completion_probabilities"] = llama_probs(tokenizer_, tokens, style);
  }

  const GenerationPlan& plan_;
  const text::Tokenizer& tokenizer_;
  const LlamaShape shape_;
};

// All that is told of a choice when it has ended, but its text and its tokens.
Json LlamaWriter::end_json(std::size_t index, const ChoiceState& state) const {
  const PromptPlan& prompt = prompt_of(index);
  GenerationPlan alone;  // so that the costs are those of this choice
  alone.arrival = plan_.arrival;
  alone.prompts.emplace_back().prompt_tokens = prompt.prompt_tokens;
  const std::vector<ChoiceState> choice = [&] {
    std::vector<ChoiceState> one(1);
    one[0].finish = state.finish;
    one[0].usage = state.usage;
    one[0].timings = state.timings;
    return one;
  }();
  const bool limit = finish_reason_name(state) == "length";
  const bool word = !limit && !state.stop_reason.empty();
  Json out = Json::object();
  out["index"] = index;
  out["content"] = "";
  out["tokens"] = Json::array();
  out["stop"] = true;
  out["model"] = plan_.model;
  out["tokens_predicted"] = state.usage.completion_tokens;
  out["tokens_evaluated"] = prompt.prompt_tokens;
  out["generation_settings"] = shape_.settings;
  out["prompt"] = prompt.text;
  out["has_new_line"] = state.answer.content.find('\n') != std::string::npos;
  out["truncated"] = false;
  out["stop_type"] = limit ? "limit" : word ? "word" : "eos";
  out["stopping_word"] = word ? state.stop_reason : "";
  out["tokens_cached"] = state.usage.cached_tokens;
  out["timings"] = timings_json(alone, choice);
  if (plan_.receipt) out["receipt"] = receipt_json(alone, choice, SteadyClock().now());
  if (!plan_.warnings.empty()) out["warnings"] = plan_.warnings;
  return out;
}

std::string LlamaWriter::whole(const std::vector<ChoiceState>& choices) {
  Json list = Json::array();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    Json out = end_json(i, choices[i]);
    out["content"] = choices[i].answer.content;
    if (plan_.return_token_ids) out["tokens"] = token_ids_json(choices[i].tokens);
    add_probabilities(choices[i].tokens, out);
    list.push_back(pick(shape_.fields, std::move(out)));
  }
  return dump_json(list.size() == 1 ? list.front() : list);
}

std::string LlamaWriter::piece(const AnswerPiece& piece, std::vector<ChoiceState>& choices) {
  const ChoiceState& state = choices[piece.index];
  const engine::Output& output = *piece.output;
  std::string text;
  for (const text::AnswerEvent& event : *piece.events) text += event.text;
  std::string out;
  if (!text.empty() || !output.tokens.empty()) {
    Json part = Json::object();
    part["index"] = piece.index;
    part["content"] = text;
    part["tokens"] = token_ids_json(output.tokens);
    part["stop"] = false;
    part["tokens_predicted"] = state.token_count;
    part["tokens_evaluated"] = prompt_of(piece.index).prompt_tokens;
    add_probabilities(output.tokens, part);
    out += sse_event(dump_json(part));
  }
  if (output.finish == FinishReason::kNone) return out;
  return out + sse_event(dump_json(pick(shape_.fields, end_json(piece.index, state))));
}

}  // namespace

Json llama_settings(const engine::GenerateRequest& request) {
  const engine::SamplingParams& p = request.sampling;
  Json out = Json::object();
  if (p.seed) out["seed"] = *p.seed;
  out["temperature"] = shown(p.temperature);
  out["dynatemp_range"] = shown(p.dynatemp_range);
  out["dynatemp_exponent"] = shown(p.dynatemp_exponent);
  out["top_k"] = p.top_k;
  out["top_p"] = shown(p.top_p);
  out["min_p"] = shown(p.min_p);
  out["top_n_sigma"] = shown(p.top_n_sigma);
  out["xtc_probability"] = shown(p.xtc_probability);
  out["xtc_threshold"] = shown(p.xtc_threshold);
  out["typical_p"] = shown(p.typical_p);
  out["repeat_last_n"] = p.repeat_last_n;
  out["repeat_penalty"] = shown(p.repeat_penalty);
  out["presence_penalty"] = shown(p.presence_penalty);
  out["frequency_penalty"] = shown(p.frequency_penalty);
  out["dry_multiplier"] = shown(p.dry.multiplier);
  out["dry_base"] = shown(p.dry.base);
  out["dry_allowed_length"] = p.dry.allowed_length;
  out["dry_penalty_last_n"] = p.dry.last_n;
  out["mirostat"] = p.mirostat;
  out["mirostat_tau"] = shown(p.mirostat_tau);
  out["mirostat_eta"] = shown(p.mirostat_eta);
  out["stop"] = p.stop;
  out["max_tokens"] = p.max_tokens;
  out["n_predict"] = p.max_tokens;
  out["ignore_eos"] = p.ignore_eos;
  out["n_probs"] = std::max(p.logprobs, 0);
  out["min_keep"] = p.min_keep;
  out["post_sampling_probs"] = p.logprobs_drawn;
  return out;
}

WriterMaker make_llama_writer(LlamaShape shape) {
  return [shape = std::move(shape)](const GenerationPlan& plan, const engine::Engine& engine,
                                    const std::string&) -> std::unique_ptr<AnswerWriter> {
    return std::make_unique<LlamaWriter>(plan, engine, shape);
  };
}

}  // namespace quire::server
