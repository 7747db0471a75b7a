// The grammar's word on each drawn token, and the end of the reasoning when its budget is spent.
#include "engine/guidance.h"

#include <algorithm>

namespace quire::engine {
namespace {

// Proposals in a row without a hit before the guesses pause, and for how many steps.
constexpr int kMissesMax = 3;
constexpr int kPauseSteps = 24;

}  // namespace

// --- reasoning ----------------------------------------------------------------------------------

bool ReasoningCounter::ends_with(const std::vector<std::int32_t>& marker) const {
  return !marker.empty() && last_.size() >= marker.size() &&
         std::equal(marker.rbegin(), marker.rend(), last_.rbegin());
}

void ReasoningCounter::accept(std::int32_t token) {
  if (markers_->end.empty()) return;
  const std::size_t keep = std::max(markers_->begin.size(), markers_->end.size());
  last_.push_back(token);
  if (last_.size() > keep) last_.erase(last_.begin());
  if (open_) {
    const bool was_forced = forced().has_value();
    ++count_;
    forced_ += was_forced;
    if (!ends_with(markers_->end)) return;
    count_ -= std::min(count_, static_cast<std::int64_t>(markers_->end.size()));
    open_ = false;
  } else if (ends_with(markers_->begin)) {
    open_ = true;
  }
}

std::optional<std::int32_t> ReasoningCounter::forced() const {
  if (!open_ || markers_->tokens_max < 0 || forced_ >= markers_->end.size()) return std::nullopt;
  if (forced_ == 0 && count_ < markers_->tokens_max) return std::nullopt;
  return markers_->end[forced_];
}

// --- grammar ------------------------------------------------------------------------------------

Guidance::Guidance(const GenerateRequest& request, std::vector<std::int32_t> end_ids)
    : end_ids_(std::move(end_ids)), reasoning_(request.reasoning) {
  if (request.grammar) matcher_.emplace(request.grammar);
}

bool Guidance::is_end(std::int32_t token) const {
  return std::find(end_ids_.begin(), end_ids_.end(), token) != end_ids_.end();
}

bool Guidance::permits(std::int32_t token) {
  return (is_end(token) && matcher_->accepts()) || matcher_->allows(token);
}

Result<OutputToken> Guidance::draw(const Sampler& sampler, const kernels::Kernels& kernels,
                                   std::span<const float> row, std::int64_t position,
                                   SamplerScratch& scratch) {
  scratch.probability = -1;
  if (const auto forced = reasoning_.forced(); forced && (!matcher_ || permits(*forced))) {
    return sampler.take(kernels, row, *forced);
  }
  auto token = sampler.sample(kernels, row, position, scratch);
  if (!token || !matcher_ || permits(token->id)) return token;
  QUIRE_TRY(matcher_->mask(scratch.mask));
  if (matcher_->accepts()) {
    for (const std::int32_t id : end_ids_) {
      scratch.mask[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << (id % 64);
    }
  }
  return sampler.sample(kernels, row, position, scratch, scratch.mask);
}

void Guidance::accept(std::int32_t token) {
  reasoning_.accept(token);
  if (!matcher_) return;
  if (!matcher_->allows(token)) return;  // an end token: nothing follows
  matcher_->accept(token);
  complete_ = matcher_->is_complete();
}

std::vector<std::int32_t> Guidance::propose(const text::Tokenizer& tokenizer, int max) {
  if (const auto forced = reasoning_.forced()) return {*forced};
  if (!matcher_) return {};
  if (pause_ > 0) {
    --pause_;
    return {};
  }
  return matcher_->likely_tokens(tokenizer, static_cast<std::size_t>(max));
}

void Guidance::observe(int accepted) {
  misses_ = accepted > 0 ? 0 : misses_ + 1;
  if (misses_ < kMissesMax) return;
  misses_ = 0;
  pause_ = kPauseSteps;
}

void Guidance::cut(std::vector<std::int32_t>& drafts) {
  if (matcher_) drafts.resize(matcher_->count_allowed(drafts));
}

}  // namespace quire::engine
