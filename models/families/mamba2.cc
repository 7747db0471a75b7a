// Mamba-2 (arXiv:2405.21060): every layer is one state-space mixer, without attention or MLP.
#include <limits>

#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

constexpr std::int64_t kPositionsMax = std::int64_t{1} << 20;  // states know no positions

Mamba2 parse_mixer(const Config& c, const Norm& norm) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Mamba2 mixer{.heads = c.size("num_heads"),
               .head_dim = c.size("head_dim"),
               .groups = c.size("n_groups", 8),
               .state_dim = c.size("state_size"),
               .conv_taps = c.size("conv_kernel", 4),
               .dt_max = std::numeric_limits<float>::infinity(),
               .conv_bias = c.flag("use_conv_bias", true),
               .proj_bias = c.flag("use_bias", false),
               .gated_norm = norm};
  mixer.norm_groups = mixer.groups;
  const std::vector<double> limit = c.numbers("time_step_limit", {0, kInfinity});
  if (c.has("time_step_limit")) {
    c.require(limit.size() == 2 && limit[0] <= limit[1], "time_step_limit",
              "must be two numbers, the smaller first");
  }
  if (limit.size() == 2) {
    mixer.dt_min = static_cast<float>(limit[0]);
    mixer.dt_max = static_cast<float>(limit[1]);
  }
  const std::int64_t inner = std::int64_t{mixer.heads} * mixer.head_dim;
  const std::int64_t wanted = std::int64_t{c.size("hidden_size")} * c.size("expand", 2);
  c.require(inner == wanted, "num_heads",
            "{} times head_dim {} is not hidden_size times expand, {}", mixer.heads, mixer.head_dim,
            wanted);
  c.width("num_heads", inner);
  c.width("state_size", std::int64_t{2} * mixer.groups * mixer.state_dim);
  c.require(c.size("intermediate_size", 1) == 1 || c.size("intermediate_size") == inner,
            "intermediate_size", "must be num_heads * head_dim = {}", inner);
  c.require(mixer.heads % mixer.groups == 0, "num_heads", "{} is not a multiple of n_groups {}",
            mixer.heads, mixer.groups);
  return mixer;
}

DecoderSpec parse(const Config& c) {
  DecoderSpec spec;
  spec.hidden = c.size("hidden_size");
  spec.vocab = c.size("vocab_size");
  spec.positions_max = kPositionsMax;
  spec.final_norm = read_rms_norm(c, "layer_norm_epsilon", 1e-5);
  spec.tied_head = c.flag("tie_word_embeddings", true);
  const Layer layer{
      .mixer = parse_mixer(c, spec.final_norm), .ffn = NoFfn{}, .norm = spec.final_norm};
  spec.layers.assign(static_cast<std::size_t>(c.layers("num_hidden_layers")), layer);
  c.require(c.word("hidden_act", "silu") == "silu", "hidden_act", "must be silu");
  c.require(c.flag("rms_norm", true), "rms_norm", "must be true");
  // Of initialisation, of the reference's blocking, and of formats that are f32 here. The gate
  // always comes before the norm, as in Transformers.
  for (const char* key : {"time_step_min", "time_step_max", "time_step_floor", "time_step_rank",
                          "rescale_prenorm_residual", "residual_in_fp32", "chunk_size",
                          "norm_before_gate", "layer_types"}) {
    c.ignore(key);
  }
  return spec;
}

constexpr TensorRule kMixer[] = {
    {"{p}embeddings.weight", Slot::kEmbed},
    {"{p}norm_f.weight", Slot::kFinalNorm},
    {"lm_head.weight", Slot::kHead},
    {"{p}layers.{l}.norm.weight", Slot::kMixerNorm},
    {"{p}layers.{l}.mixer.in_proj.weight", Slot::kSsmIn},
    {"{p}layers.{l}.mixer.in_proj.bias", Slot::kSsmInBias},
    {"{p}layers.{l}.mixer.conv1d.weight", Slot::kConv, TensorForm::kConv},
    {"{p}layers.{l}.mixer.conv1d.bias", Slot::kConvBias},
    {"{p}layers.{l}.mixer.A_log", Slot::kALog},
    {"{p}layers.{l}.mixer.D", Slot::kD},
    {"{p}layers.{l}.mixer.dt_bias", Slot::kDtBias},
    {"{p}layers.{l}.mixer.norm.weight", Slot::kGatedNorm},
    {"{p}layers.{l}.mixer.out_proj.weight", Slot::kSsmOut},
    {"{p}layers.{l}.mixer.out_proj.bias", Slot::kSsmOutBias},
};

constexpr std::string_view kTypes[] = {"mamba2"};
constexpr std::string_view kArchitectures[] = {"Mamba2ForCausalLM"};
constexpr std::string_view kPrefixes[] = {"backbone.", ""};
const TensorRules kTensors[] = {kMixer};

}  // namespace

extern const ModelFamily kFamily_mamba2{
    .name = "mamba2",
    .summary = "Mamba-2",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kPrefixes,
};

}  // namespace quire::models
