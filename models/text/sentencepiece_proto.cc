// A reader of the wire format of protocol buffers, as far as the ModelProto goes.
#include "models/text/sentencepiece_proto.h"

#include <bit>
#include <cmath>
#include <functional>
#include <unordered_set>

#include "models/text/charsmap.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

struct Field {
  std::uint32_t number = 0;
  std::uint64_t varint = 0;  // of a varint, or the bits of a 32- or 64-bit value
  std::string_view bytes;    // of a length-delimited value
  enum class Kind { kVarint, kFixed64, kBytes, kFixed32 } kind = Kind::kVarint;
};

class WireReader {
 public:
  WireReader(std::string_view bytes, std::string_view where) : rest_(bytes), where_(where) {}

  bool done() const { return rest_.empty(); }

  Result<Field> next() {
    QUIRE_ASSIGN(const std::uint64_t key, varint());
    Field field;
    field.number = static_cast<std::uint32_t>(key >> 3);
    if (field.number == 0 || key >> 3 > 0x1FFFFFFF) return refuse("a field number out of range");
    switch (key & 7) {
      case 0: {
        QUIRE_ASSIGN(field.varint, varint());
        return field;
      }
      case 1:
        field.kind = Field::Kind::kFixed64;
        return fixed(field, 8);
      case 5:
        field.kind = Field::Kind::kFixed32;
        return fixed(field, 4);
      case 2: {
        field.kind = Field::Kind::kBytes;
        QUIRE_ASSIGN(const std::uint64_t size, varint());
        if (size > rest_.size()) return refuse("a field longer than the file");
        field.bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return field;
      }
      default:
        return refuse("an unknown wire type");
    }
  }

 private:
  tl::unexpected<Error> refuse(std::string_view what) const {
    return fail(ErrorCode::kInvalid, "SentencePiece model, {}: {}, {} bytes before the end", where_,
                what, rest_.size());
  }

  Result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return refuse("it ends inside a number");
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return refuse("a number of more than 64 bits");
  }

  Result<Field> fixed(Field field, std::size_t size) {
    if (rest_.size() < size) return refuse("it ends inside a number");
    for (std::size_t i = 0; i < size; ++i) {
      field.varint |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
    }
    rest_.remove_prefix(size);
    return field;
  }

  std::string_view rest_;
  std::string_view where_;
};

Status each_field(std::string_view bytes, std::string_view where,
                  const std::function<Status(const Field&)>& use) {
  WireReader reader(bytes, where);
  while (!reader.done()) {
    QUIRE_ASSIGN(const Field field, reader.next());
    QUIRE_TRY(use(field));
  }
  return {};
}

constexpr std::size_t kPiecesMax = std::size_t{1} << 22;
constexpr std::size_t kPieceBytesMax = 4096;

class FileReader {
 public:
  Result<SentencePieceFile> read(std::string_view bytes) {
    QUIRE_TRY(each_field(bytes, "the whole", [this](const Field& field) -> Status {
      const bool is_message = field.kind == Field::Kind::kBytes;
      if (field.number <= 5 && !is_message) {
        return fail(ErrorCode::kInvalid, "SentencePiece model: field {} is no message",
                    field.number);
      }
      switch (field.number) {
        case 1: return piece(field.bytes);
        case 2: return trainer_spec(field.bytes);
        case 3: return normalizer_spec(field.bytes, /*is_normalizer=*/true);
        case 5: return normalizer_spec(field.bytes, /*is_normalizer=*/false);
        default: return {};
      }
    }));
    QUIRE_TRY(check_pieces());
    QUIRE_TRY(check_ids());
    return std::move(file_);
  }

 private:
  using Piece = SentencePieceFile::Piece;
  using PieceType = SentencePieceFile::PieceType;

  tl::unexpected<Error> refuse_piece(std::size_t idx, std::string_view what) const {
    return fail(ErrorCode::kInvalid, "SentencePiece model, piece {}: {}", idx, what);
  }

  Status piece(std::string_view bytes) {
    Piece piece;
    const std::size_t idx = file_.pieces.size();
    if (idx >= kPiecesMax) return refuse_piece(idx, "too many pieces");
    std::uint64_t type = 1;
    QUIRE_TRY(each_field(bytes, "a piece", [&](const Field& field) -> Status {
      if (field.number == 1) piece.text = field.bytes;
      if (field.number == 2) {
        piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.varint));
      }
      if (field.number == 3) type = field.varint;
      return {};
    }));
    if (type < 1 || type > 6) return refuse_piece(idx, "an unknown type");
    piece.type = static_cast<PieceType>(type);
    if (piece.text.empty() || piece.text.size() > kPieceBytesMax) {
      return refuse_piece(idx, "its text is empty or too long");
    }
    if (valid_utf8_prefix(piece.text) != piece.text.size() ||
        piece.text.find('\0') != std::string::npos) {
      return refuse_piece(idx, "its text is not UTF-8 or holds NUL");
    }
    if (!std::isfinite(piece.score)) return refuse_piece(idx, "its score is not finite");
    file_.pieces.push_back(std::move(piece));
    return {};
  }

  Status trainer_spec(std::string_view bytes) {
    return each_field(bytes, "trainer_spec", [this](const Field& field) -> Status {
      const auto id = static_cast<std::int32_t>(field.varint);
      switch (field.number) {
        case 3:
          if (field.varint < 1 || field.varint > 4) {
            return fail(ErrorCode::kInvalid, "SentencePiece model: model_type {} is unknown",
                        field.varint);
          }
          file_.model_type = static_cast<SentencePieceFile::ModelType>(field.varint);
          return {};
        case 35: file_.byte_fallback = field.varint != 0; return {};
        case 40: file_.unk_id = id; return {};
        case 41: file_.bos_id = id; return {};
        case 42: file_.eos_id = id; return {};
        case 43: file_.pad_id = id; return {};
        default: return {};
      }
    });
  }

  Status normalizer_spec(std::string_view bytes, bool is_normalizer) {
    return each_field(bytes, "normalizer_spec", [&](const Field& field) -> Status {
      if (field.number == 2 && !field.bytes.empty()) {
        const auto map = Charsmap::parse(field.bytes);
        if (!map) return fail(ErrorCode::kInvalid, "SentencePiece model: {}", map.error().message);
      }
      if (is_normalizer && field.number == 3) file_.add_dummy_prefix = field.varint != 0;
      if (is_normalizer && field.number == 4) file_.remove_extra_whitespaces = field.varint != 0;
      return {};
    });
  }

  Status check_pieces() const {
    if (file_.pieces.empty()) return fail(ErrorCode::kInvalid, "SentencePiece model has no pieces");
    std::unordered_set<std::string_view> all;
    std::unordered_set<std::string_view> user_defined;
    std::size_t unknown_count = 0;
    std::size_t byte_count = 0;
    for (std::size_t idx = 0; idx < file_.pieces.size(); ++idx) {
      const Piece& piece = file_.pieces[idx];
      if (!all.insert(piece.text).second) return refuse_piece(idx, "its text is there twice");
      if (piece.type == PieceType::kUserDefined) user_defined.insert(piece.text);
      unknown_count += piece.type == PieceType::kUnknown;
      if (piece.type != PieceType::kByte) continue;
      ++byte_count;
      if (!is_byte_piece(piece.text)) return refuse_piece(idx, "not <0x00> to <0xFF>");
    }
    if (unknown_count != 1) {
      return fail(ErrorCode::kInvalid, "SentencePiece model has {} unknown pieces, 1 is needed",
                  unknown_count);
    }
    if (file_.byte_fallback && byte_count != 256) {
      return fail(ErrorCode::kInvalid,
                  "SentencePiece model has byte_fallback but {} of 256 byte pieces", byte_count);
    }
    // The library has room for 64 user-defined pieces that start one another.
    for (const std::string_view text : user_defined) {
      std::size_t nested = 0;
      for (std::size_t end = 1; end <= text.size(); ++end) {
        nested += user_defined.contains(text.substr(0, end));
      }
      if (nested > 60) {
        return fail(ErrorCode::kInvalid,
                    "SentencePiece model: more than 60 user-defined pieces start one another");
      }
    }
    return {};
  }

  static bool is_byte_piece(std::string_view text) {
    const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && digit(text[3]) &&
           digit(text[4]);
  }

  Status check_ids() {
    const auto count = static_cast<std::int32_t>(file_.pieces.size());
    for (std::int32_t idx = 0; idx < count; ++idx) {
      if (file_.pieces[idx].type == PieceType::kUnknown) file_.unk_id = idx;
    }
    for (std::int32_t* id : {&file_.bos_id, &file_.eos_id, &file_.pad_id}) {
      if (*id >= count) *id = -1;
    }
    return {};
  }

  SentencePieceFile file_;
};

}  // namespace

Result<SentencePieceFile> read_sentencepiece_file(std::string_view bytes) {
  return FileReader().read(bytes);
}

}  // namespace quire::text
