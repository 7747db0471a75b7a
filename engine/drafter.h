// Guesses of the next tokens. One interface for every kind; one verifier in the step loop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "scheduler/request.h"

namespace quire::engine {

// Drafts never change what is generated: a draft is accepted exactly when the target's own draw at
// its position gives the same token. Called on the engine thread between steps.
class Drafter {
 public:
  virtual ~Drafter() = default;
  // A request starts; `predicted` is the text its client expects, often empty.
  virtual void begin(scheduler::RequestId /*id*/, std::span<const std::int32_t> /*predicted*/) {}
  // Up to `max` tokens that may follow `tokens` (prompt and output so far); may be empty.
  virtual std::vector<std::int32_t> propose(scheduler::RequestId id,
                                            std::span<const std::int32_t> tokens, int max) = 0;
  // Of the last proposal, `accepted` of `proposed` tokens were right.
  virtual void observe(scheduler::RequestId id, int proposed, int accepted) = 0;
  virtual void release(scheduler::RequestId id) = 0;
  // Proposals come out of `predicted`.
  virtual bool follows_prediction() const { return false; }
};

// Prompt lookup: continues the latest earlier occurrence of the longest suffix of 1 to `ngram_max`
// tokens; pauses for a request whose guesses keep failing.
std::unique_ptr<Drafter> make_prompt_lookup_drafter(int ngram_max);

// Continues the client's predicted text from where the output last agreed with it.
std::unique_ptr<Drafter> make_predicted_drafter(int ngram_max);

}  // namespace quire::engine
