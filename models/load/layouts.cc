// The shared rule tables.
#include "models/load/layouts.h"

namespace quire::models {
namespace {

constexpr TensorRule kModel[] = {
    {"{p}embed_tokens.weight", Slot::kEmbed},
    {"{p}norm.weight", Slot::kFinalNorm},
    {"lm_head.weight", Slot::kHead},
    {"language_model.lm_head.weight", Slot::kHead},
};

constexpr TensorRule kPreNorm[] = {
    {"{p}layers.{l}.input_layernorm.weight", Slot::kMixerNorm},
    {"{p}layers.{l}.post_attention_layernorm.weight", Slot::kFfnNorm},
};

constexpr TensorRule kAttention[] = {
    {"{p}layers.{l}.self_attn.q_proj.weight", Slot::kQ},
    {"{p}layers.{l}.self_attn.k_proj.weight", Slot::kK},
    {"{p}layers.{l}.self_attn.v_proj.weight", Slot::kV},
    {"{p}layers.{l}.self_attn.o_proj.weight", Slot::kO},
    {"{p}layers.{l}.self_attn.q_proj.bias", Slot::kQBias},
    {"{p}layers.{l}.self_attn.k_proj.bias", Slot::kKBias},
    {"{p}layers.{l}.self_attn.v_proj.bias", Slot::kVBias},
    {"{p}layers.{l}.self_attn.o_proj.bias", Slot::kOBias},
};

constexpr TensorRule kQkNorm[] = {
    {"{p}layers.{l}.self_attn.q_norm.weight", Slot::kQNorm},
    {"{p}layers.{l}.self_attn.k_norm.weight", Slot::kKNorm},
};

constexpr TensorRule kMlp[] = {
    {"{p}layers.{l}.mlp.gate_proj.weight", Slot::kGate},
    {"{p}layers.{l}.mlp.up_proj.weight", Slot::kUp},
    {"{p}layers.{l}.mlp.down_proj.weight", Slot::kDown},
    {"{p}layers.{l}.mlp.gate_proj.bias", Slot::kGateBias},
    {"{p}layers.{l}.mlp.up_proj.bias", Slot::kUpBias},
    {"{p}layers.{l}.mlp.down_proj.bias", Slot::kDownBias},
};

constexpr TensorRule kExperts[] = {
    {"{p}layers.{l}.mlp.experts.{x}.gate_proj.weight", Slot::kExpertGate},
    {"{p}layers.{l}.mlp.experts.{x}.up_proj.weight", Slot::kExpertUp},
    {"{p}layers.{l}.mlp.experts.{x}.down_proj.weight", Slot::kExpertDown},
    {"{p}layers.{l}.mlp.experts.gate_up_proj",
     {{Slot::kExpertGate}, {Slot::kExpertUp}},
     TensorForm::kStacked},
    {"{p}layers.{l}.mlp.experts.down_proj", Slot::kExpertDown, TensorForm::kStacked},
    {"{p}layers.{l}.mlp.switch_mlp.gate_proj.weight", Slot::kExpertGate, TensorForm::kStacked},
    {"{p}layers.{l}.mlp.switch_mlp.up_proj.weight", Slot::kExpertUp, TensorForm::kStacked},
    {"{p}layers.{l}.mlp.switch_mlp.down_proj.weight", Slot::kExpertDown, TensorForm::kStacked},
};

constexpr std::string_view kPrefixes[] = {"model.", "model.language_model.",
                                          "language_model.model.", ""};

}  // namespace

constinit const TensorRules kModelTensors = kModel;
constinit const TensorRules kPreNormTensors = kPreNorm;
constinit const TensorRules kAttentionTensors = kAttention;
constinit const TensorRules kQkNormTensors = kQkNorm;
constinit const TensorRules kMlpTensors = kMlp;
constinit const TensorRules kExpertTensors = kExperts;
constinit const std::span<const std::string_view> kTextPrefixes = kPrefixes;

}  // namespace quire::models
