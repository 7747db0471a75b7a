// Reads the "model" of a tokenizer.json.
#include "models/text/bpe.h"
#include "models/text/spec.h"
#include "models/text/tokenizer_json.h"
#include "models/text/unigram.h"
#include "models/text/word_models.h"

namespace quire::text {
namespace {

// Every vocabulary entry is visited once; looking keys up in such an object would be linear each.
Result<Vocab> read_vocab(const SpecReader& spec) {
  const Json* json = spec.member("vocab");
  if (json == nullptr || !json->is_object()) {
    return fail(ErrorCode::kInvalid, "{} must be an object", spec.name_of("vocab"));
  }
  Vocab vocab;
  vocab.expect(json->size());
  for (const auto& [token, value] : json->items()) {
    const auto id = json_integer(value, "id", 0, Vocab::kIdMax - 1);
    if (!id) {
      return fail(ErrorCode::kInvalid, "{}[\"{}\"]: {}", spec.name_of("vocab"), token.substr(0, 64),
                  id.error().message);
    }
    QUIRE_TRY(spec.at(vocab.add(token, static_cast<std::int32_t>(*id))));
  }
  return vocab;
}

Result<MergePairs> read_merges(const SpecReader& spec) {
  const Json* json = spec.member("merges");
  if (json == nullptr || !json->is_array()) {
    return fail(ErrorCode::kInvalid, "{} must be a list", spec.name_of("merges"));
  }
  MergePairs merges;
  merges.reserve(json->size());
  std::size_t idx = 0;
  for (const Json& merge : *json) {
    const auto refuse = [&] {
      return fail(ErrorCode::kInvalid, "{}[{}] must be \"left right\" or [left, right], got {}",
                  spec.name_of("merges"), idx, dump_json(merge).substr(0, 100));
    };
    if (merge.is_array()) {
      if (merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) return refuse();
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else if (merge.is_string()) {
      const std::string& text = merge.get_ref<const std::string&>();
      const std::size_t space = text.find(' ');
      const bool version = text.starts_with("#version");
      if (!version) {
        if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
          return refuse();
        }
        merges.emplace_back(text.substr(0, space), text.substr(space + 1));
      }
    } else {
      return refuse();
    }
    ++idx;
  }
  return merges;
}

Result<std::unique_ptr<TokenModel>> make_bpe(const SpecReader& spec) {
  if (const Json* dropout = spec.member("dropout")) {
    QUIRE_ASSIGN(const double value, json_number(*dropout, spec.name_of("dropout"), 0, 1));
    if (value != 0) {
      return fail(ErrorCode::kUnsupported, "{} {} makes the ids random; only 0 is served",
                  spec.name_of("dropout"), value);
    }
  }
  BpeOptions options;
  QUIRE_ASSIGN(options.unk_token, spec.string("unk_token", ""));
  QUIRE_ASSIGN(options.continuing_subword_prefix, spec.string("continuing_subword_prefix", ""));
  QUIRE_ASSIGN(options.end_of_word_suffix, spec.string("end_of_word_suffix", ""));
  QUIRE_ASSIGN(options.fuse_unk, spec.boolean("fuse_unk", false));
  QUIRE_ASSIGN(options.byte_fallback, spec.boolean("byte_fallback", false));
  QUIRE_ASSIGN(options.ignore_merges, spec.boolean("ignore_merges", false));
  QUIRE_ASSIGN(Vocab vocab, read_vocab(spec));
  QUIRE_ASSIGN(const MergePairs merges, read_merges(spec));
  QUIRE_ASSIGN(auto bpe, spec.at(Bpe::create(std::move(vocab), merges, std::move(options))));
  return bpe;
}

Result<std::unique_ptr<TokenModel>> make_unigram(const SpecReader& spec) {
  const Json* list = spec.member("vocab");
  if (list == nullptr || !list->is_array()) {
    return fail(ErrorCode::kInvalid, "{} must be a list", spec.name_of("vocab"));
  }
  std::vector<UnigramPiece> pieces;
  pieces.reserve(list->size());
  for (const Json& entry : *list) {
    const std::string where = fmt::format("{}[{}]", spec.name_of("vocab"), pieces.size());
    if (!entry.is_array() || entry.size() != 2) {
      return fail(ErrorCode::kInvalid, "{} must be [token, score]", where);
    }
    UnigramPiece piece;
    QUIRE_ASSIGN(piece.token, json_string(entry[0], where));
    QUIRE_ASSIGN(piece.score, json_number(entry[1], where, -1e300, 1e300));
    pieces.push_back(std::move(piece));
  }
  UnigramOptions options;
  if (spec.member("unk_id") != nullptr) {
    const auto last = static_cast<std::int64_t>(pieces.size()) - 1;
    QUIRE_ASSIGN(const std::int64_t unk, spec.integer("unk_id", 0, last));
    options.unk_id = static_cast<std::int32_t>(unk);
  }
  QUIRE_ASSIGN(options.byte_fallback, spec.boolean("byte_fallback", false));
  QUIRE_ASSIGN(auto unigram, spec.at(Unigram::create(pieces, options)));
  return unigram;
}

Result<std::unique_ptr<TokenModel>> make_word_piece(const SpecReader& spec) {
  WordPieceOptions options;
  QUIRE_ASSIGN(options.unk_token, spec.string("unk_token"));
  QUIRE_ASSIGN(options.continuing_subword_prefix, spec.string("continuing_subword_prefix"));
  QUIRE_ASSIGN(const std::int64_t chars, spec.integer("max_input_chars_per_word", 0, 1 << 20));
  options.word_chars_max = static_cast<std::size_t>(chars);
  QUIRE_ASSIGN(Vocab vocab, read_vocab(spec));
  return std::make_unique<WordPiece>(std::move(vocab), std::move(options));
}

Result<std::unique_ptr<TokenModel>> make_word_level(const SpecReader& spec) {
  QUIRE_ASSIGN(const std::string unk, spec.string("unk_token"));
  QUIRE_ASSIGN(Vocab vocab, read_vocab(spec));
  return std::make_unique<WordLevel>(std::move(vocab), unk);
}

// Old files do not say the type.
Result<std::string> type_of(const SpecReader& spec) {
  if (spec.member("type") != nullptr) return spec.type();
  if (spec.member("merges") != nullptr) return std::string("BPE");
  const Json* vocab = spec.member("vocab");
  if (vocab != nullptr && vocab->is_array()) return std::string("Unigram");
  if (spec.member("max_input_chars_per_word") != nullptr) return std::string("WordPiece");
  return std::string("WordLevel");
}

}  // namespace

Result<std::unique_ptr<TokenModel>> make_token_model(const Json& json, std::string_view where) {
  if (!json.is_object()) return fail(ErrorCode::kInvalid, "{} must be an object", where);
  const SpecReader spec(json, std::string(where));
  QUIRE_ASSIGN(const std::string type, type_of(spec));
  if (type == "BPE") return make_bpe(spec);
  if (type == "Unigram") return make_unigram(spec);
  if (type == "WordPiece") return make_word_piece(spec);
  if (type == "WordLevel") return make_word_level(spec);
  return spec.refuse("type", type);
}

}  // namespace quire::text
