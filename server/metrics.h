// Counters, gauges and histograms under vLLM's names, so that existing dashboards work.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "engine/engine.h"

namespace quire::server {

// One choice that has ended, whatever the reason.
struct FinishedChoice {
  engine::FinishReason finish = engine::FinishReason::kNone;
  engine::Usage usage;
  engine::Timings timings;
  Time arrival = Time::zero();  // at the front end
};

// One prompt of which every choice has ended.
struct FinishedPrompt {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t max_tokens = 0;
  std::int64_t generation_tokens_max = 0;  // of the longest choice
  int n = 1;
};

// Thread-safe. The labels are fixed: nothing that a client sends becomes one.
class Metrics {
 public:
  Metrics(const std::string& model_name, std::int64_t context_max);
  ~Metrics();

  void observe_http(std::string_view handler, std::string_view method, int status, double seconds);
  void observe_first_token(double seconds);
  // `count` tokens that one step brought `gap` seconds after the last: the gap is shared evenly.
  void observe_inter_token(double gap, std::int64_t count);
  void observe_choice(const FinishedChoice& choice);
  void observe_prompt(const FinishedPrompt& prompt);
  void observe_unknown_fields(std::size_t count);

  // Text format 0.0.4. `engine` may be null while the model loads.
  std::string scrape(const engine::Engine* engine) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quire::server
