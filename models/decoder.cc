// Builds the blocks of every layer, checks a step, and runs it.
#include "models/decoder.h"

#include <algorithm>
#include <cstring>

#include "base/float_mode.h"

namespace quire::models {
namespace {

int rope_of(const Attention& a, std::int64_t context_max, RopeTables& ropes) {
  return a.has_rope ? ropes.add(a.rope, context_max) : -1;
}
int rope_of(const LatentAttention& a, std::int64_t context_max, RopeTables& ropes) {
  return a.rope.dims > 0 ? ropes.add(a.rope, context_max) : -1;
}
int rope_of(const Mamba2&, std::int64_t, RopeTables&) { return -1; }
int rope_of(const GatedDelta&, std::int64_t, RopeTables&) { return -1; }

// The most query heads that share a kv head in a layer of the group.
int heads_per_kv(const DecoderSpec& spec, const KvGroup& group) {
  int most = 1;
  for (const int layer : group.layers) {
    const auto& mixer = spec.layers[static_cast<std::size_t>(layer)].mixer;
    if (const auto* a = std::get_if<Attention>(&mixer))
      most = std::max(most, a->heads / a->kv_heads);
    if (const auto* a = std::get_if<LatentAttention>(&mixer)) most = std::max(most, a->heads);
  }
  return most;
}

}  // namespace

Decoder::Decoder(const DecoderSpec& spec, const Weights& weights, const MemoryLayout& layout,
                 const ModelOptions& options)
    : spec_(spec),
      options_(options),
      kv_groups_(layout.groups.size()),
      has_state_(layout.state_bytes > 0),
      kernels_(kernels::kernels(options.isa)),
      embedding_(spec, weights),
      head_(spec, {.weights = weights,
                   .layer = -1,
                   .arithmetic = options.arithmetic,
                   .hidden = spec.hidden,
                   .rows_max = options.step_tokens_max}),
      kv_ahead_(layout) {
  CHECK(options.step_tokens_max > 0, "step_tokens_max {}", options.step_tokens_max);
  for (int layer = 0; layer < static_cast<int>(spec.layers.size()); ++layer) {
    layers_.push_back(build_layer(layer, weights, layout));
  }
  blocks_.reserve(static_cast<std::size_t>(options.step_tokens_max));
  for (const KvGroup& group : layout.groups)
    sharing_.emplace_back(group, heads_per_kv(spec, group), options.step_tokens_max);
  Carver measure(nullptr);
  carve(measure);
  scratch_ = Arena(measure.bytes());
  Carver carver(scratch_.data());
  carve(carver);
}

Decoder::LayerBlocks Decoder::build_layer(int layer, const Weights& weights,
                                          const MemoryLayout& layout) {
  const Layer& of = spec_.layers[static_cast<std::size_t>(layer)];
  BlockSite site = {.weights = weights,
                    .layer = layer,
                    .arithmetic = options_.arithmetic,
                    .hidden = spec_.hidden,
                    .rows_max = options_.step_tokens_max,
                    .kv = layout.kv[static_cast<std::size_t>(layer)],
                    .state_offset = layout.state_offsets[static_cast<std::size_t>(layer)]};
  site.rope = std::visit(
      [&](const auto& mixer) { return rope_of(mixer, options_.context_max, ropes_); }, of.mixer);

  struct BuildMixer {
    const BlockSite& site;
    MixerBlock operator()(const Attention& a) const { return AttentionBlock(a, site); }
    MixerBlock operator()(const LatentAttention& a) const { return LatentAttentionBlock(a, site); }
    MixerBlock operator()(const Mamba2& m) const { return Mamba2Block(m, site); }
    MixerBlock operator()(const GatedDelta& g) const { return GatedDeltaBlock(g, site); }
  };
  struct BuildFfn {
    const BlockSite& site;
    FfnBlock operator()(const NoFfn&) const { return std::monostate(); }
    FfnBlock operator()(const GatedMlp& m) const { return GatedMlpBlock(m, site); }
    FfnBlock operator()(const MixtureOfExperts& m) const { return MixtureBlock(m, site); }
  };
  const auto norm = [&](Slot weight) {
    return bind_norm(of.norm, spec_.hidden, weights, layer, weight);
  };
  HalfNorms mixer_norms, ffn_norms;
  mixer_norms.before = bind_norm(norm(Slot::kMixerNorm), weights, layer, Slot::kMixerNormBias);
  const bool has_after = of.residual == Residual::kSandwich;
  if (has_after) mixer_norms.after = norm(Slot::kMixerPostNorm);
  if (!std::holds_alternative<NoFfn>(of.ffn)) {
    ffn_norms.before = bind_norm(norm(Slot::kFfnNorm), weights, layer, Slot::kFfnNormBias);
    if (has_after) ffn_norms.after = norm(Slot::kFfnPostNorm);
  }
  return {of.residual, mixer_norms, ffn_norms, std::visit(BuildMixer{site}, of.mixer),
          std::visit(BuildFfn{site}, of.ffn)};
}

// Only one block runs at a time, so that all share the region behind the step's own rows.
void Decoder::carve(Carver& carver) {
  const std::int64_t floats = std::int64_t{options_.step_tokens_max} * spec_.hidden;
  x_ = carver.take<float>(floats);
  normed_ = carver.take<float>(floats);
  branch_ = carver.take<float>(floats);
  ropes_.carve(carver, options_.step_tokens_max);
  const Carver shared = carver;
  const auto carve_block = [&](auto& block) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(block)>, std::monostate>) {
      Carver own = shared;
      block.carve(own);
      if (own.bytes() > carver.bytes()) carver = own;
    }
  };
  carve_block(head_);
  for (LayerBlocks& layer : layers_) {
    std::visit(carve_block, layer.mixer);
    std::visit(carve_block, layer.ffn);
  }
}

void Decoder::check(const StepInput& input, const StepMemory& memory) const {
  const auto tokens = static_cast<std::int64_t>(input.tokens.size());
  CHECK(tokens <= options_.step_tokens_max, "{} tokens in a step, at most {}", tokens,
        options_.step_tokens_max);
  CHECK(memory.kv_base.size() == kv_groups_ && memory.kv_page_bytes.size() == kv_groups_,
        "memory of {} KV groups, the model has {}", memory.kv_base.size(), kv_groups_);
  for (const std::int32_t token : input.tokens) {
    CHECK(token >= 0 && token < spec_.vocab, "token {} of {}", token, spec_.vocab);
  }
  int row = 0;
  for (const SequenceInput& sequence : input.sequences) {
    CHECK(sequence.row_begin == row && sequence.row_count > 0, "rows {} + {} follow row {}",
          sequence.row_begin, sequence.row_count, row);
    row += sequence.row_count;
    CHECK(sequence.page_tables.size() == kv_groups_, "{} page tables, {} KV groups",
          sequence.page_tables.size(), kv_groups_);
    const std::int64_t end = sequence.position + sequence.row_count;
    for (const auto& table : sequence.page_tables) {
      const auto pages = static_cast<std::int64_t>(table.size());
      CHECK(sequence.position >= 0 && pages * options_.page_tokens >= end,
            "{} pages for positions [{}, {})", pages, sequence.position, end);
    }
    CHECK(!has_state_ || sequence.state_slot >= 0, "no state slot");
    int after = 0;
    for (const StateSave& save : sequence.state_saves) {
      CHECK(save.row >= after && save.row < sequence.row_count && save.slot >= 0,
            "state save at row {} of {} to slot {}", save.row, sequence.row_count, save.slot);
      after = save.row;
    }
  }
  CHECK(row == tokens, "the sequences have {} rows, the step {}", row, tokens);
  int previous = -1;
  for (const int logit_row : input.logit_rows) {
    CHECK(logit_row > previous && logit_row < tokens, "logit row {} of {}", logit_row, tokens);
    previous = logit_row;
  }
  previous = -1;
  for (const int hidden_row : input.hidden_rows) {
    CHECK(hidden_row > previous && hidden_row < tokens, "hidden row {} of {}", hidden_row, tokens);
    previous = hidden_row;
  }
  CHECK(std::ssize(input.logit_rows) + std::ssize(input.hidden_rows) <= tokens,
        "{} logit rows and {} hidden rows of {}", input.logit_rows.size(), input.hidden_rows.size(),
        tokens);
}

// The latest rows of a sequence have the longest contexts: they come first, so that the team does
// not end on one of them.
void Decoder::cut_blocks(const StepInput& input) {
  blocks_.clear();
  for (std::size_t i = 0; i < input.sequences.size(); ++i) {
    const SequenceInput& sequence = input.sequences[i];
    const int count = (sequence.row_count + RowBlock::kRows - 1) / RowBlock::kRows;
    for (int block = count - 1; block >= 0; --block) {
      const int first = block * RowBlock::kRows;
      blocks_.push_back({.sequence = static_cast<int>(i),
                         .row = sequence.row_begin + first,
                         .rows = std::min(RowBlock::kRows, sequence.row_count - first),
                         .position = sequence.position + first});
    }
  }
}

// The first `rows` rows.
Decoder::StepRows Decoder::views(std::int64_t rows) const {
  const auto view = [&](float* data) { return TensorView::f32(data, {rows, spec_.hidden}); };
  return {view(x_), view(normed_), view(branch_)};
}

template <class Block>
void Decoder::run_half(const Step& step, const StepRows& rows, const HalfNorms& norms,
                       const Block& block) const {
  const BlockInput in = {.x = rows.x, .norm = &norms.before, .normed = rows.normed};
  if (norms.after.width == 0) {
    block.forward(step, in, rows.x, kernels::Store::kAdd);
    return;
  }
  block.forward(step, in, rows.branch, kernels::Store::kSet);
  run_norm_add(step, norms.after, rows.branch, rows.x);
}

// Moves the rows that become logits to the front and those whose hidden state is wanted behind
// them; the others have done all they are for. input.hidden holds the latter on their way.
Decoder::StepRows Decoder::keep_wanted_rows(const StepInput& input) const {
  const std::size_t row_bytes = static_cast<std::size_t>(spec_.hidden) * sizeof(float);
  std::int64_t waiting = 0;
  for (const int row : input.hidden_rows) {
    std::memcpy(input.hidden + waiting++ * spec_.hidden, x_ + row * spec_.hidden, row_bytes);
  }
  std::int64_t kept = 0;
  for (const int row : input.logit_rows) {
    std::memmove(x_ + kept++ * spec_.hidden, x_ + row * spec_.hidden, row_bytes);
  }
  for (std::int64_t i = 0; i < waiting; ++i) {
    std::memcpy(x_ + kept++ * spec_.hidden, input.hidden + i * spec_.hidden, row_bytes);
  }
  return views(kept);
}

void Decoder::forward(const StepInput& input, const StepMemory& memory, Team& team, float* logits) {
  if (input.tokens.empty()) return;
  const FlushDenormals flush;
  check(input, memory);
  cut_blocks(input);
  for (std::size_t group = 0; group < sharing_.size(); ++group)
    sharing_[group].find(input, blocks_, group, team.threads());
  const Step step = {kernels_, team,          input,    memory,
                     blocks_,  ropes_.rows(), sharing_, kv_ahead_.source()};
  kv_ahead_.plan(step);
  StepRows rows = views(step.rows());
  ropes_.fill(step);
  embedding_.forward(step, rows.x);
  for (const LayerBlocks& layer : layers_) {
    std::visit([&](const auto& mixer) { run_half(step, rows, layer.mixer_norms, mixer); },
               layer.mixer);
    kv_ahead_.pass(static_cast<int>(&layer - layers_.data()));
    if (&layer == &layers_.back()) {
      rows = keep_wanted_rows(input);
      if (rows.x.dim(0) == 0) return;
    }
    std::visit(
        [&](const auto& ffn) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(ffn)>, std::monostate>) {
            run_half(step, rows, layer.ffn_norms, ffn);
          }
        },
        layer.ffn);
  }
  if (!input.logit_rows.empty()) {
    const StepRows head = views(std::ssize(input.logit_rows));
    head_.forward(step, head.x, head.normed, TensorView::f32(logits, {head.x.dim(0), spec_.vocab}));
  }
  const std::int64_t hidden_rows = std::ssize(input.hidden_rows);
  if (hidden_rows == 0) return;
  float* const kept = x_ + std::ssize(input.logit_rows) * spec_.hidden;
  head_.norm_rows(step, {kept, spec_.hidden}, {input.hidden, spec_.hidden}, hidden_rows);
}

}  // namespace quire::models
