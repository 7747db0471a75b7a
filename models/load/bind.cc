// Rules expand to names, names find tensors, shapes are checked, leftovers are refused.
#include "models/load/bind.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "base/check.h"

namespace quire::models {
namespace {

// A hostile config may ask for millions of tensors that are not there.
constexpr std::size_t kFaultsMax = 1000;

struct Names {
  std::string_view prefix;
  int layer;
  int index;
};

std::string expand(std::string_view pattern, const Names& names) {
  std::string text;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '{') {
      text += pattern[i];
      continue;
    }
    const char key = pattern[i + 1];
    if (key == 'p') text += names.prefix;
    if (key == 'l') text += std::to_string(names.layer);
    if (key == 'x') text += std::to_string(names.index);
    i += 2;
  }
  return text;
}

bool has_index(const TensorRule& rule) { return rule.name.find("{x}") != std::string_view::npos; }
bool has_layer(const TensorRule& rule) { return rule.name.find("{l}") != std::string_view::npos; }

std::string place(int layer, const SlotNeed& need) {
  return layer < 0 ? std::string(slot_name(need.slot))
                   : fmt::format("layer {} {}", layer, slot_name(need.slot));
}

class Binder {
 public:
  Binder(const ModelFamily& family, const Checkpoint& checkpoint,
         const QuantizationConfig& quantization, DecoderSpec& spec)
      : family_(family), checkpoint_(checkpoint), quantization_(quantization), spec_(spec) {
    for (const TensorRules& table : family.tensors) {
      for (const TensorRule& rule : table) {
        for (const TensorPart& part : rule.parts) rules_[part.slot].push_back(&rule);
      }
    }
  }

  Result<BoundCheckpoint> run() {
    QUIRE_TRY(find_prefix());
    bound_.prefix = prefix_;
    if (find_rule_tensor(Slot::kHead) != nullptr) spec_.tied_head = false;
    if (family_.mlx_adds_offset && has_mlx_convolutions()) drop_offsets();
    const int layers = static_cast<int>(spec_.layers.size());
    for (int layer = -1; layer < layers && faults_.size() < kFaultsMax; ++layer) bind_layer(layer);
    account_for_the_rest();
    if (faults_.empty()) return std::move(bound_);
    Error error = faults_.front();
    if (faults_.size() > 1) {
      error.message += fmt::format(" (and {} more)", faults_.size() - 1);
    }
    return tl::unexpected<Error>(std::move(error));
  }

  // Everything that was wrong, after run().
  std::vector<Error> take_faults() { return std::move(faults_); }

 private:
  // The one whose embedding is there; else the one that most of the first layer's tensors have.
  Status find_prefix() {
    std::string_view best;
    int best_count = 0;
    for (const std::string_view prefix : family_.prefixes) {
      prefix_ = prefix;
      if (find_rule_tensor(Slot::kEmbed) != nullptr) return {};
      int count = 0;
      for (const auto& [slot, rules] : rules_) {
        if (slot != Slot::kHead && find_rule_tensor(slot) != nullptr) ++count;
      }
      if (count > best_count) {
        best = prefix;
        best_count = count;
      }
    }
    prefix_ = best_count > 0 ? best : family_.prefixes.front();
    if (best_count > 0) return {};  // the embedding is reported with the others
    Error error{
        ErrorCode::kInvalid,
        fmt::format("no embedding: tensor \"{}\" is missing, and no tensor has a name of "
                    "the family {}",
                    expand(rules_[Slot::kEmbed].front()->name, {prefix_, 0, 0}), family_.name)};
    faults_.push_back(error);
    return tl::unexpected<Error>(std::move(error));
  }

  // The tensor of the first rule for the slot that the checkpoint has (of layer 0, index 0).
  const Checkpoint::Tensor* find_rule_tensor(Slot slot) {
    for (const TensorRule* rule : rules_[slot]) {
      if (const auto* tensor = checkpoint_.find(expand(rule->name, {prefix_, 0, 0}))) return tensor;
    }
    return nullptr;
  }

  // [C, taps, 1] in any layer; [C, 1, taps] is Hugging Face's.
  bool has_mlx_convolutions() {
    for (const TensorRule* rule : rules_[Slot::kConv]) {
      for (int layer = 0; layer < static_cast<int>(spec_.layers.size()); ++layer) {
        const auto* tensor = checkpoint_.find(expand(rule->name, {prefix_, layer, 0}));
        if (tensor == nullptr || tensor->info.shape.size() != 3) continue;
        return tensor->info.shape[2] == 1 && tensor->info.shape[1] != 1;
      }
    }
    return false;
  }

  void drop_offsets() {
    const auto drop = [](Norm& norm) { norm.weight_offset = 0; };
    drop(spec_.final_norm);
    for (Layer& layer : spec_.layers) {
      drop(layer.norm);
      if (auto* attention = std::get_if<Attention>(&layer.mixer)) {
        drop(attention->q_norm);
        drop(attention->k_norm);
      }
    }
    bound_.notes.emplace_back("MLX layout: norm weights include their offset");
  }

  void bind_layer(int layer) {
    needs_.clear();
    for (const SlotNeed& need : slot_needs(spec_, layer)) needs_.emplace(need.slot, need);
    for (const auto& [slot, need] : needs_) {
      for (int index = 0; index < need.count && faults_.size() < kFaultsMax; ++index) {
        if (const Status bound = bind_weight(layer, need, index); !bound) {
          faults_.push_back(bound.error());
        }
      }
      bound_.needs.push_back(need);
      bound_.layers.push_back(layer);
    }
  }

  Status bind_weight(int layer, const SlotNeed& need, int index) {
    const TensorRule* found = nullptr;
    const Checkpoint::Tensor* tensor = nullptr;
    std::string tried;
    for (const TensorRule* rule : rules_[need.slot]) {
      if (has_layer(*rule) != (layer >= 0)) continue;
      const std::string name = expand(rule->name, {prefix_, layer, index});
      const auto* candidate = checkpoint_.find(name);
      tried += fmt::format("{}\"{}\"", tried.empty() ? "" : " or ", name);
      if (candidate == nullptr) continue;
      if (tensor != nullptr) {
        return fail(ErrorCode::kInvalid, "{}: both \"{}\" and \"{}\" are there", place(layer, need),
                    tensor->info.name, name);
      }
      found = rule;
      tensor = candidate;
    }
    if (tensor == nullptr) {
      return fail(tried.empty() ? ErrorCode::kInternal : ErrorCode::kInvalid,
                  "{} [{} {}]: tensor {} is missing", place(layer, need), need.rows,
                  need.cols == 0 ? "" : std::to_string(need.cols),
                  tried.empty() ? "(no rule)" : tried);
    }
    claimed_.insert(tensor);
    Binding binding;
    binding.layer = layer;
    binding.slot = need.slot;
    binding.index = index;
    binding.kind = need.kind;
    binding.tensor = tensor;
    return bind_tensor(*found, *tensor, binding);
  }

  // Fills in where the weight lies, after checking the tensor's shape against all its parts.
  Status bind_tensor(const TensorRule& rule, const Checkpoint::Tensor& tensor, Binding binding) {
    std::int64_t part_rows = 0, width = 0, before = 0;
    bool is_transposed = false;
    for (const TensorPart& part : rule.parts) {
      const auto need = needs_.find(part.slot);
      if (need == needs_.end()) {
        return fail(ErrorCode::kInvalid, "tensor \"{}\" holds {}, for which the config has no use",
                    tensor.info.name, slot_name(part.slot));
      }
      const std::int64_t cols = std::max<std::int64_t>(need->second.cols, 1);
      const std::int64_t rows = need->second.rows;
      if (part.slot == binding.slot) {
        before = part_rows;
        is_transposed = part.transposed;
        binding.rows = rows;
        binding.cols = cols;
      }
      part_rows += part.transposed ? cols : rows;
      width = part.transposed ? rows : cols;
    }
    const SlotNeed& need = needs_.find(binding.slot)->second;
    QUIRE_TRY(check_tensor(rule, {need.count, part_rows, width}, binding));
    if (rule.form == TensorForm::kConv) {
      binding.row_stride = 1;
      binding.col_stride = binding.rows;
    } else {
      const std::int64_t block = has_index(rule) ? 0 : binding.index;
      binding.first = (block * part_rows + before) * width;
      binding.row_stride = is_transposed ? 1 : width;
      binding.col_stride = is_transposed ? width : 1;
    }
    bound_.bindings.push_back(binding);
    return {};
  }

  struct Extent {
    std::int64_t count, rows, cols;
  };

  using Shape = std::vector<std::int64_t>;

  static std::vector<Shape> allowed_shapes(const TensorRule& rule, const Extent& extent,
                                           WeightKind kind) {
    const auto [count, rows, cols] = extent;
    switch (rule.form) {
      case TensorForm::kPlain:
        if (kind == WeightKind::kVector && cols == 1) return {{rows}};
        return {{rows, cols}};
      case TensorForm::kStacked:
        return {{count, rows, cols}};
      case TensorForm::kMerged:
        return {{count * rows, cols}};
      case TensorForm::kConv:
        return {{cols, 1, rows}, {cols, rows, 1}};
    }
    CHECK(false, "tensor form {}", static_cast<int>(rule.form));
  }

  Status check_float(const Checkpoint::Tensor& tensor, const std::vector<Shape>& allowed,
                     Slot slot) const {
    if (std::find(allowed.begin(), allowed.end(), tensor.info.shape) == allowed.end()) {
      return fail(ErrorCode::kInvalid, "tensor \"{}\" has shape {}, the config asks for {} ({})",
                  tensor.info.name, shape_text(tensor.info.shape), shape_text(allowed.front()),
                  needs_.find(slot)->second.shape);
    }
    const auto dtype = tensor.info.dtype;
    if (dtype != DType::kF32 && dtype != DType::kBf16 && dtype != DType::kF16) {
      return fail(ErrorCode::kUnsupported,
                  "tensor \"{}\" has dtype {}: weights must be F32, BF16 or F16, or MLX's affine "
                  "codes",
                  tensor.info.name, tensor.info.dtype_word);
    }
    return check_not_quantized(tensor, quantization_);
  }

  // Checks the tensor and, if it is quantized, finds and claims what belongs to it.
  Status check_tensor(const TensorRule& rule, const Extent& extent, Binding& binding) {
    const Checkpoint::Tensor& tensor = *binding.tensor;
    const std::vector<Shape> allowed = allowed_shapes(rule, extent, binding.kind);
    if (!is_quantized(checkpoint_, tensor)) return check_float(tensor, allowed, binding.slot);
    claim_with_codes(tensor);
    if (binding.kind == WeightKind::kVector) {
      return fail(ErrorCode::kUnsupported, "tensor \"{}\" is quantized: {} must be float",
                  tensor.info.name, slot_name(binding.slot));
    }
    QUIRE_ASSIGN(binding.affine, find_affine(checkpoint_, tensor, allowed.front(), quantization_));
    return {};
  }

  // Scales and biases stand and fall with their codes.
  void claim_with_codes(const Checkpoint::Tensor& codes) {
    constexpr std::size_t kWeightLetters = 7;  // ".weight"
    const std::string path = codes.info.name.substr(0, codes.info.name.size() - kWeightLetters);
    claimed_.insert(checkpoint_.find(path + ".scales"));
    claimed_.insert(checkpoint_.find(path + ".biases"));
  }

  void account_for_the_rest() {
    std::map<std::string_view, int> left_out;
    for (const Checkpoint::Tensor& tensor : checkpoint_.tensors()) {
      if (claimed_.contains(&tensor) || faults_.size() >= kFaultsMax) continue;
      const std::string_view what = reason_to_ignore(tensor.info.name);
      if (what.empty()) {
        faults_.push_back(
            {ErrorCode::kUnsupported,
             fmt::format("tensor \"{}\" {} {} has no use in this {} config", tensor.info.name,
                         tensor.info.dtype_word, shape_text(tensor.info.shape), family_.name)});
      } else {
        ++left_out[what];
      }
    }
    for (const auto& [what, count] : left_out) {
      bound_.notes.push_back(fmt::format("left out {} tensors: {}", count, what));
    }
  }

  // Empty when there is none.
  std::string_view reason_to_ignore(std::string_view name) const {
    for (const IgnoredTensors& ignored : family_.ignored) {
      if (matches_pattern(ignored.pattern, name)) return ignored.what;
    }
    const std::string stem = std::string(prefix_) + "layers.";
    if (!family_.mtp_layers || !name.starts_with(stem)) return {};
    std::size_t layer = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + stem.size(), end, layer);
    const bool numbered = parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '.';
    return numbered && layer >= spec_.layers.size() ? "multi-token prediction layers"
                                                    : std::string_view();
  }

  const ModelFamily& family_;
  const Checkpoint& checkpoint_;
  const QuantizationConfig& quantization_;
  DecoderSpec& spec_;
  std::string_view prefix_;
  std::map<Slot, std::vector<const TensorRule*>> rules_;
  std::map<Slot, SlotNeed> needs_;  // of the layer being bound
  std::set<const Checkpoint::Tensor*> claimed_;
  BoundCheckpoint bound_;
  std::vector<Error> faults_;
};

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<BoundCheckpoint> bind_checkpoint(const ModelFamily& family, const Checkpoint& checkpoint,
                                        const QuantizationConfig& quantization, DecoderSpec& spec,
                                        std::vector<Error>* faults) {
  Binder binder(family, checkpoint, quantization, spec);
  Result<BoundCheckpoint> bound = binder.run();
  if (faults != nullptr) *faults = binder.take_faults();
  return bound;
}

std::string stacked_name(const ModelFamily& family, Slot slot, std::string_view prefix, int layer) {
  for (const TensorRules& table : family.tensors) {
    for (const TensorRule& rule : table) {
      const bool is_own = rule.form == TensorForm::kStacked && rule.parts.size() == 1 &&
                          rule.parts.begin()->slot == slot && !rule.parts.begin()->transposed;
      if (is_own && rule.name.ends_with(".weight")) return expand(rule.name, {prefix, layer, 0});
    }
  }
  return "";
}

}  // namespace quire::models
