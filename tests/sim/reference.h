// The answer to a request by the shortest way: no pages, no batch, no streaming. What every
// simulated schedule must reproduce.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "tests/sim/fake_model.h"
#include "tests/sim/fake_tokenizer.h"

namespace quire::sim {

struct Answer {
  std::vector<std::int32_t> tokens;
  std::string text;
  std::string stop_reason;
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

// kernels: any row of the table, they agree.
inline Answer reference_answer(const FakeFunction& model, const engine::GenerateRequest& request,
                               int choice) {
  using engine::FinishReason;
  const kernels::Kernels& kernels = kernels::kernels(kernels::Isa::kScalar);
  const engine::SamplingParams& params = request.sampling;
  std::vector<std::int32_t> ends = params.stop_token_ids;
  if (!params.ignore_eos) ends.push_back(FakeTokenizer::kEos);
  engine::Sampler sampler(params, request.prompt, ends,
                          engine::choice_seed(params.seed.value_or(0), choice));
  engine::SamplerScratch scratch;
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
    const auto token =
        sampler.sample(kernels, logits, static_cast<std::int64_t>(all.size()), scratch);
    if (!token) {
      answer.finish = FinishReason::kError;
      break;
    }
    const std::int32_t id = token->id;
    sampler.accept(id);
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
      if (!is_eos) answer.stop_reason = fmt::format("token:{}", id);
      answer.finish = FinishReason::kStop;
    } else if (made >= params.max_tokens) {
      answer.finish = FinishReason::kLength;
    }
  }
  answer.text = sanitize(exempt + open);
  return answer;
}

}  // namespace quire::sim
