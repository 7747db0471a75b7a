// The answer to a request by the shortest way: no pages, no batch, no streaming. What every
// simulated schedule must reproduce.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/grammar/automaton.h"
#include "engine/sampler.h"
#include "tests/sim/fake_model.h"
#include "tests/sim/fake_tokenizer.h"

namespace quire::sim {

struct Answer {
  std::vector<std::int32_t> tokens;
  std::string text;
  std::string stop_reason;
  std::int32_t stop_token_id = -1;
  engine::FinishReason finish = engine::FinishReason::kNone;
};

namespace detail {

inline bool has(const std::vector<std::int32_t>& ids, std::int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// The first end of a stop string in `text`, and where that one begins.
struct StopHit {
  std::size_t begin = 0, end = 0;
  std::string stop;
};
inline StopHit find_stop(const std::string& text, const std::vector<std::string>& stops) {
  StopHit hit;
  for (std::size_t end = 1; end <= text.size() && hit.stop.empty(); ++end) {
    for (const std::string& stop : stops) {
      if (stop.size() > end || text.compare(end - stop.size(), stop.size(), stop) != 0) continue;
      if (stop.size() > hit.stop.size()) hit = {end - stop.size(), end, stop};
    }
  }
  return hit;
}

}  // namespace detail

// A text that must stay inside a grammar: one automaton, one byte after the other, no masks kept.
class ReferenceGrammar {
 public:
  explicit ReferenceGrammar(const std::shared_ptr<const grammar::Network>& network) {
    if (network) automaton_.emplace(network);
    if (network) state_ = automaton_->start();
  }

  // Whether the token may come; ends: tokens that end the answer.
  bool allows(std::int32_t id, const std::vector<std::int32_t>& ends) {
    if (!automaton_) return true;
    if (detail::has(ends, id) && automaton_->accepts(state_)) return true;
    return after(id) != grammar::kDead;
  }
  void accept(std::int32_t id) {
    if (automaton_) state_ = after(id);
  }
  bool is_complete() {
    return automaton_ && automaton_->accepts(state_) && !automaton_->can_continue(state_);
  }

 private:
  grammar::MatchState after(std::int32_t id) {
    if (id <= FakeTokenizer::kSpecial) return grammar::kDead;
    grammar::MatchState state = state_;
    for (const char c : FakeTokenizer::bytes(id, false)) {
      state = automaton_->step(state, static_cast<std::uint8_t>(c));
    }
    return state;
  }

  std::optional<grammar::Automaton> automaton_;
  grammar::MatchState state_ = grammar::kDead;
};

// kernels: any row of the table, they agree. network: of the request's grammar, null without one.
inline Answer reference_answer(const FakeFunction& model, const engine::GenerateRequest& request,
                               int choice,
                               const std::shared_ptr<const grammar::Network>& network = nullptr) {
  using engine::FinishReason;
  const kernels::Kernels& kernels = kernels::kernels(kernels::Isa::kScalar);
  const engine::SamplingParams& params = request.sampling;
  std::vector<std::int32_t> ends = params.stop_token_ids;
  if (!params.ignore_eos) ends.push_back(FakeTokenizer::kEos);
  engine::Sampler sampler(params, request.prompt, ends,
                          engine::choice_seed(params.seed.value_or(0), choice));
  engine::SamplerScratch scratch;
  ReferenceGrammar held(network);
  std::vector<std::int32_t> all = request.prompt;
  Answer answer;
  std::string exempt, open;  // bytes that stop strings may not and may match
  while (answer.finish == FinishReason::kNone) {
    if (params.max_tokens == 0) {
      answer.finish = FinishReason::kLength;
      break;
    }
    const std::vector<float> logits = model.direct(all);
    if (!kernels.all_finite(logits.data(), static_cast<std::int64_t>(logits.size()))) {
      answer.finish = FinishReason::kError;
      break;
    }
    const auto position = static_cast<std::int64_t>(all.size());
    auto token = sampler.sample(kernels, logits, position, scratch);
    if (token && !held.allows(token->id, ends)) {
      std::vector<std::uint64_t> mask((logits.size() + 63) / 64, 0);
      for (std::size_t id = 0; id < logits.size(); ++id) {
        const bool allowed = held.allows(static_cast<std::int32_t>(id), ends);
        mask[id / 64] |= static_cast<std::uint64_t>(allowed) << (id % 64);
      }
      token = sampler.sample(kernels, logits, position, scratch, mask);
    }
    if (!token) {
      answer.finish = FinishReason::kError;
      break;
    }
    const std::int32_t id = token->id;
    sampler.accept(id, scratch.probability);
    held.accept(id);
    all.push_back(id);
    answer.tokens.push_back(id);
    const auto made = static_cast<std::int64_t>(answer.tokens.size());
    const bool is_eos = id == FakeTokenizer::kEos && !params.ignore_eos;
    const bool is_stop = is_eos || detail::has(params.stop_token_ids, id);
    if (!is_stop || (!is_eos && params.include_stop_str_in_output)) {
      (made <= params.min_tokens ? exempt : open) +=
          FakeTokenizer::bytes(id, params.skip_special_tokens);
    }
    const detail::StopHit hit = detail::find_stop(open, params.stop);
    if (!hit.stop.empty()) {
      open.resize(params.include_stop_str_in_output ? hit.end : hit.begin);
      answer.stop_reason = hit.stop;
      answer.finish = FinishReason::kStop;
    } else if (is_stop) {
      if (!is_eos) answer.stop_token_id = id;
      answer.finish = FinishReason::kStop;
    } else if (held.is_complete()) {
      answer.finish = FinishReason::kStop;
    } else if (made >= params.max_tokens) {
      answer.finish = FinishReason::kLength;
    }
  }
  answer.text = sanitize(exempt + open);
  return answer;
}

}  // namespace quire::sim
