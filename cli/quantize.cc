// mlx-lm recognises a quantized module by its .scales. Pieces are converted side by side.
#include "cli/quantize.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <mutex>

#include "base/parallel.h"
#include "cli/hub.h"
#include "cli/quantize_items.h"
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

// Like the file that was read: numbers that JSON does not have stay the words that Python writes.
std::string dump_config(Json config) {
  constexpr std::string_view kMark = "\x1f";
  const std::function<void(Json&)> mark = [&](Json& value) {
    if (value.is_structured()) {
      for (Json& member : value) mark(member);
    } else if (value.is_number_float() && !std::isfinite(value.get<double>())) {
      const double number = value.get<double>();
      value = fmt::format("{0}{1}{0}", kMark,
                          std::isnan(number) ? "NaN"
                          : number > 0       ? "Infinity"
                                             : "-Infinity");
    }
  };
  mark(config);
  std::string text = config.dump(4);
  for (const std::string_view quoted : {"\"\\u001f", "\\u001f\""}) {
    for (std::size_t at = 0; (at = text.find(quoted, at)) != std::string::npos;) {
      text.erase(at, quoted.size());
    }
  }
  return text;
}

class Quantizer {
 public:
  explicit Quantizer(const QuantizePlan& plan) : plan_(plan) {}

  Result<QuantizeReport> run() {
    QUIRE_ASSIGN(config_text_,
                 models::read_text_file(plan_.source / "config.json", kConfigBytesMax));
    QUIRE_ASSIGN(const models::ParsedConfig parsed,
                 models::parse_model_config(config_text_, false));
    QUIRE_ASSIGN(checkpoint_, models::Checkpoint::open(plan_.source));
    models::DecoderSpec spec = parsed.spec;
    QUIRE_ASSIGN(const models::BoundCheckpoint bound,
                 models::bind_checkpoint(*parsed.family, *checkpoint_, parsed.quantization, spec));
    prefix_ = bound.prefix;
    QUIRE_ASSIGN(QuantizeItems chosen, choose_items(parsed, plan_, *checkpoint_, bound));
    items_ = std::move(chosen.items);
    report_.unused_rules = std::move(chosen.unused_rules);
    count_source();
    QUIRE_ASSIGN(folder_, NewFolder::create(plan_.target, plan_.existing));
    QUIRE_ASSIGN(writer_,
                 SafetensorsWriter::create(folder_->path(), target_tensors(), plan_.shard_bytes));
    for (const QuantizeItem& item : items_) QUIRE_TRY(item.is_copy ? copy(item) : convert(item));
    QUIRE_TRY(writer_->finish());
    QUIRE_TRY(copy_texts());
    QUIRE_TRY(write_config());
    QUIRE_TRY(folder_->publish());
    report_.target_bytes = writer_->bytes();
    report_.bits_per_weight =
        8 * static_cast<double>(report_.target_bytes) / static_cast<double>(weights_);
    return std::move(report_);
  }

 private:
  void count_source() {
    for (const auto& tensor : checkpoint_->tensors()) {
      report_.source_bytes += tensor.info.bytes;
      std::uint64_t elements = 1;
      for (const std::int64_t dim : tensor.info.shape) elements *= static_cast<std::uint64_t>(dim);
      weights_ += elements;
    }
    for (const QuantizeItem& item : items_) report_.float_count += item.widths ? 0 : 1;
  }

  std::vector<NewTensor> target_tensors() const {
    std::vector<NewTensor> out;
    for (const QuantizeItem& item : items_) {
      const models::TensorInfo& info = item.info();
      if (item.is_copy) {
        out.push_back({info.name, info.dtype_word, info.shape, info.bytes});
        continue;
      }
      const auto unit = static_cast<std::uint64_t>(dtype_bytes(*info.dtype));
      const auto tensor = [&](std::string name, std::string_view dtype, std::int64_t width,
                              std::uint64_t element_bytes) {
        std::vector<std::int64_t> shape = item.shape;
        shape.back() = width;
        std::uint64_t bytes = element_bytes;
        for (const std::int64_t dim : shape) bytes *= static_cast<std::uint64_t>(dim);
        out.push_back({std::move(name), std::string(dtype), std::move(shape), bytes});
      };
      if (!item.widths) {
        tensor(item.name, info.dtype_word, item.shape.back(), unit);
        continue;
      }
      const std::int64_t groups = item.cols / item.widths->group;
      tensor(item.name, "U32", item.cols * item.widths->bits / 32, 4);
      tensor(item.module() + ".scales", info.dtype_word, groups, unit);
      tensor(item.module() + ".biases", info.dtype_word, groups, unit);
    }
    return out;
  }

  Status moved(std::uint64_t bytes) {
    if (plan_.cancelled != nullptr && plan_.cancelled->load()) {
      return fail(ErrorCode::kCancelled, "cancelled");
    }
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    if (plan_.progress) plan_.progress(std::min(done_, report_.source_bytes), report_.source_bytes);
    return {};
  }

  Status copy(const QuantizeItem& item) {
    constexpr std::uint64_t kBlock = 4 << 20;
    std::vector<std::byte> block;
    const models::Checkpoint::Tensor& tensor = *item.parts.front().tensor;
    for (std::uint64_t at = 0; at < tensor.info.bytes; at += kBlock) {
      block.resize(std::min(kBlock, tensor.info.bytes - at));
      QUIRE_TRY(checkpoint_->read(tensor, at, block));
      QUIRE_TRY(writer_->write(item.first, at, block));
      QUIRE_TRY(moved(block.size()));
    }
    return {};
  }

  struct Sums {
    double weights = 0, differences = 0, largest = 0;
  };
  // Rows [begin, begin + count) of one part.
  struct Piece {
    std::size_t part;
    std::int64_t begin, count;
  };

  // The elements of the piece as they are in the file, [count, cols].
  Result<std::vector<std::byte>> read(const QuantizeItem& item, const Piece& piece) const {
    const MatrixSource& source = item.parts[piece.part];
    const auto unit = static_cast<std::size_t>(dtype_bytes(*source.tensor->info.dtype));
    const std::int64_t first = source.first + piece.begin * source.row_stride;
    const std::int64_t span =
        (piece.count - 1) * source.row_stride + (item.cols - 1) * source.col_stride + 1;
    std::vector<std::byte> raw(static_cast<std::size_t>(span) * unit);
    QUIRE_TRY(checkpoint_->read(*source.tensor, static_cast<std::uint64_t>(first) * unit, raw));
    if (source.col_stride == 1 && source.row_stride == item.cols) return raw;
    std::vector<std::byte> out(static_cast<std::size_t>(piece.count * item.cols) * unit);
    std::byte* to = out.data();
    for (std::int64_t r = 0; r < piece.count; ++r) {
      for (std::int64_t c = 0; c < item.cols; ++c, to += unit) {
        const std::int64_t at = r * source.row_stride + c * source.col_stride;
        std::memcpy(to, raw.data() + static_cast<std::size_t>(at) * unit, unit);
      }
    }
    return out;
  }

  // Row of the target tensor at which the piece begins.
  static std::int64_t row_of(const QuantizeItem& item, const Piece& piece) {
    return static_cast<std::int64_t>(piece.part) * item.rows + piece.begin;
  }

  Status convert_piece(const QuantizeItem& item, const Piece& piece, Sums& sums) {
    QUIRE_ASSIGN(const std::vector<std::byte> source, read(item, piece));
    if (!item.widths) {
      const auto row_bytes =
          static_cast<std::uint64_t>(item.cols * dtype_bytes(*item.info().dtype));
      const auto row = static_cast<std::uint64_t>(row_of(item, piece));
      QUIRE_TRY(writer_->write(item.first, row * row_bytes, source));
    } else {
      QUIRE_TRY(quantize_piece(item, piece, source, sums));
    }
    return moved(source.size());
  }

  Status quantize_piece(const QuantizeItem& item, const Piece& piece,
                        std::span<const std::byte> source, Sums& sums) {
    const int bits = item.widths->bits, group = item.widths->group;
    const DType dtype = *item.info().dtype;
    const std::int64_t groups = item.cols / group, count = piece.count;
    const auto unit = static_cast<std::int64_t>(dtype_bytes(dtype));
    const std::int64_t row_codes = kernels::code_stream_bytes(bits, item.cols);
    std::vector<std::byte> stream(static_cast<std::size_t>(count * row_codes));
    std::vector<std::byte> scales(static_cast<std::size_t>(count * groups * unit));
    std::vector<std::byte> biases(scales.size());
    std::vector<float> w(static_cast<std::size_t>(group));
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(group));
    for (std::int64_t g = 0; g < count * groups; ++g) {
      for (int i = 0; i < group; ++i) {
        w[static_cast<std::size_t>(i)] = kernels::widened(source.data(), dtype, g * group + i);
      }
      const kernels::AffineGroup affine =
          kernels::quantize_affine(w.data(), group, bits, codes.data());
      store(affine.scale, dtype, scales.data() + g * unit);
      store(affine.bias, dtype, biases.data() + g * unit);
      pack_stream(codes.data(), group, bits, stream.data() + g * group / 8 * bits);
      const float scale = kernels::widened(scales.data(), dtype, g);
      const float bias = kernels::widened(biases.data(), dtype, g);
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double difference = std::fma(static_cast<float>(codes[i]), scale, bias) - w[i];
        sums.weights += static_cast<double>(w[i]) * w[i];
        sums.differences += difference * difference;
        sums.largest = std::max(sums.largest, std::abs(difference));
      }
    }
    const auto at = [&](std::int64_t row_bytes) {
      return static_cast<std::uint64_t>(row_of(item, piece) * row_bytes);
    };
    QUIRE_TRY(writer_->write(item.first, at(row_codes), stream));
    QUIRE_TRY(writer_->write(item.first + 1, at(groups * unit), scales));
    return writer_->write(item.first + 2, at(groups * unit), biases);
  }

  static std::vector<Piece> pieces_of(const QuantizeItem& item) {
    std::vector<Piece> pieces;
    for (std::size_t part = 0; part < item.parts.size(); ++part) {
      // A transposed part is read whole: its rows lie across it.
      const std::int64_t rows =
          item.parts[part].col_stride == 1
              ? std::clamp<std::int64_t>(kPieceWeights / item.cols, 1, item.rows)
              : item.rows;
      for (std::int64_t begin = 0; begin < item.rows; begin += rows) {
        pieces.push_back({part, begin, std::min(rows, item.rows - begin)});
      }
    }
    return pieces;
  }

  Status convert(const QuantizeItem& item) {
    const std::vector<Piece> pieces = pieces_of(item);
    std::vector<Sums> sums(pieces.size());
    std::vector<Status> faults(pieces.size());
    parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
      const auto index = static_cast<std::size_t>(i);
      faults[index] = convert_piece(item, pieces[index], sums[index]);
    });
    Sums total;  // in the order of the rows, so that the report is the same on any machine
    for (std::size_t i = 0; i < sums.size(); ++i) {
      QUIRE_TRY(faults[i]);
      total.weights += sums[i].weights;
      total.differences += sums[i].differences;
      total.largest = std::max(total.largest, sums[i].largest);
    }
    if (!item.widths) return {};
    report_.tensors.push_back({item.module(), *item.widths, item.shape,
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
      fs::create_directories((folder_->path() / path).parent_path(), error);
      fs::copy_file(entry.path(), folder_->path() / path, error);
      if (error) return fail(ErrorCode::kIo, "{}: {}", path.string(), error.message());
    }
    return {};
  }

  // mlx-lm calls the parts of a wrapper of several modalities by names of its own.
  std::string mlx_module(const std::string& module) const {
    constexpr std::string_view kOwn = "language_model.";
    if (module.starts_with(kOwn)) return module;
    if (module.starts_with(prefix_)) {
      return fmt::format("{}model.{}", kOwn, module.substr(prefix_.size()));
    }
    return fmt::format("{}{}", kOwn, module);
  }

  Status write_config() const {
    QUIRE_ASSIGN(Json config, parse_json(config_text_, {.allow_non_finite = true}));
    const bool is_wrapper = config.contains("text_config");
    Json widths = {
        {"group_size", plan_.widths.group}, {"bits", plan_.widths.bits}, {"mode", "affine"}};
    for (const QuantizeItem& item : items_) {
      if (!item.is_chosen || item.widths == plan_.widths) continue;
      const Json own = item.widths ? Json{{"group_size", item.widths->group},
                                          {"bits", item.widths->bits},
                                          {"mode", "affine"}}
                                   : Json(false);
      widths[item.module()] = own;
      if (is_wrapper) widths[mlx_module(item.module())] = own;
    }
    config["quantization"] = widths;
    config["quantization_config"] = widths;
    const fs::path path = folder_->path() / "config.json";
    std::ofstream file(path, std::ios::binary);
    file << dump_config(config) << "\n";
    if (!file.flush()) return fail(ErrorCode::kIo, "cannot write {}", path.string());
    return {};
  }

  const QuantizePlan& plan_;
  std::string config_text_, prefix_;
  std::optional<models::Checkpoint> checkpoint_;
  std::unique_ptr<NewFolder> folder_;  // outlives the writer's files
  std::unique_ptr<SafetensorsWriter> writer_;
  std::vector<QuantizeItem> items_;
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
