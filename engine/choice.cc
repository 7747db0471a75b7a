// Draws, stop rules and detokenizing of one choice.
#include "engine/choice.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quire::engine {
namespace {

bool contains(std::span<const std::int32_t> ids, std::int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

std::vector<std::int32_t> end_ids(const ChoiceContext& context, const SamplingParams& params) {
  std::vector<std::int32_t> ids = params.stop_token_ids;
  if (!params.ignore_eos) ids.insert(ids.end(), context.eos_ids.begin(), context.eos_ids.end());
  return ids;
}

// With some special tokens to be shown, the choice itself leaves out the others.
bool decoder_skips(const GenerateRequest& request) {
  return request.sampling.skip_special_tokens && request.visible_special_ids.empty();
}

Error not_finite(std::int64_t position) {
  return Error{ErrorCode::kInternal,
               fmt::format("the model's logits for position {} are not finite", position)};
}

}  // namespace

Choice::Choice(const ChoiceContext& context, std::shared_ptr<LiveRequest> live, int index)
    : context_(&context),
      live_(std::move(live)),
      index_(index),
      sampler_(params(), live_->request.prompt, end_ids(context, params()),
               choice_seed(params().seed.value_or(0), index)),
      pooler_(live_->request.pooling, static_cast<std::int64_t>(live_->request.prompt.size())),
      guidance_(live_->request, end_ids(context, params())),
      decoder_(*context.tokenizer, {.skip_special_tokens = decoder_skips(live_->request)}),
      matcher_(params().stop, params().include_stop_str_in_output) {
  if (params().stop_pattern) pattern_.emplace(params().stop_pattern);
  // A prompt of one token has no row to score.
  const std::vector<std::int32_t>& prompt = live_->request.prompt;
  if (index_ == 0 && params().prompt_logprobs >= 0 && prompt.size() == 1) {
    prompt_scores_.push_back({prompt[0], 0, 0, {}});
  }
}

bool Choice::stops_answer(std::int32_t id) const {
  if (!params().ignore_eos && contains(context_->eos_ids, id)) return true;
  return contains(params().stop_token_ids, id);
}

bool Choice::is_hidden(std::int32_t id) const {
  const GenerateRequest& request = live_->request;
  return request.sampling.skip_special_tokens && !request.visible_special_ids.empty() &&
         context_->tokenizer->is_special(id) && !contains(request.visible_special_ids, id);
}

Draws Choice::draw(std::span<const float> rows, std::int64_t position,
                   std::span<const std::int32_t> drafts, SamplerScratch& scratch) {
  const std::size_t vocab = rows.size() / (drafts.size() + 1);
  Draws draws;
  for (std::size_t i = 0; i <= drafts.size(); ++i) {
    const std::span<const float> row = rows.subspan(i * vocab, vocab);
    const std::int64_t at = position + static_cast<std::int64_t>(i);
    if (!context_->kernels->all_finite(row.data(), static_cast<std::int64_t>(vocab))) {
      draws.poisoned = true;
      draws.error = not_finite(at);
      return draws;
    }
    auto token = guidance_.draw(sampler_, *context_->kernels, row, at, scratch);
    if (!token) {
      draws.error = token.error();
      return draws;
    }
    const std::int32_t id = token->id;
    sampler_.accept(id, scratch.probability);
    guidance_.accept(id);
    draws.tokens.push_back(std::move(*token));
    const auto made = made_ + static_cast<std::int64_t>(draws.tokens.size());
    if (stops_answer(id) || guidance_.is_complete() || made >= params().max_tokens) return draws;
    if (i == drafts.size() || drafts[i] != id) return draws;
  }
  return draws;
}

void Choice::set_finish(Output& output, FinishReason finish) {
  output.finish = finish;
  finished_ = true;
}

void Choice::add_text(OutputToken& token, Output& output) {
  if (token.id >= context_->tokenizer->vocab_size()) return;  // padding of the head: no text
  if (is_hidden(token.id)) return;
  auto piece = decoder_.push(token.id);
  if (!piece) {
    output.error = piece.error();
    set_finish(output, FinishReason::kError);
    return;
  }
  token.text_bytes = static_cast<std::int32_t>(piece->size());
  if (made_ <= params().min_tokens && params().min_tokens > 0) {
    output.text += *piece;  // stop strings count from min_tokens on
    return;
  }
  push_text(*piece, output);
}

void Choice::push_text(std::string_view piece, Output& output) {
  bool matched = false;
  if (pattern_) {
    const auto end = pattern_->push(piece);
    if (!end) {
      output.error = end.error();
      set_finish(output, FinishReason::kError);
      return;
    }
    matched = end->has_value();
    if (matched) piece = piece.substr(0, **end);
  }
  if (auto stop = matcher_.push(piece, output.text)) {
    output.stop_reason = std::move(*stop);
  } else if (matched) {
    matcher_.finish(output.text);
    output.stop_reason = params().stop_pattern->source();
  } else {
    return;
  }
  stop_matched_ = true;
  set_finish(output, FinishReason::kStop);
}

bool Choice::is_late(const Output& output, Time now) {
  if (params().predict_ms_max <= 0) return false;
  has_line_end_ |= output.text.find('\n') != std::string::npos;
  return has_line_end_ && now - first_token_ > std::chrono::milliseconds(params().predict_ms_max);
}

void Choice::flush_text(Output& output) {
  if (auto rest = decoder_.finish(); rest && !rest->empty()) {
    push_text(*rest, output);
    if (stop_matched_) return;
  }
  matcher_.finish(output.text);
}

Output Choice::take(Draws& draws, Time now) {
  Output output;
  output.choice = index_;
  if (!draws.tokens.empty() && !has_first_token_) {
    has_first_token_ = true;
    first_token_ = now;
  }
  for (std::size_t i = 0; i < draws.tokens.size() && !finished_; ++i) {
    OutputToken& token = draws.tokens[i];
    ++made_;
    const bool is_eos = !params().ignore_eos && contains(context_->eos_ids, token.id);
    if (stops_answer(token.id)) {
      if (!is_eos && params().include_stop_str_in_output) add_text(token, output);
      if (!is_eos && !finished_) output.stop_token_id = token.id;
      if (!finished_) set_finish(output, FinishReason::kStop);
    } else {
      add_text(token, output);
      const bool last = i + 1 == draws.tokens.size();
      if (!finished_ && last && guidance_.is_complete()) set_finish(output, FinishReason::kStop);
      if (!finished_ && made_ >= params().max_tokens) set_finish(output, FinishReason::kLength);
    }
    output.tokens.push_back(token);
  }
  draws.tokens.resize(output.tokens.size());
  if (!finished_ && is_late(output, now)) set_finish(output, FinishReason::kLength);
  if (draws.error && !finished_) {
    output.error = *draws.error;
    set_finish(output, FinishReason::kError);
  }
  if (finished_ && !stop_matched_) flush_text(output);
  if (finished_ || !output.tokens.empty()) output.prompt_tokens = std::exchange(prompt_scores_, {});
  return output;
}

Output Choice::end(FinishReason finish, Error error) {
  CHECK(!finished_, "choice {} of request {} ended twice", index_, live_->id);
  Output output;
  output.choice = index_;
  output.error = std::move(error);
  output.prompt_tokens = std::exchange(prompt_scores_, {});
  set_finish(output, finish);
  flush_text(output);
  output.finish = finish;
  return output;
}

void Choice::count_predicted(int proposed, int accepted) {
  predicted_ += proposed;
  accepted_predicted_ += accepted;
}

bool Choice::score_prompt_row(std::span<const float> logits) {
  const auto count = static_cast<std::int64_t>(logits.size());
  if (!context_->kernels->all_finite(logits.data(), count)) return false;
  const std::vector<std::int32_t>& prompt = live_->request.prompt;
  if (scored_rows_ == 0) prompt_scores_.push_back({prompt[0], 0, 0, {}});
  ++scored_rows_;
  const std::int32_t next = prompt[static_cast<std::size_t>(scored_rows_)];
  prompt_scores_.push_back(score_token(*context_->kernels, logits, next, params().prompt_logprobs));
  return true;
}

void Choice::close(Output& output, const scheduler::RequestTrace& trace, Time now) const {
  output.usage = {.prompt_tokens = static_cast<std::int64_t>(live_->request.prompt.size()),
                  .completion_tokens = made_,
                  .cached_tokens = trace.cached_tokens,
                  .draft_tokens = trace.draft_tokens,
                  .accepted_draft_tokens = trace.accepted_draft_tokens,
                  .predicted_tokens = predicted_,
                  .accepted_predicted_tokens = accepted_predicted_,
                  .reasoning_tokens = guidance_.reasoning_tokens(),
                  .preemptions = trace.preemptions,
                  .missed = trace.missed};
  const bool scheduled = trace.first_scheduled != Time::zero();
  const Time begun = scheduled ? std::max(trace.first_scheduled, live_->arrival) : now;
  output.timings = {.arrival = live_->arrival,
                    .first_scheduled = begun,
                    .first_token = has_first_token_ ? first_token_ : now,
                    .finished = now};
}

}  // namespace quire::engine
