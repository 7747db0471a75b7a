// Quantizes golden weights module by module and writes them as MLX does.
#include "tests/golden/quantized_file.h"

#include <algorithm>

#include "base/check.h"
#include "base/dtype.h"
#include "kernels/quantize.h"
#include "models/load/file.h"

namespace quire::testing {
namespace {

std::string bytes_of(const std::vector<float>& values, const std::string& dtype) {
  return stored({{.name = "", .shape = {}, .values = values}}, dtype).front().bytes;
}

// Rounded to the type and widened again.
std::vector<float> rounded(const std::vector<float>& values, const std::string& dtype) {
  std::vector<float> out;
  for (const float value : values) {
    if (dtype == "BF16")
      out.push_back(bf16_to_f32(f32_to_bf16(value)));
    else
      out.push_back(dtype == "F16" ? f16_to_f32(f32_to_f16(value)) : value);
  }
  return out;
}

// Appends codes of `bits` each to a little-endian stream. REQUIRES: a multiple of 8 codes.
void append_codes(const std::vector<std::uint8_t>& codes, int bits, std::string& stream) {
  for (std::size_t k = 0; k < codes.size(); k += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      word |= std::uint64_t{codes[k + i]} << (static_cast<int>(i) * bits);
    }
    for (int byte = 0; byte < bits; ++byte) {
      stream.push_back(static_cast<char>(word >> (8 * byte) & 0xff));
    }
  }
}

std::string module_path(const std::string& name) {
  return name.ends_with(".weight") ? name.substr(0, name.size() - 7) : "";
}

}  // namespace

std::string fnv1a64_hex(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ull;
  }
  return fmt::format("{:016x}", hash);
}

std::vector<std::filesystem::path> quantized_golden_paths() {
  std::vector<std::filesystem::path> paths;
  const auto folder = std::filesystem::path(QUIRE_SOURCE_DIR) / "tests" / "golden" / "quantized";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().stem() != "groups") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

QuantizedGolden read_quantized_golden(const std::filesystem::path& path) {
  const auto text = models::read_text_file(path, 4u << 20);
  CHECK(text, "{}", text.error().message);
  const auto parsed = parse_json(*text, {.allow_non_finite = true});
  CHECK(parsed, "{}: {}", path.string(), parsed.error().message);
  const Json& json = *parsed;
  QuantizedGolden golden;
  golden.base = read_golden_base(json);
  golden.base.name = path.stem();
  golden.scales = json.at("scales");
  for (const auto& [module, widths] : json.at("modules").items()) {
    golden.modules[module] = {widths.at(0), widths.at(1)};
  }
  for (const Json& entry : json.at("stored")) {
    golden.stored.push_back({entry.at(0), entry.at(1), entry.at(2), entry.at(3)});
  }
  golden.answer = read_golden_answer(json);
  return golden;
}

std::vector<RawTensor> quantized(const GoldenTensor& weights, const Widths& widths,
                                 const std::string& scale_dtype) {
  const std::vector<float> values = rounded(weights.values, scale_dtype);
  const std::int64_t cols = weights.shape.back();
  CHECK(cols % widths.group == 0, "{}: {} columns in groups of {}", weights.name, cols,
        widths.group);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(widths.group));
  std::vector<float> scales, biases;
  std::string stream;
  for (std::size_t at = 0; at < values.size(); at += codes.size()) {
    const kernels::AffineGroup group =
        kernels::quantize_affine(values.data() + at, widths.group, widths.bits, codes.data());
    append_codes(codes, widths.bits, stream);
    scales.push_back(group.scale);
    biases.push_back(group.bias);
  }
  std::vector<std::int64_t> code_shape = weights.shape, scale_shape = weights.shape;
  code_shape.back() = cols * widths.bits / 32;
  scale_shape.back() = cols / widths.group;
  const std::string path = module_path(weights.name);
  return {{path + ".weight", "U32", code_shape, stream},
          {path + ".scales", scale_dtype, scale_shape, bytes_of(scales, scale_dtype)},
          {path + ".biases", scale_dtype, scale_shape, bytes_of(biases, scale_dtype)}};
}

std::vector<RawTensor> mlx_tensors(const QuantizedGolden& golden) {
  std::vector<RawTensor> out;
  for (const GoldenTensor& tensor : mlx_layout(golden.base)) {
    const auto widths = golden.modules.find(module_path(tensor.name));
    const std::vector<RawTensor> raw = widths == golden.modules.end()
                                           ? stored({tensor}, "F32")
                                           : quantized(tensor, widths->second, golden.scales);
    out.insert(out.end(), raw.begin(), raw.end());
  }
  std::ranges::sort(out, {}, &RawTensor::name);
  return out;
}

}  // namespace quire::testing
