// Reads golden files and makes their weights; the generator is described in tools/make_golden.py.
#include "tests/golden/golden_file.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/check.h"
#include "base/dtype.h"
#include "base/rng.h"
#include "models/load/file.h"

namespace quire::testing {
namespace {

std::uint64_t fnv1a64(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ull;
  }
  return hash;
}

std::vector<float> generate(std::string_view name, std::int64_t count, float offset, float scale,
                            std::uint64_t seed) {
  const std::uint64_t key = fnv1a64(name) ^ seed;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float u = static_cast<float>(random_bits(key, i) >> 40) * 0x1p-24f;
    const float two_u = 2.0f * u - 1.0f;
    values[i] = offset + scale * two_u;
  }
  return values;
}

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  return count;
}

// "a.experts.3.up_proj.weight" -> {"a.", 3, "up_proj"}; index -1 for other names.
struct ExpertName {
  std::string stem;
  int index = -1;
  std::string projection;
};
ExpertName expert_name(const std::string& name) {
  constexpr std::string_view kMark = ".experts.";
  const auto at = name.find(kMark);
  if (at == std::string::npos) return {};
  const auto dot = name.find('.', at + kMark.size());
  if (dot == std::string::npos) return {};
  const auto end = name.find('.', dot + 1);
  return {name.substr(0, at + 1), std::stoi(name.substr(at + kMark.size())),
          name.substr(dot + 1, end - dot - 1)};
}

// Expert tensors of one projection appended into [X, rows, cols]; everything else as it is.
// Safetensors list names in text order, so experts are put in place by number.
std::vector<GoldenTensor> stack_by(
    const std::vector<GoldenTensor>& tensors,
    const std::function<std::string(const ExpertName&)>& stacked_name) {
  std::vector<GoldenTensor> out;
  std::map<std::string, std::map<int, const GoldenTensor*>> stacks;
  for (const GoldenTensor& tensor : tensors) {
    const ExpertName expert = expert_name(tensor.name);
    if (expert.index < 0)
      out.push_back(tensor);
    else
      stacks[stacked_name(expert)][expert.index] = &tensor;
  }
  for (const auto& [name, experts] : stacks) {
    GoldenTensor stacked{.name = name, .shape = experts.at(0)->shape, .values = {}};
    stacked.shape.insert(stacked.shape.begin(), static_cast<std::int64_t>(experts.size()));
    for (const auto& [index, expert] : experts) {
      stacked.values.insert(stacked.values.end(), expert->values.begin(), expert->values.end());
    }
    out.push_back(std::move(stacked));
  }
  return out;
}

// kv_b_proj [H*(n+v), r] as embed_q [H, r, n] and unembed_out [H, v, r].
std::vector<GoldenTensor> split_kv_up(const Json& config, const GoldenTensor& tensor) {
  const auto heads = config.at("num_attention_heads").get<std::int64_t>();
  const auto nope = config.at("qk_nope_head_dim").get<std::int64_t>();
  const auto value = config.at("v_head_dim").get<std::int64_t>();
  const std::int64_t rank = tensor.shape[1];
  const std::string stem = tensor.name.substr(0, tensor.name.find("kv_b_proj"));
  GoldenTensor keys{.name = stem + "embed_q.weight", .shape = {heads, rank, nope}, .values = {}};
  GoldenTensor values{
      .name = stem + "unembed_out.weight", .shape = {heads, value, rank}, .values = {}};
  for (std::int64_t h = 0; h < heads; ++h) {
    const float* block = tensor.values.data() + h * (nope + value) * rank;
    for (std::int64_t r = 0; r < rank; ++r) {
      for (std::int64_t n = 0; n < nope; ++n) keys.values.push_back(block[n * rank + r]);
    }
    values.values.insert(values.values.end(), block + nope * rank, block + (nope + value) * rank);
  }
  return {keys, values};
}

}  // namespace

std::vector<std::filesystem::path> golden_paths() {
  std::vector<std::filesystem::path> paths;
  const auto folder = std::filesystem::path(QUIRE_SOURCE_DIR) / "tests" / "golden";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

GoldenAnswer read_golden_answer(const Json& json) {
  GoldenAnswer answer;
  answer.greedy = json.at("greedy").get<std::vector<std::int32_t>>();
  for (const Json& row : json.at("logits")) {
    answer.rows.push_back({row.at(0).get<int>(), row.at(1).get<std::vector<float>>()});
  }
  return answer;
}

Golden read_golden_base(const Json& json) {
  Golden golden;
  golden.family = json.at("family");
  golden.about = json.at("about");
  golden.oracle = json.at("oracle");
  golden.config = json.at("config");
  golden.context = json.at("context");
  golden.prompt = json.at("prompt").get<std::vector<std::int32_t>>();
  const auto seed = json.at("seed").get<std::uint64_t>();
  for (const Json& entry : json.at("tensors")) {
    GoldenTensor tensor{.name = entry.at(0), .shape = entry.at(1), .values = {}};
    tensor.values = generate(tensor.name, elements(tensor.shape), entry.at(2).get<float>(),
                             entry.at(3).get<float>(), seed);
    golden.tensors.push_back(std::move(tensor));
  }
  return golden;
}

Golden read_golden(const std::filesystem::path& path) {
  const auto text = models::read_text_file(path, 4u << 20);
  CHECK(text, "{}", text.error().message);
  const auto parsed = parse_json(*text, {.allow_non_finite = true});
  CHECK(parsed, "{}: {}", path.string(), parsed.error().message);
  const Json& json = *parsed;
  Golden golden = read_golden_base(json);
  golden.name = path.stem();
  golden.config_published = json.at("config_published");
  for (const char* dtype : {"f32", "bf16", "f16"}) {
    golden.answers[dtype] = read_golden_answer(json.at(dtype));
  }
  for (const Json& entry : json.value("mlx", Json::array())) {
    golden.mlx.push_back({entry.at(0), entry.at(1), entry.at(2)});
  }
  return golden;
}

std::vector<RawTensor> stored(const std::vector<GoldenTensor>& tensors, const std::string& dtype) {
  std::vector<RawTensor> out;
  for (const GoldenTensor& tensor : tensors) {
    if (dtype == "F32") {
      out.push_back(f32_tensor(tensor.name, tensor.shape, tensor.values));
      continue;
    }
    std::vector<std::uint16_t> halves;
    for (const float value : tensor.values) {
      halves.push_back(dtype == "BF16" ? f32_to_bf16(value) : f32_to_f16(value));
    }
    out.push_back({tensor.name, dtype, tensor.shape,
                   std::string(reinterpret_cast<const char*>(halves.data()), halves.size() * 2)});
  }
  return out;
}

std::vector<GoldenTensor> renamed(std::vector<GoldenTensor> tensors, const std::string& from,
                                  const std::string& to) {
  for (GoldenTensor& tensor : tensors) {
    if (tensor.name.starts_with(from)) tensor.name = to + tensor.name.substr(from.size());
  }
  return tensors;
}

std::vector<GoldenTensor> stacked_experts(const std::vector<GoldenTensor>& tensors) {
  std::vector<GoldenTensor> parts = stack_by(tensors, [](const ExpertName& expert) {
    return expert.stem + "experts." + expert.projection;
  });
  std::vector<GoldenTensor> out;
  for (GoldenTensor& part : parts) {
    const bool is_gate = part.name.ends_with("experts.gate_proj");
    if (!is_gate && !part.name.ends_with("experts.up_proj")) out.push_back(std::move(part));
    if (!is_gate) continue;
    const std::string stem =
        part.name.substr(0, part.name.size() - std::string("gate_proj").size());
    const auto up = std::find_if(parts.begin(), parts.end(), [&](const GoldenTensor& other) {
      return other.name == stem + "up_proj";
    });
    GoldenTensor fused{.name = stem + "gate_up_proj", .shape = part.shape, .values = {}};
    fused.shape[1] *= 2;
    const std::int64_t block = part.shape[1] * part.shape[2];
    for (std::int64_t x = 0; x < part.shape[0]; ++x) {
      for (const GoldenTensor* from : {&part, &*up}) {
        fused.values.insert(fused.values.end(), from->values.begin() + x * block,
                            from->values.begin() + (x + 1) * block);
      }
    }
    out.push_back(std::move(fused));
  }
  return out;
}

std::vector<GoldenTensor> mlx_layout(const Golden& golden) {
  std::vector<GoldenTensor> tensors = stack_by(golden.tensors, [](const ExpertName& expert) {
    return expert.stem + "switch_mlp." + expert.projection + ".weight";
  });
  const bool adds_one = golden.family == "qwen3_5";
  std::vector<GoldenTensor> out;
  for (GoldenTensor& tensor : tensors) {
    const auto ends = [&](std::string_view suffix) { return tensor.name.ends_with(suffix); };
    if (ends("kv_b_proj.weight")) {
      for (GoldenTensor& part : split_kv_up(golden.config, tensor)) out.push_back(std::move(part));
      continue;
    }
    if (ends("conv1d.weight")) std::swap(tensor.shape[1], tensor.shape[2]);
    if (adds_one && (ends("layernorm.weight") || ends("model.norm.weight") ||
                     ends("q_norm.weight") || ends("k_norm.weight"))) {
      for (float& value : tensor.values) value += 1.0f;
    }
    if (adds_one) tensor.name = "language_model." + tensor.name;
    out.push_back(std::move(tensor));
  }
  return out;
}

std::string fnv1a64_hex(const std::vector<float>& values) {
  return fmt::format("{:016x}", fnv1a64({reinterpret_cast<const char*>(values.data()),
                                         values.size() * sizeof(float)}));
}

std::string config_text(Json config) {
  constexpr std::string_view kMark = "\"@infinity\"";
  for (Json& value : config) {
    if (!value.is_array()) continue;
    for (Json& element : value) {
      if (element.is_number_float() && std::isinf(element.get<double>())) element = "@infinity";
    }
  }
  std::string text = dump_json(config);
  for (auto at = text.find(kMark); at != std::string::npos; at = text.find(kMark)) {
    text.replace(at, kMark.size(), "Infinity");
  }
  return text;
}

}  // namespace quire::testing
