// A write-then-read model of paged memory, strict about who may touch what in a step.
#include "tests/scheduler/shadow_memory.h"

#include <algorithm>

#include "base/check.h"

namespace quire::scheduler::sim {

ShadowMemory::ShadowMemory(const cache::CacheConfig& config)
    : config_(config),
      states_(static_cast<std::size_t>(config.state_slots), 0xdead),
      state_written_(static_cast<std::size_t>(config.state_slots), 0) {
  for (const cache::GroupConfig& group : config.groups) {
    pages_.emplace_back(static_cast<std::size_t>(group.page_count * config.page_tokens));
  }
}

ShadowMemory::Slot& ShadowMemory::slot(int group, std::int32_t page, std::int64_t position) {
  const auto g = static_cast<std::size_t>(group);
  CHECK(page >= 0 && page < config_.groups[g].page_count, "page {} of group {} for position {}",
        page, group, position);
  return pages_[g][static_cast<std::size_t>(page * config_.page_tokens +
                                            position % config_.page_tokens)];
}

void ShadowMemory::carry_out(const StepPlan& plan) {
  step_ = plan.number;
  for (const PageCopy& copy : plan.page_copies) {
    CHECK(copy.from != copy.to, "page {} is copied onto itself", copy.from);
    for (int i = 0; i < config_.page_tokens; ++i) {
      const Slot& from = slot(copy.group, copy.from, i);
      Slot& to = slot(copy.group, copy.to, i);
      CHECK(from.written != step_, "page {} is copied from after it was written", copy.from);
      to = i < copy.token_count ? Slot{from.token, from.salt, from.position, step_} : Slot{};
    }
  }
  for (const StateCopy& copy : plan.state_copies) {
    CHECK(state_written_.at(static_cast<std::size_t>(copy.from)) != step_,
          "slot {} is copied from after it was written", copy.from);
    save_state(copy.to, states_[static_cast<std::size_t>(copy.from)]);
  }
  for (const std::int32_t zero : plan.state_zeros) save_state(zero, kEmptyState);
}

void ShadowMemory::save_state(std::int32_t slot, std::uint64_t state) {
  std::uint64_t& written = state_written_.at(static_cast<std::size_t>(slot));
  CHECK(written != step_, "state slot {} is written twice in a step", slot);
  written = step_;
  states_[static_cast<std::size_t>(slot)] = state;
}

void ShadowMemory::run(const StepPlan& plan, std::span<const Truth> truths) {
  for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
    write(plan.sequences[i], truths[i].salt);
  }
  for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
    read(plan.sequences[i], truths[i]);
    if (config_.state_slots > 0) advance_state(plan.sequences[i], truths[i]);
  }
}

void ShadowMemory::write(const ScheduledSequence& sequence, std::uint64_t salt) {
  for (std::size_t g = 0; g < pages_.size(); ++g) {
    const auto table = sequence.page_tables[g];
    for (int row = 0; row < sequence.token_count; ++row) {
      const std::int64_t position = sequence.position + row;
      const auto index = static_cast<std::size_t>(position / config_.page_tokens);
      CHECK(index < table.size(), "position {} of request {} has no page in group {}", position,
            sequence.id, g);
      Slot& to = slot(static_cast<int>(g), table[index], position);
      CHECK(to.written != step_, "two rows write page {} of group {} at position {}", table[index],
            g, position);
      to = {sequence.tokens[static_cast<std::size_t>(row)], salt, position, step_};
    }
  }
}

void ShadowMemory::spoil(const ScheduledSequence& sequence) {
  for (std::size_t g = 0; g < pages_.size(); ++g) {
    for (int row = 0; row < sequence.token_count; ++row) {
      const std::int64_t position = sequence.position + row;
      const auto index = static_cast<std::size_t>(position / config_.page_tokens);
      slot(static_cast<int>(g), sequence.page_tables[g][index], position).token = -2;
    }
  }
  if (sequence.state_slot >= 0) states_[static_cast<std::size_t>(sequence.state_slot)] = 0xbad;
  for (const StateSaveOrder& save : sequence.state_saves) {
    states_[static_cast<std::size_t>(save.slot)] = 0xbad;
  }
}

// Rows see everything, or their window: the first row's view begins first.
void ShadowMemory::read(const ScheduledSequence& sequence, const Truth& truth) {
  const std::int64_t end = sequence.position + sequence.token_count;
  CHECK(std::ssize(truth.tokens) == end, "request {}: truth of {} tokens for {}", sequence.id,
        truth.tokens.size(), end);
  for (std::size_t g = 0; g < pages_.size(); ++g) {
    const std::int64_t window = config_.groups[g].window;
    const std::int64_t begin =
        window == 0 ? 0 : std::max<std::int64_t>(0, sequence.position - window + 1);
    const auto table = sequence.page_tables[g];
    for (std::int64_t position = begin; position < end; ++position) {
      const std::int32_t page = table[static_cast<std::size_t>(position / config_.page_tokens)];
      const Slot& it = slot(static_cast<int>(g), page, position);
      const std::int32_t own = truth.tokens[static_cast<std::size_t>(position)];
      CHECK(it.position == position && it.token == own && it.salt == truth.salt,
            "step {}: request {} at {} sees token {} of position {} in page {} of group {}, not "
            "token {}",
            step_, sequence.id, position, it.token, it.position, page, g, own);
    }
  }
}

void ShadowMemory::advance_state(const ScheduledSequence& sequence, const Truth& truth) {
  std::uint64_t expected = kEmptyState;
  for (std::int64_t i = 0; i < sequence.position; ++i) {
    expected = next_state(expected, truth.tokens[static_cast<std::size_t>(i)], truth.salt);
  }
  std::uint64_t state = states_.at(static_cast<std::size_t>(sequence.state_slot));
  CHECK(state == expected, "step {}: request {} at {} works on another state", step_, sequence.id,
        sequence.position);
  std::size_t save = 0;
  for (int row = 0; row < sequence.token_count; ++row) {
    state = next_state(state, sequence.tokens[static_cast<std::size_t>(row)], truth.salt);
    while (save < sequence.state_saves.size() && sequence.state_saves[save].row == row) {
      save_state(sequence.state_saves[save++].slot, state);
    }
  }
  CHECK(save == sequence.state_saves.size(), "request {}: save {} is not at a row in order",
        sequence.id, save);
  // The working slot may have been filled by this step's restore or zero; nothing else writes it.
  state_written_[static_cast<std::size_t>(sequence.state_slot)] = 0;
  save_state(sequence.state_slot, state);
}

}  // namespace quire::scheduler::sim
