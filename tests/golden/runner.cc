// Pages of 16 tokens in order, filled with NaN first.
#include "tests/golden/runner.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace quire::testing {

Runner::Runner(models::LoadedModel loaded, std::int64_t context, kernels::Arithmetic arithmetic)
    : vocab_(loaded.spec.vocab),
      model_(std::move(loaded.spec), std::move(loaded.weights),
             {.context_max = context,
              .step_tokens_max = static_cast<int>(context),
              .isa = kernels::best_isa(),
              .arithmetic = arithmetic}),
      team_(1) {
  constexpr int kPageTokens = 16;
  const auto pages = static_cast<std::size_t>((context + kPageTokens - 1) / kPageTokens);
  for (const models::KvGroup& group : model_.kv_groups()) {
    page_bytes_.push_back(group.token_bytes() * kPageTokens);
    memory_.emplace_back(pages * static_cast<std::size_t>(page_bytes_.back()), std::byte{0xff});
  }
  for (std::size_t i = 0; i < pages; ++i) table_.push_back(static_cast<std::int32_t>(i));
  state_.assign(static_cast<std::size_t>(model_.state_bytes()), std::byte{0});
}

std::vector<std::vector<float>> Runner::run(const std::vector<std::int32_t>& tokens) {
  const std::vector<std::span<const std::int32_t>> tables(memory_.size(), table_);
  const models::SequenceInput sequence{.row_begin = 0,
                                       .row_count = static_cast<int>(tokens.size()),
                                       .position = position_,
                                       .page_tables = tables,
                                       .state_slot = state_.empty() ? -1 : 0,
                                       .state_saves = {}};
  std::vector<int> rows(tokens.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int>(i);
  std::vector<std::byte*> bases;
  for (auto& pages : memory_) bases.push_back(pages.data());
  std::vector<float> flat(tokens.size() * static_cast<std::size_t>(vocab_));
  model_.forward({.tokens = tokens, .sequences = {&sequence, 1}, .logit_rows = rows},
                 {.kv_base = bases,
                  .kv_page_bytes = page_bytes_,
                  .states = {state_.data(), model_.state_bytes()}},
                 team_, flat.data());
  position_ += static_cast<std::int64_t>(tokens.size());
  std::vector<std::vector<float>> logits;
  for (auto at = flat.begin(); at != flat.end(); at += vocab_) {
    logits.emplace_back(at, at + vocab_);
  }
  return logits;
}

double relative_gap(const std::vector<float>& got, const std::vector<float>& wanted) {
  CHECK(got.size() == wanted.size(), "{} logits, wanted {}", got.size(), wanted.size());
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(wanted[i])));
    const double gap = std::abs(static_cast<double>(got[i]) - wanted[i]);
    worst = gap > worst || std::isnan(gap) ? gap : worst;
  }
  return worst / largest;
}

std::int32_t best_token(const std::vector<float>& logits) {
  return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace quire::testing
