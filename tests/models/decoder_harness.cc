// Random weights by slot, the specs of the families in small, and a step driver without scheduler.
#include "tests/models/decoder_harness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/rng.h"

namespace quire::models {
namespace {

float rounded(double value, DType dtype) {
  const auto f32 = static_cast<float>(value);
  if (dtype == DType::kBf16) return bf16_to_f32(f32_to_bf16(f32));
  if (dtype == DType::kF16) return f16_to_f32(f32_to_f16(f32));
  return f32;
}

// Centre and half width of the uniform values of a slot.
std::pair<double, double> range_of(const SlotNeed& need) {
  switch (need.slot) {
    case Slot::kALog:
      return {0.5, 0.8};
    case Slot::kDtBias:
      return {-0.5, 1.0};
    case Slot::kConv:
      return {0.1, 0.6};
    case Slot::kRouterBias:
      return {0.0, 0.3};
    case Slot::kEmbed:
      return {0.0, 1.0};
    default:
      break;
  }
  if (need.kind == WeightKind::kVector) {
    const bool is_bias = slot_name(need.slot).ends_with("_bias");
    return {is_bias ? 0.0 : 1.0, 0.3};
  }
  return {0.0, 1.7 / std::sqrt(static_cast<double>(need.cols))};  // variance 1 / cols
}

Layer layer_of(Mixer mixer, Ffn ffn, Residual residual = Residual::kPreNorm, Norm norm = {}) {
  return {.mixer = std::move(mixer), .ffn = std::move(ffn), .residual = residual, .norm = norm};
}

DecoderSpec base_spec(std::vector<Layer> layers) {
  return {.hidden = 48, .vocab = 83, .positions_max = 512, .layers = std::move(layers)};
}

Attention gqa() {
  return {.heads = 6,
          .kv_heads = 2,
          .head_dim = 24,
          .scale = 1 / std::sqrt(24.0f),
          .rope = {.theta = 10000, .dims = 24}};
}

DecoderSpec llama() {
  Attention a = gqa();
  a.rope.scaling = RopeLlama3{
      .factor = 8, .low_freq_factor = 1, .high_freq_factor = 4, .original_positions = 64};
  return base_spec({layer_of(a, GatedMlp{.inner = 72}), layer_of(a, GatedMlp{.inner = 72})});
}

DecoderSpec mistral() {
  Attention a = gqa();
  a.window = 13;
  a.softcap = 3;
  DecoderSpec spec = base_spec({layer_of(a, GatedMlp{.inner = 40, .bias = true})});
  spec.layers.push_back(layer_of(gqa(), GatedMlp{.inner = 40, .activation = Activation::kRelu2}));
  spec.tied_head = true;
  return spec;
}

DecoderSpec qwen2() {
  Attention a = gqa();
  a.qkv_bias = a.out_bias = true;
  a.rope.scaling = RopeYarn{.factor = 4, .amplitude = 1.138f, .original_positions = 32};
  return base_spec({layer_of(a, GatedMlp{.inner = 72})});
}

DecoderSpec gemma3() {
  const Norm norm = {.weight_offset = 1};
  Attention local = gqa();
  local.q_norm = local.k_norm = norm;
  local.window = 16;
  Attention global = local;
  global.window = 0;
  global.rope = {.theta = 1e6, .dims = 24, .scaling = RopeLinear{.factor = 8}};
  const GatedMlp mlp = {.inner = 64, .activation = Activation::kGeluTanh};
  DecoderSpec spec = base_spec({layer_of(local, mlp, Residual::kSandwich, norm),
                                layer_of(global, mlp, Residual::kSandwich, norm),
                                layer_of(local, mlp, Residual::kSandwich, norm)});
  spec.embed_scale = std::sqrt(48.0f);
  spec.logit_softcap = 8;
  spec.final_norm = norm;
  spec.tied_head = true;
  return spec;
}

DecoderSpec qwen3_moe() {
  Attention a = gqa();
  a.q_norm = a.k_norm = Norm{.eps = 1e-5f};
  const MixtureOfExperts moe = {
      .experts = 7, .active = 3, .inner = 24, .router = {.renormalize = true}};
  return base_spec({layer_of(a, moe), layer_of(a, GatedMlp{.inner = 40})});
}

DecoderSpec deepseek_v3() {
  LatentAttention a = {.heads = 4,
                       .q_rank = 20,
                       .kv_rank = 32,
                       .nope_dim = 18,
                       .rope_dim = 8,
                       .value_dim = 14,
                       .scale = 0.2f,
                       .rope = {.theta = 10000,
                                .dims = 8,
                                .interleaved = true,
                                .scaling = RopeYarn{.factor = 8, .original_positions = 32}}};
  const MixtureOfExperts moe = {.experts = 12,
                                .active = 4,
                                .inner = 24,
                                .router = {.score = Router::Score::kSigmoid,
                                           .selection_bias = true,
                                           .renormalize = true,
                                           .weight_scale = 2.5f,
                                           .groups = 4,
                                           .groups_kept = 2},
                                .shared_inner = 40};
  DecoderSpec spec = base_spec({layer_of(a, GatedMlp{.inner = 40}), layer_of(a, moe)});
  a.q_rank = 0;
  a.bias = true;
  a.rope.interleaved = false;
  spec.layers.push_back(layer_of(a, moe));
  return spec;
}

DecoderSpec qwen3_5(const Ffn& ffn) {
  const Norm norm = {.weight_offset = 1};
  const GatedDelta delta = {
      .key_heads = 2, .value_heads = 6, .key_dim = 20, .value_dim = 12, .gated_norm = {}};
  Attention a = gqa();
  a.output_gate = true;
  a.q_norm = a.k_norm = norm;
  a.rope.dims = 6;
  DecoderSpec spec = base_spec({layer_of(delta, ffn, Residual::kPreNorm, norm),
                                layer_of(a, ffn, Residual::kPreNorm, norm),
                                layer_of(delta, ffn, Residual::kPreNorm, norm)});
  spec.final_norm = norm;
  return spec;
}

DecoderSpec mamba2() {
  Mamba2 m = {.heads = 6,
              .head_dim = 16,
              .groups = 2,
              .state_dim = 20,
              .dt_min = 0.01f,
              .dt_max = 1.5f,
              .norm_groups = 2};
  DecoderSpec spec = base_spec({layer_of(m, NoFfn{})});
  m.groups = m.norm_groups = 1;
  m.conv_taps = 3;
  m.conv_bias = false;
  m.proj_bias = true;
  m.dt_max = std::numeric_limits<float>::infinity();
  const Norm layer_norm = {.kind = Norm::Kind::kLayer, .eps = 1e-5f, .has_bias = true};
  spec.layers.push_back(layer_of(m, GatedMlp{.inner = 40, .activation = Activation::kGeluErf},
                                 Residual::kPreNorm, layer_norm));
  spec.final_norm = layer_norm;
  spec.logit_scale = 0.25f;
  return spec;
}

}  // namespace

RawWeights random_weights(const DecoderSpec& spec, std::uint64_t seed, DType dtype) {
  RawWeights raw;
  for (int layer = -1; layer < static_cast<int>(spec.layers.size()); ++layer) {
    for (const SlotNeed& need : slot_needs(spec, layer)) {
      const auto [centre, spread] = range_of(need);
      const bool is_exact = need.kind == WeightKind::kVector || need.keep_f32;
      for (int index = 0; index < need.count; ++index) {
        const std::uint64_t key = mix64(seed * 1'000'003 + static_cast<std::uint64_t>(layer + 1)) ^
                                  mix64(static_cast<std::uint64_t>(need.slot) * 4096 +
                                        static_cast<std::uint64_t>(index) + 1);
        Rng rng(key);
        std::vector<float>& values = raw[{layer, need.slot, index}];
        for (std::int64_t i = 0; i < need.rows * std::max<std::int64_t>(need.cols, 1); ++i) {
          values.push_back(
              rounded(centre + spread * (2 * rng.uniform() - 1), is_exact ? DType::kF32 : dtype));
        }
      }
    }
  }
  return raw;
}

Weights pack_weights(const DecoderSpec& spec, const RawWeights& raw, DType dtype) {
  WeightBuilder builder;
  const int layers = static_cast<int>(spec.layers.size());
  for (int layer = -1; layer < layers; ++layer) {
    for (const SlotNeed& need : slot_needs(spec, layer))
      builder.declare(layer, need, kernels::PackedFormat::of(dtype));
  }
  builder.allocate();
  for (const auto& [key, values] : raw) {
    const auto& [layer, slot, index] = key;
    const auto needs = slot_needs(spec, layer);
    const auto need = std::ranges::find(needs, slot, &SlotNeed::slot);
    if (need->kind == WeightKind::kVector) {
      std::ranges::copy(values, builder.vector(layer, slot, index).begin());
      continue;
    }
    const kernels::PackedMatrix target = builder.matrix(layer, slot, index);
    kernels::pack_rows({.data = reinterpret_cast<const std::byte*>(values.data()),
                        .dtype = DType::kF32,
                        .rows = need->rows,
                        .cols = need->cols,
                        .row_stride = need->cols},
                       0, need->rows, target.format, builder.matrix_data(layer, slot, index));
  }
  return builder.finish();
}

std::vector<NamedSpec> spec_zoo() {
  const MixtureOfExperts gated_shared = {.experts = 6,
                                         .active = 2,
                                         .inner = 24,
                                         .router = {.renormalize = true},
                                         .shared_inner = 32,
                                         .shared_gate = true};
  return {{"llama", llama()},
          {"mistral", mistral()},
          {"qwen2", qwen2()},
          {"gemma3", gemma3()},
          {"qwen3_moe", qwen3_moe()},
          {"deepseek_v3", deepseek_v3()},
          {"qwen3_5", qwen3_5(GatedMlp{.inner = 40})},
          {"qwen3_5_moe", qwen3_5(gated_shared)},
          {"mamba2", mamba2()}};
}

std::vector<std::int32_t> random_tokens(const DecoderSpec& spec, std::uint64_t seed, int count) {
  Rng rng(mix64(seed + 77));
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(spec.vocab))));
  }
  return tokens;
}

Harness::Harness(const DecoderSpec& spec, const RawWeights& raw, const RunOptions& options)
    : options_(options), vocab_(spec.vocab), team_(options.threads) {
  model_ = std::make_unique<Model>(spec, pack_weights(spec, raw, options.weight_dtype),
                                   ModelOptions{.kv_dtype = options.kv_dtype,
                                                .page_tokens = options.page_tokens,
                                                .context_max = kTokensMax,
                                                .step_tokens_max = options.step_tokens_max,
                                                .isa = options.isa});
  for (const KvGroup& group : model_->kv_groups()) {
    page_bytes_.push_back(group.token_bytes() * options.page_tokens);
  }
  reset();
}

void Harness::reset() {
  const int pages_per_sequence = kTokensMax / options_.page_tokens;
  const int pages = pages_per_sequence * kSequencesMax;
  pages_.clear();
  for (const std::int64_t bytes : page_bytes_) {
    pages_.emplace_back(static_cast<std::size_t>(bytes * pages), std::byte{0xff});  // NaN
  }
  tables_.assign(kSequencesMax, {});
  for (int sequence = 0; sequence < kSequencesMax; ++sequence) {
    for (std::size_t group = 0; group < page_bytes_.size(); ++group) {
      std::vector<std::int32_t>& table = tables_[static_cast<std::size_t>(sequence)].emplace_back();
      for (int page = 0; page < pages_per_sequence; ++page) {
        // A bijection of the page numbers: pages is a power of two.
        table.push_back((sequence * pages_per_sequence + page) * 37 % pages);
      }
    }
  }
  const auto slot_floats = static_cast<std::size_t>(model_->state_bytes()) / sizeof(float);
  states_.assign(slot_floats * 2 * kSequencesMax, 0.0f);
  std::fill(states_.begin() + static_cast<std::ptrdiff_t>(slot_floats * kSequencesMax),
            states_.end(), std::numeric_limits<float>::quiet_NaN());
}

void Harness::free_behind_windows(const Part& part) {
  const auto groups = model_->kv_groups();
  for (std::size_t group = 0; group < groups.size(); ++group) {
    if (groups[group].window == 0) continue;
    const std::int64_t first_visible = part.done - groups[group].window + 1;
    auto& table = tables_[static_cast<std::size_t>(part.sequence)][group];
    for (std::int64_t page = 0; (page + 1) * options_.page_tokens <= first_visible; ++page) {
      table[static_cast<std::size_t>(page)] = -1;
    }
  }
}

std::vector<float> Harness::step(const std::vector<std::vector<std::int32_t>>& sequences,
                                 const std::vector<Part>& parts,
                                 const std::vector<StateSave>& saves) {
  std::vector<std::int32_t> tokens;
  std::vector<SequenceInput> inputs;
  std::vector<std::vector<std::span<const std::int32_t>>> spans(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    free_behind_windows(part);
    for (const auto& table : tables_[static_cast<std::size_t>(part.sequence)]) {
      spans[i].emplace_back(table);
    }
    inputs.push_back({.row_begin = static_cast<int>(tokens.size()),
                      .row_count = part.count,
                      .position = part.done,
                      .page_tables = spans[i],
                      .state_slot = part.sequence,
                      .state_saves = saves});
    const auto from = sequences[static_cast<std::size_t>(part.sequence)].begin() + part.done;
    tokens.insert(tokens.end(), from, from + part.count);
  }
  std::vector<int> rows(tokens.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int>(i);
  std::vector<std::byte*> bases;
  for (auto& memory : pages_) bases.push_back(memory.data());
  std::vector<float> logits(tokens.size() * static_cast<std::size_t>(vocab_));
  before_forward();
  model_->forward({.tokens = tokens, .sequences = inputs, .logit_rows = rows},
                  {.kv_base = bases,
                   .kv_page_bytes = page_bytes_,
                   .states = {reinterpret_cast<std::byte*>(states_.data()), model_->state_bytes()}},
                  team_, logits.data());
  after_forward();
  return logits;
}

Logits Harness::run(const std::vector<std::vector<std::int32_t>>& sequences) {
  reset();
  return finish(sequences, std::vector<int>(sequences.size(), 0));
}

Logits Harness::run_forks(const std::vector<std::vector<std::int32_t>>& sequences, int shared) {
  reset();
  const std::vector<std::int32_t> prefix(sequences[0].begin(), sequences[0].begin() + shared);
  step({prefix}, {{0, 0, shared}}, {});
  const std::ptrdiff_t pages = shared / options_.page_tokens;
  const std::vector<float> state = slot(0);
  for (std::size_t i = 1; i < sequences.size(); ++i) {
    for (std::size_t group = 0; group < tables_[i].size(); ++group)
      std::copy_n(tables_[0][group].begin(), pages, tables_[i][group].begin());
    std::copy(state.begin(), state.end(),
              states_.begin() + static_cast<std::ptrdiff_t>(i * state.size()));
  }
  return finish(sequences, std::vector<int>(sequences.size(), shared));
}

Logits Harness::finish(const std::vector<std::vector<std::int32_t>>& sequences,
                       std::vector<int> done) {
  Logits result(sequences.size());
  std::vector<int> turn(sequences.size());
  for (std::size_t i = 0; i < turn.size(); ++i) turn[i] = static_cast<int>(i);
  for (;;) {
    std::vector<Part> parts;
    int budget = options_.step_tokens_max;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const auto size = static_cast<std::size_t>(turn[i]) % options_.chunks.size();
      const int left = static_cast<int>(sequences[i].size()) - done[i];
      const int count = std::min({options_.chunks[size], left, budget});
      if (count == 0) continue;
      ++turn[i];
      budget -= count;
      parts.push_back({static_cast<int>(i), done[i], count});
    }
    if (parts.empty()) return result;
    const std::vector<float> logits = step(sequences, parts, {});
    auto at = logits.begin();
    for (const Part& part : parts) {
      std::vector<float>& of = result[static_cast<std::size_t>(part.sequence)];
      of.insert(of.end(), at, at + std::ptrdiff_t{part.count} * vocab_);
      at += std::ptrdiff_t{part.count} * vocab_;
      done[static_cast<std::size_t>(part.sequence)] += part.count;
    }
  }
}

std::vector<std::vector<float>> Harness::saved_states(const std::vector<std::int32_t>& tokens,
                                                      const std::vector<int>& rows) {
  reset();
  std::vector<StateSave> saves;
  for (const int row : rows) {
    saves.push_back({row, kSequencesMax + static_cast<std::int32_t>(saves.size())});
  }
  step({tokens}, {{0, 0, static_cast<int>(tokens.size())}}, saves);
  std::vector<std::vector<float>> states;
  for (const StateSave& save : saves) states.push_back(slot(save.slot));
  return states;
}

std::vector<float> Harness::slot(int number) const {
  const auto floats =
      static_cast<std::ptrdiff_t>(model_->state_bytes() / static_cast<std::int64_t>(sizeof(float)));
  return {states_.begin() + number * floats, states_.begin() + (number + 1) * floats};
}

std::vector<kernels::Isa> supported_isas() {
  std::vector<kernels::Isa> isas;
  for (const auto isa : {kernels::Isa::kScalar, kernels::Isa::kAvx2, kernels::Isa::kAvx512}) {
    if (kernels::isa_supported(isa)) isas.push_back(isa);
  }
  return isas;
}

}  // namespace quire::models
