// One answer in the making: from drawn tokens to text, finish reason and usage.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/guidance.h"
#include "engine/sampler.h"
#include "engine/stop_matcher.h"
#include "engine/stop_pattern.h"
#include "kernels/kernels.h"
#include "models/text/tokenizer.h"
#include "scheduler/request.h"

namespace quire::engine {

// What all requests of one engine share.
struct ChoiceContext {
  const kernels::Kernels* kernels = nullptr;
  const text::Tokenizer* tokenizer = nullptr;
  std::vector<std::int32_t> eos_ids;
};

// A client's request; its choices hold it together until the last one has finished.
struct LiveRequest {
  RequestId id = 0;
  GenerateRequest request;
  OutputSink sink;
  Time arrival = {};
  int open_choices = 0;
};

// What the rows of one step gave: the accepted drafts and the token after them, cut at an end of
// the answer. Nothing is drawn behind a row that is not finite.
struct Draws {
  std::vector<OutputToken> tokens;
  bool poisoned = false;
  std::optional<Error> error;  // of the draw after `tokens`; set when poisoned
};

class Choice {
 public:
  // scheduler_id: of this choice, `index` behind the request's own.
  Choice(const ChoiceContext& context, std::shared_ptr<LiveRequest> live, int index);

  RequestId scheduler_id() const { return live_->id + static_cast<RequestId>(index_); }
  int index() const { return index_; }
  const LiveRequest& live() const { return *live_; }
  std::shared_ptr<LiveRequest> shared_live() const { return live_; }
  const SamplingParams& params() const { return live_->request.sampling; }
  bool finished() const { return finished_; }
  std::int64_t made() const { return made_; }
  Time first_token() const { return first_token_; }  // zero: none yet
  std::int64_t tokens_left() const { return params().max_tokens - made_; }

  // rows: [1 + drafts, V] raw logits; row i predicts the token at position + i. Token by token, as
  // long as a draw equals its draft. Touches this choice alone, so choices may draw in parallel.
  Draws draw(std::span<const float> rows, std::int64_t position,
             std::span<const std::int32_t> drafts, SamplerScratch& scratch);

  // The output of the step. Tokens behind a stop string are dropped from it and from `draws`.
  // now: when the tokens were made.
  Output take(Draws& draws, Time now);

  // Guesses that need no drafter; `cut` drops what the grammar would refuse anyway.
  Guidance& guidance() { return guidance_; }
  // Of a proposal out of the predicted text.
  void count_predicted(int proposed, int accepted);

  // The end of a choice from outside, without new tokens; what was held back of the text is out.
  Output end(FinishReason finish, Error error = {});

  // Prompt positions below this were scored (with prompt_logprobs); row j scores token j + 1.
  std::int64_t scored_rows() const { return scored_rows_; }
  bool scores_prompt() const { return params().prompt_logprobs >= 0 && index_ == 0; }
  // False when the row is not finite.
  bool score_prompt_row(std::span<const float> logits);

  Pooler& pooler() { return pooler_; }

  // Usage and times of the whole life, for the finishing output.
  void close(Output& output, const scheduler::RequestTrace& trace, Time now) const;

 private:
  bool stops_answer(std::int32_t id) const;
  bool is_hidden(std::int32_t id) const;
  void add_text(OutputToken& token, Output& output);
  void push_text(std::string_view piece, Output& output);
  void flush_text(Output& output);
  // predict_ms_max has passed.
  bool is_late(const Output& output, Time now);
  void set_finish(Output& output, FinishReason finish);

  const ChoiceContext* context_;
  std::shared_ptr<LiveRequest> live_;
  int index_;
  Sampler sampler_;
  Pooler pooler_;
  Guidance guidance_;
  text::StreamDecoder decoder_;
  StopMatcher matcher_;
  std::optional<PatternMatcher> pattern_;
  std::int64_t made_ = 0;
  std::int64_t predicted_ = 0, accepted_predicted_ = 0;
  std::int64_t scored_rows_ = 0;
  std::vector<OutputToken> prompt_scores_;
  Time first_token_ = {};
  bool has_first_token_ = false;
  bool has_line_end_ = false;
  bool finished_ = false;
  bool stop_matched_ = false;  // the text is cut: nothing that is held back may follow
};

}  // namespace quire::engine
