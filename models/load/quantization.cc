// The config's word is checked against the shapes; the shapes decide.
#include "models/load/quantization.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace quire::models {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::array kBits = {2, 3, 4, 5, 6, 8};
constexpr int kGroupUnit = 8;  // of kernels::PackedFormat

bool is_float(std::optional<DType> dtype) {
  return dtype == DType::kF32 || dtype == DType::kBf16 || dtype == DType::kF16;
}

// "a.b" of "a.b.weight"; empty for other names.
std::string_view module_path(std::string_view name) {
  return name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size())
                                 : std::string_view();
}

AffineWidths read_widths(const Config& c) {
  return {.bits = c.count("bits", 4), .group = c.size("group_size", 64)};
}

Status check_mode(const Config& c, std::string_view where) {
  const std::string method = c.word("quant_method", c.word("mode", "affine"));
  if (method == "affine") return {};
  const int bits = c.count("bits", 0);
  return fail(ErrorCode::kUnsupported, "{}: {}{} weights are not supported", where,
              bits == 0 ? "" : fmt::format("{}-bit ", bits), method);
}

Result<QuantizationConfig> read_modules(const Config& c, std::string_view where) {
  QUIRE_TRY(check_mode(c, where));
  QuantizationConfig quantization{.present = true, .modules = {}};
  const AffineWidths widths = read_widths(c);
  for (const std::string& key : c.keys()) {
    if (key == "bits" || key == "group_size" || key == "mode" || key == "quant_method") continue;
    std::optional<AffineWidths> module;
    if (c.is_object(key)) {
      const Config own = c.object(key);
      QUIRE_TRY(check_mode(own, fmt::format("{}: {}", where, key)));
      module = {own.count("bits", widths.bits), own.size("group_size", widths.group)};
    } else if (c.is_bool(key)) {
      if (c.flag(key, false)) module = widths;
    } else {
      continue;  // an unread key: refused with the others
    }
    quantization.modules.emplace(key, module);
  }
  return quantization;
}

std::string words(const AffineWidths& widths) {
  return fmt::format("{} bits in groups of {}", widths.bits, widths.group);
}

// Everything but the last dimension.
bool same_rows(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end() - 1, b.begin());
}

}  // namespace

Result<QuantizationConfig> read_quantization(const Config& root) {
  std::optional<QuantizationConfig> found;
  const Config text = root.has("text_config") ? root.object("text_config") : root.none();
  for (const Config& config : {root, text}) {
    for (const char* key : {"quantization", "quantization_config", "compression_config"}) {
      if (!config.has(key)) continue;
      if (found) {
        config.ignore(key);  // MLX writes the same twice, or leaves what it converted from
        continue;
      }
      QUIRE_ASSIGN(found, read_modules(config.object(key), key));
    }
  }
  return found.value_or(QuantizationConfig{});
}

bool is_quantized(const Checkpoint& checkpoint, const Checkpoint::Tensor& tensor) {
  const std::string_view path = module_path(tensor.info.name);
  return !path.empty() && checkpoint.find(fmt::format("{}.scales", path)) != nullptr;
}

Result<AffineTensors> find_affine(const Checkpoint& checkpoint, const Checkpoint::Tensor& codes,
                                  const std::vector<std::int64_t>& shape,
                                  const QuantizationConfig& config) {
  const std::string path(module_path(codes.info.name));
  AffineTensors found{.scales = checkpoint.find(path + ".scales"),
                      .biases = checkpoint.find(path + ".biases"),
                      .widths = {}};
  CHECK(found.scales != nullptr, "\"{}\" is not quantized", path);
  const TensorInfo& scales = found.scales->info;
  if (!config.present) {
    return fail(ErrorCode::kInvalid, "tensor \"{}\" is there, but config.json has no quantization",
                scales.name);
  }
  if (!is_float(scales.dtype) || codes.info.dtype != DType::kU32) {
    return fail(ErrorCode::kUnsupported,
                "module \"{}\" has {} codes and {} scales: affine weights have U32 codes and F32, "
                "BF16 or F16 scales",
                path, codes.info.dtype_word, scales.dtype_word);
  }
  if (found.biases == nullptr) {
    return fail(ErrorCode::kInvalid, "tensor \"{}.biases\" is missing", path);
  }
  const TensorInfo& biases = found.biases->info;
  if (biases.shape != scales.shape || biases.dtype != scales.dtype) {
    return fail(ErrorCode::kInvalid, "tensor \"{}\" is {} {}, \"{}\" is {} {}", biases.name,
                biases.dtype_word, shape_text(biases.shape), scales.name, scales.dtype_word,
                shape_text(scales.shape));
  }
  found.scale_dtype = *scales.dtype;
  const std::int64_t cols = shape.back();
  const bool fits = same_rows(codes.info.shape, shape) && same_rows(scales.shape, shape) &&
                    codes.info.shape.back() <= cols && codes.info.shape.back() * 32 % cols == 0 &&
                    scales.shape.back() > 0 && cols % scales.shape.back() == 0;
  if (fits) {
    found.widths = {static_cast<int>(codes.info.shape.back() * 32 / cols),
                    static_cast<int>(cols / scales.shape.back())};
  }
  if (!fits || std::find(kBits.begin(), kBits.end(), found.widths.bits) == kBits.end() ||
      found.widths.group % kGroupUnit != 0) {
    return fail(ErrorCode::kInvalid,
                "module \"{}\" has codes {} and scales {}, which are no 2, 3, 4, 5, 6 or 8 bits in "
                "groups of a multiple of {} for the {} that the config asks for",
                path, shape_text(codes.info.shape), shape_text(scales.shape), kGroupUnit,
                shape_text(shape));
  }
  const auto own = config.modules.find(path);
  if (own != config.modules.end() && own->second != found.widths) {
    return fail(ErrorCode::kInvalid, "module \"{}\" has {}, config.json says {}", path,
                words(found.widths), own->second ? words(*own->second) : "not quantized");
  }
  return found;
}

Status check_not_quantized(const Checkpoint::Tensor& tensor, const QuantizationConfig& config) {
  const auto own = config.modules.find(module_path(tensor.info.name));
  if (own == config.modules.end() || !own->second) return {};
  return fail(ErrorCode::kInvalid, "tensor \"{}.scales\" is missing: config.json says {}",
              own->first, words(*own->second));
}

}  // namespace quire::models
