// A model that is cheap and sees everything: its logits are a hash of all visible tokens, read back
// through page tables and states, so that a wrong, stale or shared page changes what is generated.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/rng.h"
#include "cache/cache_manager.h"
#include "cache/kv_store.h"
#include "engine/model_runner.h"

namespace quire::sim {

struct FakeModelConfig {
  int vocab = 48;
  std::vector<std::int64_t> windows = {0};  // one KV group each; 0: full retention, else at least 2
  bool has_state = false;
  int page_tokens = 16;
  std::uint64_t nan_one_in = 0;  // of the rows; 0: none
  Time step_time = std::chrono::milliseconds(2);
  Time row_time = std::chrono::microseconds(100);
};

// The same function without any memory: what the model says after the last of `tokens`.
class FakeFunction {
 public:
  explicit FakeFunction(const FakeModelConfig& config) : config_(config) {}

  // Hash of tokens[0 .. p] given that of tokens[0 .. p - 1] (0 for none).
  static std::uint64_t chain(std::uint64_t before, std::int32_t token) {
    return mix64(before * 0x9e3779b97f4a7c15ull + static_cast<std::uint64_t>(token) + 1);
  }
  // What position j adds to a row that sees it.
  static std::uint64_t visible(std::uint64_t prefix, std::int64_t position, std::size_t group) {
    return mix64(prefix + static_cast<std::uint64_t>(position) * 31 + group * 0x51ed270b);
  }
  static std::uint64_t state_visible(std::uint64_t state) { return mix64(state ^ 0x5151); }

  // row_seed: the sum of everything visible.
  void logits(std::uint64_t row_seed, std::int32_t token, float* out) const {
    const bool poisoned = config_.nan_one_in > 0 && mix64(row_seed) % config_.nan_one_in == 0;
    for (int i = 0; i < config_.vocab; ++i) {
      const double noise = random_uniform(row_seed, static_cast<std::uint64_t>(i));
      out[i] = static_cast<float>(noise * 4 - 2);
    }
    // Half of the contexts go on predictably, so that lookups of earlier text find something.
    if (row_seed % 2 == 0) out[(token * 7 + 5) % config_.vocab] += 6;
    if (poisoned) out[row_seed % static_cast<std::uint64_t>(config_.vocab)] = std::nanf("");
  }

  // One row from the whole history.
  std::vector<float> direct(std::span<const std::int32_t> tokens) const {
    const auto count = static_cast<std::int64_t>(tokens.size());
    std::vector<std::uint64_t> prefix(tokens.size());
    std::uint64_t before = 0;
    for (std::size_t j = 0; j < tokens.size(); ++j) before = prefix[j] = chain(before, tokens[j]);
    std::uint64_t seed = 0;
    for (std::size_t g = 0; g < config_.windows.size(); ++g) {
      const std::int64_t window = config_.windows[g];
      for (std::int64_t j = window == 0 ? 0 : std::max<std::int64_t>(0, count - window); j < count;
           ++j) {
        seed += visible(prefix[static_cast<std::size_t>(j)], j, g);
      }
    }
    if (config_.has_state) seed += state_visible(before);
    std::vector<float> out(static_cast<std::size_t>(config_.vocab));
    logits(seed, tokens.back(), out.data());
    return out;
  }

 private:
  FakeModelConfig config_;
};

class FakeModel final : public engine::ModelRunner {
 public:
  // What a page slot holds; a state slot holds one too, of the last token.
  struct Record {
    std::uint64_t prefix = 0;
    std::int64_t position = 0;
  };

  FakeModel(const FakeModelConfig& config, VirtualClock& clock)
      : config_(config), function_(config), clock_(&clock) {}

  static cache::KvStoreConfig store_config(const FakeModelConfig& config,
                                           const cache::CacheConfig& cache) {
    cache::KvStoreConfig store;
    for (const cache::GroupConfig& group : cache.groups) {
      store.groups.push_back(
          {static_cast<std::int64_t>(sizeof(Record)) * config.page_tokens, group.page_count});
    }
    store.state_bytes = config.has_state ? 64 : 0;
    store.state_slots = cache.state_slots;
    return store;
  }

  int vocab() const override { return config_.vocab; }
  std::int64_t rows() const { return rows_; }

  void forward(const models::StepInput& step, const models::StepMemory& memory,
               float* logits) override {
    std::size_t next_logit = 0;
    for (const models::SequenceInput& sequence : step.sequences) {
      std::size_t next_save = 0;
      for (int row = 0; row < sequence.row_count; ++row) {
        const int flat = sequence.row_begin + row;
        const std::int32_t token = step.tokens[static_cast<std::size_t>(flat)];
        const std::int64_t position = sequence.position + row;
        const bool wanted =
            next_logit < step.logit_rows.size() && step.logit_rows[next_logit] == flat;
        const std::uint64_t seed = run_row(sequence, position, token, memory, wanted);
        if (wanted) {
          function_.logits(seed, token, logits + next_logit * static_cast<std::size_t>(vocab()));
          ++next_logit;
        }
        for (;
             next_save < sequence.state_saves.size() && sequence.state_saves[next_save].row == row;
             ++next_save) {
          *state(memory, sequence.state_saves[next_save].slot) =
              *state(memory, sequence.state_slot);
        }
      }
      CHECK(next_save == sequence.state_saves.size(), "a state save is out of order");
    }
    CHECK(next_logit == step.logit_rows.size(), "a logit row belongs to no sequence");
    rows_ += static_cast<std::int64_t>(step.tokens.size());
    clock_->advance(config_.step_time +
                    config_.row_time * static_cast<std::int64_t>(step.tokens.size()));
  }

 private:
  // State of a slot: `position` counts tokens, so that a zeroed slot is the state before the first.
  static Record* state(const models::StepMemory& memory, std::int32_t slot) {
    CHECK(slot >= 0, "no state slot");
    return reinterpret_cast<Record*>(memory.states.at(slot, 0));
  }

  Record* record(const models::StepMemory& memory, std::size_t group,
                 std::span<const std::int32_t> table, std::int64_t position) const {
    const auto page = static_cast<std::size_t>(position / config_.page_tokens);
    CHECK(page < table.size() && table[page] >= 0, "position {} has no page", position);
    std::byte* base = memory.kv_base[group] + table[page] * memory.kv_page_bytes[group];
    return reinterpret_cast<Record*>(base) + position % config_.page_tokens;
  }

  std::uint64_t run_row(const models::SequenceInput& sequence, std::int64_t position,
                        std::int32_t token, const models::StepMemory& memory, bool wanted) {
    std::uint64_t seed = 0;
    for (std::size_t g = 0; g < config_.windows.size(); ++g) {
      const std::span<const std::int32_t> table = sequence.page_tables[g];
      std::uint64_t before = 0;
      if (position > 0) {
        const Record* last = record(memory, g, table, position - 1);
        CHECK(last->position == position - 1, "group {} position {}: the page before holds {}", g,
              position, last->position);
        before = last->prefix;
      }
      *record(memory, g, table, position) = {FakeFunction::chain(before, token), position};
      if (wanted) seed += visible_sum(table, g, position, memory);
    }
    if (config_.has_state) {
      Record* slot = state(memory, sequence.state_slot);
      CHECK(slot->position == position, "the state holds {} tokens at position {}", slot->position,
            position);
      *slot = {FakeFunction::chain(slot->prefix, token), position + 1};
      seed += FakeFunction::state_visible(slot->prefix);
    }
    return seed;
  }

  std::uint64_t visible_sum(std::span<const std::int32_t> table, std::size_t group,
                            std::int64_t position, const models::StepMemory& memory) const {
    const std::int64_t window = config_.windows[group];
    std::uint64_t sum = 0;
    for (std::int64_t j = window == 0 ? 0 : std::max<std::int64_t>(0, position - window + 1);
         j <= position; ++j) {
      const Record* seen = record(memory, group, table, j);
      CHECK(seen->position == j, "group {} position {} holds {}", group, j, seen->position);
      sum += FakeFunction::visible(seen->prefix, j, group);
    }
    return sum;
  }

  FakeModelConfig config_;
  FakeFunction function_;
  VirtualClock* clock_;
  std::int64_t rows_ = 0;
};

}  // namespace quire::sim
