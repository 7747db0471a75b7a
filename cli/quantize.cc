// The names stay those of the source; mlx-lm recognises a quantized module by its .scales.
#include "cli/quantize.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>

#include "base/parallel.h"
#include "cli/hub.h"
#include "cli/safetensors_writer.h"
#include "kernels/quantize.h"
#include "models/load/bind.h"
#include "models/load/json.h"
#include "models/load/load.h"

namespace quire::cli {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kConfigBytesMax = 16 << 20;
constexpr std::int64_t kPieceWeights = 1 << 20;

bool is_allowed(int bits) {
  return bits == 2 || bits == 3 || bits == 4 || bits == 5 || bits == 6 || bits == 8;
}

// The stream of codes that unpack_codes() reads: little-endian, `bits` each.
void pack_stream(const std::uint8_t* codes, std::int64_t count, int bits, std::byte* out) {
  for (std::int64_t k = 0; k < count; k += 8) {
    std::uint64_t word = 0;
    for (int i = 0; i < 8; ++i) word |= static_cast<std::uint64_t>(codes[k + i]) << (bits * i);
    std::memcpy(out + k / 8 * bits, &word, static_cast<std::size_t>(bits));
  }
}

void store(float value, DType dtype, std::byte* out) {
  const std::uint16_t half = dtype == DType::kBf16 ? f32_to_bf16(value) : f32_to_f16(value);
  if (dtype == DType::kF32) {
    std::memcpy(out, &value, 4);
  } else {
    std::memcpy(out, &half, 2);
  }
}

// A tensor of the source and what becomes of it: itself, or codes, scales and biases.
struct Item {
  const models::Checkpoint::Tensor* tensor = nullptr;
  std::string module;
  std::optional<QuantizeWidths> widths;
  std::size_t first = 0;  // index of its (first) tensor in the target
};

class Quantizer {
 public:
  explicit Quantizer(const QuantizePlan& plan) : plan_(plan) {}

  Result<QuantizeReport> run() {
    QUIRE_ASSIGN(config_text_,
                 models::read_text_file(plan_.source / "config.json", kConfigBytesMax));
    QUIRE_ASSIGN(models::ParsedConfig parsed, models::parse_model_config(config_text_, false));
    QUIRE_ASSIGN(checkpoint_, models::Checkpoint::open(plan_.source));
    QUIRE_ASSIGN(
        const models::BoundCheckpoint bound,
        models::bind_checkpoint(*parsed.family, *checkpoint_, parsed.quantization, parsed.spec));
    QUIRE_TRY(choose(bound));
    QUIRE_TRY(prepare_target());
    QUIRE_ASSIGN(writer_,
                 SafetensorsWriter::create(plan_.target, target_tensors(), plan_.shard_bytes));
    for (const Item& item : items_) QUIRE_TRY(item.widths ? quantize(item) : copy(item));
    QUIRE_TRY(writer_->finish());
    QUIRE_TRY(copy_texts());
    QUIRE_TRY(write_config());
    report_.target_bytes = writer_->bytes();
    report_.bits_per_weight =
        8 * static_cast<double>(report_.target_bytes) / static_cast<double>(weights_);
    return std::move(report_);
  }

 private:
  Status choose(const models::BoundCheckpoint& bound) {
    std::set<const models::Checkpoint::Tensor*> matrices;
    std::size_t at = 0;
    for (const models::SlotNeed& need : bound.needs) {
      const models::Binding& binding = bound.bindings[at];
      at += static_cast<std::size_t>(need.count);
      if (need.kind != models::WeightKind::kMatrix) continue;
      if (binding.affine) {
        return fail(ErrorCode::kInvalid,
                    "{} is already quantized (\"{}\"): take the float checkpoint",
                    plan_.source.string(), binding.tensor->info.name);
      }
      if (need.count > 1) {
        return fail(ErrorCode::kUnsupported,
                    "\"{}\": experts and matrices of single heads are not written yet; quire serve "
                    "--quantization int4 quantizes them at load",
                    binding.tensor->info.name);
      }
      if (!need.keep_f32 && !binding.is_transposed()) matrices.insert(binding.tensor);
    }
    std::vector<bool> used(plan_.rules.size(), false);
    std::size_t next = 0;
    for (const auto& tensor : checkpoint_->tensors()) {
      Item item{&tensor, "", std::nullopt, next};
      if (matrices.contains(&tensor)) item = choose_widths(tensor, next, used);
      next += item.widths ? 3 : 1;
      report_.source_bytes += tensor.info.bytes;
      std::uint64_t elements = 1;
      for (const std::int64_t dim : tensor.info.shape) elements *= static_cast<std::uint64_t>(dim);
      weights_ += elements;
      if (!item.widths) ++report_.float_count;
      items_.push_back(std::move(item));
    }
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) report_.unused_rules.push_back(plan_.rules[i].pattern);
    }
    return {};
  }

  Item choose_widths(const models::Checkpoint::Tensor& tensor, std::size_t next,
                     std::vector<bool>& used) const {
    constexpr std::string_view kWeight = ".weight";
    Item item{&tensor, "", std::nullopt, next};
    const std::string& name = tensor.info.name;
    if (!name.ends_with(kWeight) || tensor.info.shape.size() != 2) return item;
    item.module = name.substr(0, name.size() - kWeight.size());
    item.widths = plan_.widths;
    for (std::size_t i = 0; i < plan_.rules.size(); ++i) {
      if (!models::matches_pattern(plan_.rules[i].pattern, item.module)) continue;
      used[i] = true;
      item.widths = plan_.rules[i].widths;
      break;
    }
    if (item.widths && tensor.info.shape[1] % item.widths->group != 0) item.widths.reset();
    return item;
  }

  std::vector<NewTensor> target_tensors() const {
    std::vector<NewTensor> out;
    for (const Item& item : items_) {
      const models::TensorInfo& info = item.tensor->info;
      if (!item.widths) {
        out.push_back({info.name, info.dtype_word, info.shape, info.bytes});
        continue;
      }
      const std::int64_t rows = info.shape[0], cols = info.shape[1];
      const std::int64_t words = cols * item.widths->bits / 32, groups = cols / item.widths->group;
      const auto unit = static_cast<std::uint64_t>(dtype_bytes(*info.dtype));
      const auto pairs = static_cast<std::uint64_t>(rows * groups) * unit;
      out.push_back(
          {info.name, "U32", {rows, words}, static_cast<std::uint64_t>(rows * words) * 4});
      out.push_back({item.module + ".scales", info.dtype_word, {rows, groups}, pairs});
      out.push_back({item.module + ".biases", info.dtype_word, {rows, groups}, pairs});
    }
    return out;
  }

  Status prepare_target() const {
    std::error_code error;
    fs::create_directories(plan_.target, error);
    if (error) return fail(ErrorCode::kIo, "{}: {}", plan_.target.string(), error.message());
    if (fs::exists(plan_.target / "config.json", error)) {
      return fail(ErrorCode::kInvalid, "{} already holds a model; --overwrite replaces it",
                  plan_.target.string());
    }
    return {};
  }

  void moved(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    if (plan_.progress) plan_.progress(done_, report_.source_bytes);
  }

  Status copy(const Item& item) {
    constexpr std::uint64_t kBlock = 4 << 20;
    std::vector<std::byte> block;
    for (std::uint64_t at = 0; at < item.tensor->info.bytes; at += kBlock) {
      block.resize(std::min(kBlock, item.tensor->info.bytes - at));
      QUIRE_TRY(checkpoint_->read(*item.tensor, at, block));
      QUIRE_TRY(writer_->write(item.first, at, block));
      moved(block.size());
    }
    return {};
  }

  struct Sums {
    double weights = 0, differences = 0, largest = 0;
  };

  // Rows [begin, begin + count) of one tensor.
  Status quantize_rows(const Item& item, std::int64_t begin, std::int64_t count, Sums& sums) {
    const models::TensorInfo& info = item.tensor->info;
    const int bits = item.widths->bits, group = item.widths->group;
    const std::int64_t cols = info.shape[1], groups = cols / group;
    const auto unit = static_cast<std::int64_t>(dtype_bytes(*info.dtype));
    const std::int64_t row_codes = kernels::code_stream_bytes(bits, cols);
    std::vector<std::byte> source(static_cast<std::size_t>(count * cols * unit));
    QUIRE_TRY(
        checkpoint_->read(*item.tensor, static_cast<std::uint64_t>(begin * cols * unit), source));
    std::vector<std::byte> stream(static_cast<std::size_t>(count * row_codes));
    std::vector<std::byte> scales(static_cast<std::size_t>(count * groups * unit));
    std::vector<std::byte> biases(scales.size());
    std::vector<float> w(static_cast<std::size_t>(group));
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(group));
    for (std::int64_t g = 0; g < count * groups; ++g) {
      for (int i = 0; i < group; ++i) {
        w[static_cast<std::size_t>(i)] =
            kernels::widened(source.data(), *info.dtype, g * group + i);
      }
      const kernels::AffineGroup affine =
          kernels::quantize_affine(w.data(), group, bits, codes.data());
      store(affine.scale, *info.dtype, scales.data() + g * unit);
      store(affine.bias, *info.dtype, biases.data() + g * unit);
      pack_stream(codes.data(), group, bits, stream.data() + g * group / 8 * bits);
      const float scale = kernels::widened(scales.data(), *info.dtype, g);
      const float bias = kernels::widened(biases.data(), *info.dtype, g);
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double difference = std::fma(static_cast<float>(codes[i]), scale, bias) - w[i];
        sums.weights += static_cast<double>(w[i]) * w[i];
        sums.differences += difference * difference;
        sums.largest = std::max(sums.largest, std::abs(difference));
      }
    }
    const auto at = [&](std::int64_t row_bytes) {
      return static_cast<std::uint64_t>(begin * row_bytes);
    };
    QUIRE_TRY(writer_->write(item.first, at(row_codes), stream));
    QUIRE_TRY(writer_->write(item.first + 1, at(groups * unit), scales));
    QUIRE_TRY(writer_->write(item.first + 2, at(groups * unit), biases));
    moved(source.size());
    return {};
  }

  Status quantize(const Item& item) {
    const std::int64_t rows = item.tensor->info.shape[0], cols = item.tensor->info.shape[1];
    const std::int64_t piece = std::clamp<std::int64_t>(kPieceWeights / cols, 1, rows);
    const std::int64_t pieces = (rows + piece - 1) / piece;
    std::vector<Sums> sums(static_cast<std::size_t>(pieces));
    std::vector<Status> faults(sums.size());
    parallel_for(pieces, [&](std::int64_t i) {
      const auto index = static_cast<std::size_t>(i);
      faults[index] =
          quantize_rows(item, i * piece, std::min(piece, rows - i * piece), sums[index]);
    });
    Sums total;  // in the order of the rows, so that the report is the same on any machine
    for (std::size_t i = 0; i < sums.size(); ++i) {
      QUIRE_TRY(faults[i]);
      total.weights += sums[i].weights;
      total.differences += sums[i].differences;
      total.largest = std::max(total.largest, sums[i].largest);
    }
    report_.tensors.push_back({item.module, *item.widths, rows, cols,
                               total.weights > 0 ? std::sqrt(total.differences / total.weights) : 0,
                               total.largest});
    return {};
  }

  Status copy_texts() const {
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(plan_.source, error)) {
      const fs::path path = entry.path().lexically_relative(plan_.source);
      const bool is_wanted = is_small_model_file(path.generic_string()) && path != "config.json" &&
                             path != "model.safetensors.index.json";
      if (!is_wanted || !entry.is_regular_file(error)) continue;
      fs::create_directories((plan_.target / path).parent_path(), error);
      fs::copy_file(entry.path(), plan_.target / path, fs::copy_options::overwrite_existing, error);
      if (error) return fail(ErrorCode::kIo, "{}: {}", path.string(), error.message());
    }
    return {};
  }

  Status write_config() const {
    QUIRE_ASSIGN(Json config, parse_json(config_text_, {.allow_non_finite = true}));
    Json widths = {
        {"group_size", plan_.widths.group}, {"bits", plan_.widths.bits}, {"mode", "affine"}};
    for (const Item& item : items_) {
      if (!item.widths && !item.module.empty()) widths[item.module] = false;
      if (!item.widths || *item.widths == plan_.widths) continue;
      widths[item.module] = {
          {"group_size", item.widths->group}, {"bits", item.widths->bits}, {"mode", "affine"}};
    }
    config["quantization"] = widths;
    config["quantization_config"] = widths;
    const fs::path path = plan_.target / "config.json";
    std::ofstream file(path, std::ios::binary);
    file << config.dump(4) << "\n";
    if (!file.flush()) return fail(ErrorCode::kIo, "cannot write {}", path.string());
    return {};
  }

  const QuantizePlan& plan_;
  std::string config_text_;
  std::optional<models::Checkpoint> checkpoint_;
  std::unique_ptr<SafetensorsWriter> writer_;
  std::vector<Item> items_;
  QuantizeReport report_;
  std::uint64_t weights_ = 0;
  std::mutex mutex_;
  std::uint64_t done_ = 0;
};

}  // namespace

Result<QuantizeRule> parse_quantize_rule(std::string_view text, const QuantizeWidths& widths) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalid,
                "\"{}\" is not PATTERN=BITS, PATTERN=BITS/GROUP or PATTERN=none (bits 2, 3, 4, 5, "
                "6 or 8; groups 32, 64 or 128)",
                text);
  };
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return wrong();
  QuantizeRule rule{std::string(text.substr(0, equals)), std::nullopt};
  const std::string_view value = text.substr(equals + 1);
  if (value == "none") return rule;
  QuantizeWidths own = widths;
  const char* end = value.data() + value.size();
  auto at = std::from_chars(value.data(), end, own.bits);
  if (at.ec == std::errc() && at.ptr != end && *at.ptr == '/') {
    at = std::from_chars(at.ptr + 1, end, own.group);
  }
  const bool good_group = own.group == 32 || own.group == 64 || own.group == 128;
  if (at.ec != std::errc() || at.ptr != end || !is_allowed(own.bits) || !good_group) {
    return wrong();
  }
  rule.widths = own;
  return rule;
}

Result<QuantizeReport> quantize_checkpoint(const QuantizePlan& plan) {
  return Quantizer(plan).run();
}

}  // namespace quire::cli
