// One rule for tensors that are quantized in the file and one for those that are float.
#include "models/load/formats.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"

namespace quire::models {
namespace {

using kernels::PackedFormat;

constexpr int kInt4Group = 64;

PackedFormat affine_of(const Binding& binding) {
  const AffineTensors& affine = *binding.affine;
  return kernels::affine_format(affine.widths.bits, affine.widths.group, affine.scale_dtype);
}

// As the file has it.
PackedFormat stored_format(const Binding& binding) {
  if (!binding.affine) return PackedFormat::of(*binding.tensor->info.dtype);
  if (binding.is_transposed()) return PackedFormat::of(binding.affine->scale_dtype);
  return affine_of(binding);
}

std::string place(const Binding& binding) {
  return binding.layer < 0 ? std::string(slot_name(binding.slot))
                           : fmt::format("layer {} {}", binding.layer, slot_name(binding.slot));
}

// Of a float matrix.
PackedFormat quantized_format(std::int64_t cols, LoadQuantization quantization) {
  if (quantization == LoadQuantization::kInt4 && cols % kInt4Group == 0) {
    return kernels::affine_format(4, kInt4Group, DType::kBf16);
  }
  return PackedFormat::int8();
}

Status check_float(const BoundCheckpoint& bound) {
  const auto found = std::ranges::find_if(
      bound.bindings, [](const Binding& binding) { return binding.affine.has_value(); });
  if (found == bound.bindings.end()) return {};
  return fail_at("quantization", ErrorCode::kInvalid,
                 "the checkpoint is already quantized (\"{}\" has {} bits): quantization is for "
                 "float checkpoints",
                 found->tensor->info.name, found->affine->widths.bits);
}

// Of the bindings of one need.
Result<PackedFormat> common_format(std::span<const Binding> bindings) {
  PackedFormat format = stored_format(bindings.front());
  for (const Binding& binding : bindings) {
    const PackedFormat own = stored_format(binding);
    if (own == format) continue;
    if (own.is_quantized() || format.is_quantized()) {
      return fail(ErrorCode::kUnsupported,
                  "{}: \"{}\" is {} in groups of {}, others are {} in groups of {}", place(binding),
                  binding.tensor->info.name, kernels::format_name(own.kind), own.group,
                  kernels::format_name(format.kind), format.group);
    }
    format = PackedFormat::of(DType::kF32);
  }
  return format;
}

}  // namespace

Result<LoadQuantization> parse_quantization(std::string_view word) {
  if (word == "none") return LoadQuantization::kNone;
  if (word == "int8") return LoadQuantization::kInt8;
  if (word == "int4") return LoadQuantization::kInt4;
  return fail_at("quantization", ErrorCode::kInvalid,
                 "quantization is none, int8 or int4, got '{}'", word);
}

Result<std::vector<PackedFormat>> choose_formats(const BoundCheckpoint& bound,
                                                 const FormatOptions& options) {
  const bool quantizes = options.quantization != LoadQuantization::kNone;
  if (quantizes) QUIRE_TRY(check_float(bound));
  std::vector<PackedFormat> formats;
  std::size_t begin = 0, odd = 0;
  for (const SlotNeed& need : bound.needs) {
    const auto count = static_cast<std::size_t>(need.count);
    const std::span<const Binding> bindings(bound.bindings.data() + begin, count);
    begin += count;
    PackedFormat& format = formats.emplace_back();
    if (need.kind == WeightKind::kVector || need.keep_f32) continue;
    QUIRE_ASSIGN(format, common_format(bindings));
    if (bindings.front().affine) continue;
    if (quantizes) {
      format = quantized_format(need.cols, options.quantization);
      if (options.quantization == LoadQuantization::kInt4 &&
          format.kind == PackedFormat::Kind::kInt8) {
        ++odd;
      }
    } else if (options.matrix_dtype) {
      format = PackedFormat::of(*options.matrix_dtype);
    }
  }
  CHECK(begin == bound.bindings.size(), "{} bindings for {}", bound.bindings.size(), begin);
  if (odd > 0) {
    log(LogLevel::kInfo, "int4: {} kinds of matrices stay int8: {} does not divide their rows", odd,
        kInt4Group);
  }
  return formats;
}

}  // namespace quire::models
