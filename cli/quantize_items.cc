// Needs of the spec decide what is a matrix; names stay those of the source but for stacks.
#include "cli/quantize_items.h"

#include <algorithm>
#include <set>

namespace quire::cli {
namespace {

using models::Binding;
using models::Checkpoint;
using models::SlotNeed;

constexpr std::string_view kWeight = ".weight";

class Chooser {
 public:
  Chooser(const models::ParsedConfig& parsed, const QuantizePlan& plan,
          const models::BoundCheckpoint& bound)
      : parsed_(parsed), plan_(plan), bound_(bound), used_(plan.rules.size(), false) {}

  Result<QuantizeItems> run(const Checkpoint& checkpoint) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < bound_.needs.size(); ++i) {
      const SlotNeed& need = bound_.needs[i];
      const auto count = static_cast<std::size_t>(need.count);
      QUIRE_TRY(take(i, std::span(bound_.bindings).subspan(at, count)));
      at += count;
    }
    for (const Checkpoint::Tensor& tensor : checkpoint.tensors()) {
      if (stacked_.contains(&tensor)) continue;
      QuantizeItem item;
      item.name = tensor.info.name;
      item.shape = tensor.info.shape;
      item.parts = {{&tensor}};
      item.is_copy = true;
      if (matrices_.contains(&tensor) && tensor.info.shape.size() == 2) {
        item.rows = tensor.info.shape[0];
        item.cols = item.parts[0].row_stride = tensor.info.shape[1];
        choose_widths(item);
      }
      add(std::move(item));
    }
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (!used_[i]) out_.unused_rules.push_back(plan_.rules[i].pattern);
    }
    return std::move(out_);
  }

 private:
  // All indices of one slot.
  Status take(std::size_t index, std::span<const Binding> bindings) {
    const SlotNeed& need = bound_.needs[index];
    const Binding& binding = bindings.front();
    if (binding.affine) {
      return fail(ErrorCode::kInvalid,
                  "{} is already quantized (\"{}\"): take the float checkpoint it was made from",
                  plan_.source.string(), binding.tensor->info.name);
    }
    if (need.count > 1) return stack(need, bound_.layers[index], bindings);
    if (need.kind != models::WeightKind::kMatrix || need.keep_f32) return {};
    // A head beside a config that ties it: MLX drops its codes, but not their scales.
    if (need.slot == models::Slot::kHead && parsed_.spec.tied_head) return {};
    if (!binding.is_transposed()) matrices_.insert(binding.tensor);
    return {};
  }

  Status stack(const SlotNeed& need, int layer, std::span<const Binding> bindings) {
    const models::TensorInfo& first = bindings.front().tensor->info;
    const std::string name = stacked_name(*parsed_.family, need.slot, bound_.prefix, layer);
    if (name.empty()) {
      return fail(ErrorCode::kUnsupported,
                  "\"{}\": the family {} has no MLX name for {} of it as one tensor; quire serve "
                  "--quantization int4 quantizes at load instead",
                  first.name, parsed_.family->name, need.count);
    }
    const bool is_matrix = need.kind == models::WeightKind::kMatrix;
    QuantizeItem item;
    item.name = name;
    item.shape = {need.count, need.rows};
    if (is_matrix || need.cols > 0) item.shape.push_back(need.cols);
    item.rows = need.rows;
    item.cols = std::max<std::int64_t>(need.cols, 1);
    for (const Binding& binding : bindings) {
      if (binding.tensor->info.dtype != first.dtype) {
        return fail(ErrorCode::kUnsupported,
                    "\"{}\" is {}, \"{}\" is {}: MLX has one type for both", first.name,
                    first.dtype_word, binding.tensor->info.name, binding.tensor->info.dtype_word);
      }
      stacked_.insert(binding.tensor);
      item.parts.push_back({binding.tensor, binding.first, binding.row_stride, binding.col_stride});
    }
    if (is_matrix && !need.keep_f32) choose_widths(item);
    add(std::move(item));
    return {};
  }

  void choose_widths(QuantizeItem& item) {
    if (!item.name.ends_with(kWeight)) return;
    const std::string module = item.module();
    item.is_chosen = true;
    item.widths = plan_.widths;
    for (std::size_t i = 0; i < plan_.rules.size(); ++i) {
      if (!models::matches_pattern(plan_.rules[i].pattern, module)) continue;
      used_[i] = true;
      item.widths = plan_.rules[i].widths;
      break;
    }
    if (item.widths && item.cols % item.widths->group != 0) item.widths.reset();
    if (item.widths) item.is_copy = false;
  }

  void add(QuantizeItem item) {
    item.first = next_;
    next_ += item.widths ? 3 : 1;
    out_.items.push_back(std::move(item));
  }

  const models::ParsedConfig& parsed_;
  const QuantizePlan& plan_;
  const models::BoundCheckpoint& bound_;
  std::vector<bool> used_;
  std::set<const Checkpoint::Tensor*> matrices_, stacked_;
  std::size_t next_ = 0;
  QuantizeItems out_;
};

}  // namespace

std::string QuantizeItem::module() const {
  return name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size()) : name;
}

Result<QuantizeItems> choose_items(const models::ParsedConfig& parsed, const QuantizePlan& plan,
                                   const Checkpoint& checkpoint,
                                   const models::BoundCheckpoint& bound) {
  return Chooser(parsed, plan, bound).run(checkpoint);
}

}  // namespace quire::cli
