// DeepSeek V3, R1 (arXiv:2412.19437) and Kimi K2: latent attention, sigmoid routing in groups with
// a bias for the choice, shared experts, the first layers dense.
#include <cmath>

#include "models/load/layouts.h"
#include "models/load/parts.h"

namespace quire::models {
namespace {

constexpr float kLatentEps = 1e-6f;  // whatever rms_norm_eps says

LatentAttention parse_attention(const Config& c) {
  LatentAttention a{.heads = c.size("num_attention_heads"),
                    .q_rank = c.count("q_lora_rank", 0),
                    .kv_rank = c.size("kv_lora_rank"),
                    .nope_dim = c.size("qk_nope_head_dim"),
                    .rope_dim = c.size("qk_rope_head_dim"),
                    .value_dim = c.size("v_head_dim"),
                    .latent_norm = {.eps = kLatentEps},
                    .bias = c.flag("attention_bias", false)};
  const double width = static_cast<double>(a.nope_dim) + a.rope_dim;
  a.scale = static_cast<float>(read_yarn_score_scale(c) / std::sqrt(width));
  c.require(a.rope_dim % 2 == 0, "qk_rope_head_dim", "must be even, got {}", a.rope_dim);
  a.rope = read_rope(c, a.rope_dim, {});
  a.rope.interleaved = c.flag("rope_interleave", true);
  c.require(c.size("num_key_value_heads", a.heads) == a.heads, "num_key_value_heads",
            "must equal num_attention_heads {}", a.heads);
  return a;
}

MixtureOfExperts parse_experts(const Config& c) {
  const char* key = c.has("num_local_experts") ? "num_local_experts" : "n_routed_experts";
  MixtureOfExperts moe = read_experts(c, key);
  moe.shared_inner =
      c.width("n_shared_experts", std::int64_t{moe.inner} * c.count("n_shared_experts", 1));
  moe.router = {
      .score = Router::Score::kSigmoid,
      .selection_bias = true,
      .renormalize = c.flag("norm_topk_prob", true),
      .weight_scale = static_cast<float>(c.number("routed_scaling_factor", kFactorRange, 2.5)),
      .groups = c.size("n_group", 8),
      .groups_kept = c.size("topk_group", 4)};
  const Router& r = moe.router;
  c.require(moe.experts % r.groups == 0 && moe.experts / r.groups >= 2, "n_group",
            "{} does not cut {} experts into groups of two or more", r.groups, moe.experts);
  c.require(r.groups_kept <= r.groups, "topk_group", "{} exceeds n_group {}", r.groups_kept,
            r.groups);
  c.require(moe.active <= moe.experts / r.groups * r.groups_kept, "num_experts_per_tok",
            "{} exceeds the experts of topk_group {}", moe.active, r.groups_kept);
  c.require(c.word("topk_method", "noaux_tc") == "noaux_tc", "topk_method", "must be noaux_tc");
  c.require(c.word("scoring_func", "sigmoid") == "sigmoid", "scoring_func", "must be sigmoid");
  return moe;
}

DecoderSpec parse(const Config& c) {
  DecoderSpec spec = read_model(c);
  const Layer sparse{parse_attention(c), parse_experts(c), Residual::kPreNorm, spec.final_norm};
  Layer dense = sparse;
  dense.ffn = read_mlp(c, "hidden_act");
  const int layers = c.layers("num_hidden_layers"), period = c.size("moe_layer_freq", 1);
  const int first_sparse = c.count("first_k_dense_replace", 3);
  for (int l = 0; l < layers; ++l) {
    spec.layers.push_back(l < first_sparse || l % period != 0 ? dense : sparse);
  }
  // Sums of other keys; of training, of distribution over machines, of the layers left out.
  for (const char* key : {"head_dim", "qk_head_dim", "aux_loss_alpha", "seq_aux", "ep_size",
                          "num_nextn_predict_layers", "num_mtp_layers"}) {
    c.ignore(key);
  }
  return spec;
}

constexpr TensorRule kLatent[] = {
    {"{p}layers.{l}.self_attn.q_proj.weight", Slot::kQ},
    {"{p}layers.{l}.self_attn.q_a_proj.weight", Slot::kQDown},
    {"{p}layers.{l}.self_attn.q_a_proj.bias", Slot::kQDownBias},
    {"{p}layers.{l}.self_attn.q_a_layernorm.weight", Slot::kQDownNorm},
    {"{p}layers.{l}.self_attn.q_b_proj.weight", Slot::kQUp},
    {"{p}layers.{l}.self_attn.kv_a_proj_with_mqa.weight", Slot::kKvDown},
    {"{p}layers.{l}.self_attn.kv_a_proj_with_mqa.bias", Slot::kKvDownBias},
    {"{p}layers.{l}.self_attn.kv_a_layernorm.weight", Slot::kKvDownNorm},
    {"{p}layers.{l}.self_attn.kv_b_proj.weight",
     {transposed(Slot::kKvUpKey), {Slot::kKvUpValue}},
     TensorForm::kMerged},
    {"{p}layers.{l}.self_attn.embed_q.weight", Slot::kKvUpKey, TensorForm::kStacked},
    {"{p}layers.{l}.self_attn.unembed_out.weight", Slot::kKvUpValue, TensorForm::kStacked},
    {"{p}layers.{l}.self_attn.o_proj.weight", Slot::kO},
    {"{p}layers.{l}.self_attn.o_proj.bias", Slot::kOBias},
};
constexpr TensorRule kRouting[] = {
    {"{p}layers.{l}.mlp.gate.weight", Slot::kRouter},
    {"{p}layers.{l}.mlp.gate.e_score_correction_bias", Slot::kRouterBias},
    {"{p}layers.{l}.mlp.shared_experts.gate_proj.weight", Slot::kSharedGate},
    {"{p}layers.{l}.mlp.shared_experts.up_proj.weight", Slot::kSharedUp},
    {"{p}layers.{l}.mlp.shared_experts.down_proj.weight", Slot::kSharedDown},
};

constexpr std::string_view kTypes[] = {"deepseek_v3", "kimi_k2"};
constexpr std::string_view kArchitectures[] = {"DeepseekV3ForCausalLM"};
const TensorRules kTensors[] = {kModelTensors, kPreNormTensors, kLatent,
                                kMlpTensors,   kExpertTensors,  kRouting};
constexpr IgnoredTensors kIgnored[] = {kRotaryTables};

}  // namespace

extern const ModelFamily kFamily_deepseek_v3{
    .name = "deepseek_v3",
    .summary = "DeepSeek V3 and R1, Kimi K2 (float or MLX weights)",
    .model_types = kTypes,
    .architectures = kArchitectures,
    .parse = parse,
    .tensors = kTensors,
    .prefixes = kTextPrefixes,
    .ignored = kIgnored,
    .mtp_layers = true,
};

}  // namespace quire::models
