// Drafts that are right with a chosen probability, from answers known beforehand.
#pragma once

#include <map>
#include <vector>

#include "base/rng.h"
#include "engine/drafter.h"

namespace quire::sim {

class ScriptedDrafter final : public engine::Drafter {
 public:
  ScriptedDrafter(double accuracy, std::uint64_t seed, int vocab)
      : accuracy_(accuracy), vocab_(vocab), rng_(seed) {}

  // What the request will generate after `prompt_tokens` tokens.
  void expect(scheduler::RequestId id, std::size_t prompt_tokens,
              std::vector<std::int32_t> answer) {
    scripts_[id] = {prompt_tokens, std::move(answer)};
  }

  std::vector<std::int32_t> propose(scheduler::RequestId id, std::span<const std::int32_t> tokens,
                                    int max) override {
    const auto found = scripts_.find(id);
    if (found == scripts_.end() || max <= 0) return {};
    std::vector<std::int32_t> drafts;
    const auto count = rng_.below(static_cast<std::uint64_t>(max) + 1);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t at = tokens.size() - found->second.prompt_tokens + i;
      if (at >= found->second.answer.size()) break;
      const std::int32_t truth = found->second.answer[at];
      const auto other = 1 + rng_.below(static_cast<std::uint64_t>(vocab_) - 1);
      drafts.push_back(
          rng_.uniform() < accuracy_
              ? truth
              : static_cast<std::int32_t>((truth + static_cast<std::int64_t>(other)) % vocab_));
    }
    return drafts;
  }
  void observe(scheduler::RequestId, int proposed, int accepted) override {
    proposed_ += proposed;
    accepted_ += accepted;
  }
  void release(scheduler::RequestId id) override { scripts_.erase(id); }

  std::int64_t proposed() const { return proposed_; }
  std::int64_t accepted() const { return accepted_; }

 private:
  struct Script {
    std::size_t prompt_tokens = 0;
    std::vector<std::int32_t> answer;
  };
  double accuracy_;
  int vocab_;
  Rng rng_;
  std::map<scheduler::RequestId, Script> scripts_;
  std::int64_t proposed_ = 0, accepted_ = 0;
};

}  // namespace quire::sim
