// Drafters without a model: both look for the end of the known tokens in an earlier text.
#include "engine/drafter.h"

#include <algorithm>
#include <map>

namespace quire::engine {
namespace {

using Tokens = std::span<const std::int32_t>;

// Longest history that is searched for an occurrence: bounds the work of a step.
constexpr std::size_t kSearchMax = 16384;
// Proposals without a hit before a request pauses, and the first and longest pause in steps.
constexpr int kMissesMax = 4;
constexpr int kPauseFirst = 8;
constexpr int kPauseLongest = 128;

// Where in `text` the longest suffix of `tokens` (1 to ngram_max) was last continued: the index
// behind the occurrence, or nothing. An occurrence must end before `end`.
struct Match {
  std::size_t behind = 0;
  std::size_t length = 0;
};
Match find_suffix(Tokens text, std::size_t end, Tokens tokens, int ngram_max) {
  Match best;
  if (tokens.empty()) return best;
  const std::size_t longest =
      std::min<std::size_t>(static_cast<std::size_t>(ngram_max), tokens.size());
  const std::size_t begin = end > kSearchMax ? end - kSearchMax : 0;
  for (std::size_t at = end; at-- > begin;) {
    if (text[at] != tokens.back()) continue;
    std::size_t length = 1;
    while (length < longest && length <= at &&
           text[at - length] == tokens[tokens.size() - 1 - length]) {
      ++length;
    }
    if (length > best.length) best = {at + 1, length};
    if (best.length == longest) break;
  }
  return best;
}

std::vector<std::int32_t> slice(Tokens text, std::size_t begin, int max) {
  const std::size_t end = std::min(text.size(), begin + static_cast<std::size_t>(max));
  return {text.begin() + static_cast<std::ptrdiff_t>(std::min(begin, end)),
          text.begin() + static_cast<std::ptrdiff_t>(end)};
}

// Pauses of growing length while guesses fail.
class Pacer {
 public:
  bool ready() {
    if (pause_left_ == 0) return true;
    --pause_left_;
    return false;
  }
  void observe(int accepted) {
    if (accepted > 0) {
      misses_ = 0;
      pause_ = kPauseFirst;
      return;
    }
    if (++misses_ < kMissesMax) return;
    misses_ = kMissesMax - 1;  // one more miss after the pause starts the next one
    pause_left_ = pause_;
    pause_ = std::min(2 * pause_, kPauseLongest);
  }

 private:
  int misses_ = 0;
  int pause_ = kPauseFirst;
  int pause_left_ = 0;
};

class PromptLookupDrafter final : public Drafter {
 public:
  explicit PromptLookupDrafter(int ngram_max) : ngram_max_(ngram_max) {}

  std::vector<std::int32_t> propose(scheduler::RequestId id, Tokens tokens, int max) override {
    if (max <= 0 || tokens.size() < 2 || !pacers_[id].ready()) return {};
    const Match match = find_suffix(tokens, tokens.size() - 1, tokens, ngram_max_);
    // A lone token recurs by chance too often to be worth a row.
    if (match.length < 2) return {};
    return slice(tokens, match.behind, max);
  }
  void observe(scheduler::RequestId id, int /*proposed*/, int accepted) override {
    pacers_[id].observe(accepted);
  }
  void release(scheduler::RequestId id) override { pacers_.erase(id); }

 private:
  int ngram_max_;
  std::map<scheduler::RequestId, Pacer> pacers_;
};

class PredictedDrafter final : public Drafter {
 public:
  explicit PredictedDrafter(int ngram_max) : ngram_max_(ngram_max) {}

  void begin(scheduler::RequestId id, Tokens predicted) override {
    if (predicted.empty()) return;
    states_[id].predicted.assign(predicted.begin(), predicted.end());
  }
  std::vector<std::int32_t> propose(scheduler::RequestId id, Tokens tokens, int max) override {
    const auto found = states_.find(id);
    if (found == states_.end() || max <= 0) return {};
    State& state = found->second;
    if (!state.pacer.ready()) return {};
    const Tokens predicted = state.predicted;
    if (tokens.size() == state.aligned_size + 1 && state.next < predicted.size() &&
        predicted[state.next] == tokens.back()) {
      ++state.next;  // still in step with the prediction
    } else {
      const Match match = find_suffix(predicted, predicted.size(), tokens, ngram_max_);
      if (match.length == 0) return {};
      state.next = match.behind;
    }
    state.aligned_size = tokens.size();
    return slice(predicted, state.next, max);
  }
  void observe(scheduler::RequestId id, int /*proposed*/, int accepted) override {
    const auto found = states_.find(id);
    if (found == states_.end()) return;
    found->second.pacer.observe(accepted);
  }
  void release(scheduler::RequestId id) override { states_.erase(id); }
  bool follows_prediction() const override { return true; }

 private:
  struct State {
    std::vector<std::int32_t> predicted;
    std::size_t next = 0;          // in `predicted`, of the token expected after the known ones
    std::size_t aligned_size = 0;  // known tokens when `next` was found
    Pacer pacer;
  };
  int ngram_max_;
  std::map<scheduler::RequestId, State> states_;
};

}  // namespace

std::unique_ptr<Drafter> make_prompt_lookup_drafter(int ngram_max) {
  return std::make_unique<PromptLookupDrafter>(ngram_max);
}

std::unique_ptr<Drafter> make_predicted_drafter(int ngram_max) {
  return std::make_unique<PredictedDrafter>(ngram_max);
}

}  // namespace quire::engine
