// The header of a safetensors file, read in one SAX pass: a document tree of a 100 MB header would
// take 29 times its size (see json.cc).
#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/checked_math.h"
#include "models/load/json.h"
#include "models/load/safetensors.h"

namespace quire::models {
namespace {

struct DtypeWord {
  std::string_view word;
  int bits;
  std::optional<DType> dtype;
};
constexpr auto kDtypeWords = std::to_array<DtypeWord>({
    {"F32", 32, DType::kF32},
    {"BF16", 16, DType::kBf16},
    {"F16", 16, DType::kF16},
    {"F64", 64, DType::kF64},
    {"I8", 8, DType::kI8},
    {"U8", 8, DType::kU8},
    {"I16", 16, DType::kI16},
    {"U16", 16, DType::kU16},
    {"I32", 32, DType::kI32},
    {"U32", 32, DType::kU32},
    {"I64", 64, DType::kI64},
    {"U64", 64, DType::kU64},
    {"BOOL", 8, DType::kBool},
    {"F8_E4M3", 8, DType::kF8E4M3},
    {"F8_E5M2", 8, DType::kF8E5M2},
    {"F8_E8M0", 8, {}},
    {"F8_E4M3FNUZ", 8, {}},
    {"F8_E5M2FNUZ", 8, {}},
    {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},
    {"F4", 4, {}},
    {"C64", 64, {}},
});

const DtypeWord* find_dtype(std::string_view word) {
  const auto it = std::find_if(kDtypeWords.begin(), kDtypeWords.end(),
                               [&](const DtypeWord& entry) { return entry.word == word; });
  return it == kDtypeWords.end() ? nullptr : &*it;
}

std::string shown(std::string_view name) {
  return name.size() <= 120 ? std::string(name) : std::string(name.substr(0, 120)) + "...";
}

// {"name": {"dtype": word, "shape": [n...], "data_offsets": [begin, end]}, "__metadata__": {...}}
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const SafetensorsLimits& limits) : limits_(limits) {}

  // MLX writes null for no metadata.
  bool null() override { return (place_ == Place::kTop && in_metadata_) || unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t value) override {
    return unexpected(fmt::format("{}", value));  // negative: others arrive as unsigned
  }
  bool number_float(number_float_t, const string_t& text) override { return unexpected(text); }
  bool binary(binary_t&) override { return unexpected("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (tensor_.shape.size() >= limits_.rank) {
        return refuse(fmt::format("has more than {} dimensions", limits_.rank));
      }
      if (value > static_cast<std::uint64_t>(INT64_MAX)) {
        return refuse(fmt::format("has a dimension of {}", value));
      }
      tensor_.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (place_ == Place::kOffsets) {
      if (offset_count_ >= 2) return refuse("has more than two data_offsets");
      offsets_[offset_count_++] = value;
      return true;
    }
    return unexpected(fmt::format("{}", value));
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) return true;
    if (place_ != Place::kTensor || key_ != "dtype") return unexpected("a string");
    const DtypeWord* word = find_dtype(value);
    if (word == nullptr) return refuse(fmt::format("has the unknown dtype \"{}\"", shown(value)));
    tensor_.dtype_word = std::move(value);
    tensor_.dtype = word->dtype;
    bits_ = word->bits;
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop) {
      place_ = in_metadata_ ? Place::kMetadata : Place::kTensor;
      seen_.clear();
    } else {
      return unexpected("an object");
    }
    return true;
  }
  bool end_object() override {
    if (place_ == Place::kTop) return true;
    if (place_ == Place::kTensor && !finish_tensor()) return false;
    place_ = Place::kTop;
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::kTensor || key_ == "dtype") return unexpected("an array");
    place_ = key_ == "shape" ? Place::kShape : Place::kOffsets;
    return true;
  }
  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::kTop) return start_entry(std::move(value));
    if (!seen_.insert(value).second) {
      return refuse(fmt::format("has the key \"{}\" twice", shown(value)));
    }
    if (place_ == Place::kTensor && value != "dtype" && value != "shape" &&
        value != "data_offsets") {
      return refuse(fmt::format("has the unknown key \"{}\"", shown(value)));
    }
    key_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    if (error_.empty()) error_ = fmt::format("header is no valid JSON at byte {}", position);
    return false;
  }

  const std::string& error() const { return error_; }
  std::vector<TensorInfo> take() { return std::move(tensors_); }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets };

  bool refuse(std::string_view why) {
    if (error_.empty()) {
      error_ = in_metadata_ ? fmt::format("__metadata__ {}", why)
                            : fmt::format("tensor \"{}\" {}", shown(tensor_.name), why);
    }
    return false;
  }
  bool unexpected(std::string_view what) {
    if (place_ == Place::kStart) {
      error_ = fmt::format("header must be an object, got {}", what);
      return false;
    }
    if (place_ == Place::kTop) return refuse(fmt::format("must be an object, got {}", what));
    return refuse(fmt::format("has {} in \"{}\"", what, shown(key_)));
  }

  bool start_entry(std::string&& name) {
    in_metadata_ = name == "__metadata__";
    tensor_ = {};
    bits_ = 0;
    offset_count_ = 0;
    tensor_.name = std::move(name);
    if (!names_.insert(tensor_.name).second) return refuse("appears twice");
    if (!in_metadata_ && tensors_.size() >= limits_.tensors) {
      return refuse(fmt::format("exceeds the limit of {} tensors", limits_.tensors));
    }
    return true;
  }

  bool finish_tensor() {
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      if (!seen_.contains(key)) return refuse(fmt::format("lacks \"{}\"", key));
    }
    if (bits_ == 0 || offset_count_ != 2) return refuse("needs two data_offsets");
    if (offsets_[0] > offsets_[1]) {
      return refuse(fmt::format("begins at {}, behind its end {}", offsets_[0], offsets_[1]));
    }
    tensor_.begin = offsets_[0];
    tensor_.bytes = offsets_[1] - offsets_[0];
    std::optional<std::uint64_t> bits = static_cast<std::uint64_t>(bits_);
    for (const std::int64_t dim : tensor_.shape) {
      if (bits) bits = checked_mul(*bits, static_cast<std::uint64_t>(dim));
    }
    if (!bits || *bits % 8 != 0 || *bits / 8 != tensor_.bytes) {
      return refuse(fmt::format("of {} {} does not have the {} bytes of its data_offsets",
                                tensor_.dtype_word, shape_text(tensor_.shape), tensor_.bytes));
    }
    tensors_.push_back(std::move(tensor_));
    return true;
  }

  SafetensorsLimits limits_;
  Place place_ = Place::kStart;
  bool in_metadata_ = false;
  std::string key_;
  TensorInfo tensor_;  // the entry being read
  int bits_ = 0;       // of one element
  std::array<std::uint64_t, 2> offsets_ = {};
  std::size_t offset_count_ = 0;
  std::unordered_set<std::string> seen_;  // keys of the entry
  std::unordered_set<std::string> names_;
  std::vector<TensorInfo> tensors_;
  std::string error_;
};

}  // namespace

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
  }
  return text + "]";
}

Result<std::vector<TensorInfo>> parse_safetensors_header(std::string_view header,
                                                         std::uint64_t data_bytes,
                                                         const SafetensorsLimits& limits) {
  if (header.empty() || header.front() != '{') {
    return fail(ErrorCode::kInvalid, "header does not begin with {{");
  }
  if (header.find('\0') != std::string_view::npos) {  // which the parser takes for the end
    return fail(ErrorCode::kInvalid, "header contains NUL at byte {}", header.find('\0'));
  }
  HeaderReader reader(limits);
  bool good = false;
  try {
    good = Json::sax_parse(header, &reader);
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalid, "header: {}", error.what());
  }
  if (!good) return fail(ErrorCode::kInvalid, "{}", reader.error());
  std::vector<TensorInfo> tensors = reader.take();
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.bytes < b.bytes;
  });
  std::uint64_t end = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.begin != end) {
      return fail(ErrorCode::kInvalid, "tensor \"{}\" begins at {}, which leaves {} after byte {}",
                  shown(tensor.name), tensor.begin, tensor.begin > end ? "a hole" : "an overlap",
                  end);
    }
    end += tensor.bytes;  // no overflow: bytes = end offset - begin
  }
  if (end != data_bytes) {
    return fail(ErrorCode::kInvalid, "tensors cover {} bytes, the file has {} after its header",
                end, data_bytes);
  }
  return tensors;
}

}  // namespace quire::models
