// Building a byte pair encoder and cutting its input into first symbols; bpe_merge.cc merges them.
#include "models/text/bpe.h"

#include <algorithm>

#include "models/text/byte_alphabet.h"
#include "models/text/piece_cache.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";  // ▁

std::string fallback_token(unsigned byte) { return fmt::format("<0x{:02X}>", byte); }

bool looks_like_fallback(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>');
}

}  // namespace

Bpe::Bpe(Vocab vocab, BpeOptions options)
    : vocab_(std::move(vocab)), options_(std::move(options)) {}

Result<std::unique_ptr<Bpe>> Bpe::create(Vocab vocab, const MergePairs& merges,
                                         BpeOptions options) {
  std::unique_ptr<Bpe> bpe(new Bpe(std::move(vocab), std::move(options)));
  QUIRE_TRY(bpe->prepare(merges));
  return bpe;
}

Status Bpe::prepare(const MergePairs& merges) {
  const std::size_t prefix_bytes = options_.continuing_subword_prefix.size();
  merges_.reserve(merges.size());
  std::string joined;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    if (right.size() < prefix_bytes) {
      return fail(ErrorCode::kInvalid, "merges[{}]: \"{}\" is shorter than the subword prefix",
                  rank, right);
    }
    joined.assign(left).append(right, prefix_bytes);
    const std::int32_t ids[3] = {vocab_.find(left), vocab_.find(right), vocab_.find(joined)};
    const std::string* parts[3] = {&left, &right, &joined};
    for (int i = 0; i < 3; ++i) {
      if (ids[i] < 0) {
        return fail(ErrorCode::kInvalid, "merges[{}]: the vocabulary has no \"{}\"", rank,
                    parts[i]->substr(0, 64));
      }
    }
    merges_.set(ids[0], ids[1], {static_cast<std::uint32_t>(rank), ids[2]});
  }
  if (!options_.unk_token.empty()) unk_id_ = vocab_.find(options_.unk_token);
  bmp_ids_.assign(0x10000, -1);
  std::string spelling;
  for (char32_t code = 0; code < 0x10000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    spelling.clear();
    append_utf8(spelling, code);
    bmp_ids_[code] = vocab_.find(spelling);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    fallback_ids_[byte] = vocab_.find(fallback_token(byte));
  }
  fallback_complete_ =
      options_.byte_fallback && std::all_of(fallback_ids_.begin(), fallback_ids_.end(),
                                            [](std::int32_t id) { return id >= 0; });
  find_space_joints(merges);
  cache_owner_ = PieceCache::new_owner();
  return {};
}

void Bpe::find_space_joints(const MergePairs& merges) {
  splits_at_spaces_ = options_.continuing_subword_prefix.empty() &&
                      options_.end_of_word_suffix.empty() && vocab_.find(kMetaspace) >= 0;
  for (const auto& [left, right] : merges) {
    if (looks_like_fallback(left) || looks_like_fallback(right)) splits_at_spaces_ = false;
    if (left.empty() || !right.starts_with(kMetaspace) || left.ends_with(kMetaspace)) continue;
    joins_space_.push_back(utf8_at(left, utf8_previous(left, left.size())).code);
  }
  std::sort(joins_space_.begin(), joins_space_.end());
  joins_space_.erase(std::unique(joins_space_.begin(), joins_space_.end()), joins_space_.end());
}

void Bpe::take_raw_bytes() {
  raw_bytes_ = true;
  byte_ids_complete_ =
      options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
  for (int byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = bmp_ids_[byte_alphabet()[byte]];
    byte_ids_complete_ = byte_ids_complete_ && byte_ids_[byte] >= 0;
  }
  if (!options_.ignore_merges) return;
  for (std::int32_t id = 0; id < vocab_.id_end(); ++id) {
    if (!vocab_.has(id)) continue;
    const auto bytes = bytes_of_chars(vocab_.token(id));
    if (bytes) (void)raw_vocab_.add(*bytes, id);  // the alphabet is one to one: no duplicates
  }
}

std::int32_t Bpe::char_id(std::string_view piece, std::size_t at, std::uint32_t bytes) const {
  if (bytes < 4) return bmp_ids_[utf8_at(piece, at).code];
  return vocab_.find(piece.substr(at, bytes));
}

bool Bpe::fallback_bytes(std::string_view text, std::vector<std::int32_t>& symbols) const {
  const auto known = [&](char byte) {
    return fallback_ids_[static_cast<unsigned char>(byte)] >= 0;
  };
  if (!std::all_of(text.begin(), text.end(), known)) return false;
  for (const char byte : text) symbols.push_back(fallback_ids_[static_cast<unsigned char>(byte)]);
  return true;
}

// The order is the reference's: an unknown character waits until a known one (not a byte fallback)
// or the end follows.
Status Bpe::char_symbols(std::string_view piece, std::vector<std::int32_t>& symbols) const {
  const bool affixes =
      !options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty();
  bool unk_waits = false;
  std::string affixed;
  for (std::size_t at = 0; at < piece.size();) {
    const std::uint32_t bytes = utf8_at(piece, at).bytes;
    std::string_view spelling = piece.substr(at, bytes);
    std::int32_t id = -1;
    if (affixes) {
      affixed = at > 0 ? options_.continuing_subword_prefix : "";
      affixed.append(spelling);
      if (at + bytes == piece.size()) affixed += options_.end_of_word_suffix;
      spelling = affixed;
      id = vocab_.find(spelling);
    } else {
      id = char_id(piece, at, bytes);
    }
    at += bytes;
    if (id >= 0) {
      if (unk_waits) symbols.push_back(unk_id_);
      unk_waits = false;
      symbols.push_back(id);
      continue;
    }
    if (options_.byte_fallback && fallback_bytes(spelling, symbols)) continue;
    if (options_.unk_token.empty()) continue;  // the reference drops what it cannot express
    if (unk_id_ < 0) {
      return fail(ErrorCode::kInvalid, "the vocabulary lacks the unk_token \"{}\"",
                  options_.unk_token);
    }
    if (unk_waits && !options_.fuse_unk) symbols.push_back(unk_id_);
    unk_waits = true;
  }
  if (unk_waits) symbols.push_back(unk_id_);
  return {};
}

Status Bpe::first_symbols(std::string_view piece, std::vector<std::int32_t>& symbols) const {
  if (!raw_bytes_) return char_symbols(piece, symbols);
  if (!byte_ids_complete_) {
    std::string mapped;
    append_byte_chars(mapped, piece);
    return char_symbols(mapped, symbols);
  }
  symbols.resize(piece.size());
  for (std::size_t i = 0; i < piece.size(); ++i) {
    symbols[i] = byte_ids_[static_cast<unsigned char>(piece[i])];
  }
  return {};
}

std::size_t Bpe::independent_prefix(std::string_view text) const {
  std::size_t at = 0;
  while ((at = text.find(kMetaspace, at + 1)) != std::string_view::npos) {
    const std::size_t before = utf8_previous(text, at);
    const Utf8Char c = utf8_at(text, before);
    if (c.code == 0x2581) continue;
    if (!fallback_complete_ && char_id(text, before, c.bytes) < 0) continue;
    if (!std::binary_search(joins_space_.begin(), joins_space_.end(), c.code)) return at;
  }
  return text.size();
}

Status Bpe::encode_uncached(std::string_view piece, std::vector<std::int32_t>& ids) const {
  constexpr std::size_t kShort = 64;
  thread_local std::vector<std::int32_t> symbols;
  symbols.clear();
  QUIRE_TRY(first_symbols(piece, symbols));
  if (symbols.size() > kShort) {
    merge_long(symbols);
  } else {
    merge_short(symbols);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  if (symbols.capacity() > (1u << 20)) std::vector<std::int32_t>().swap(symbols);
  return {};
}

Status Bpe::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  if (options_.ignore_merges) {
    const std::int32_t whole = raw_bytes_ ? raw_vocab_.find(piece) : vocab_.find(piece);
    if (whole >= 0) {
      ids.push_back(whole);
      return {};
    }
  }
  const bool split = splits_at_spaces_ && !raw_bytes_;
  while (!piece.empty()) {
    const std::string_view part = piece.substr(0, split ? independent_prefix(piece) : piece.size());
    piece.remove_prefix(part.size());
    if (part.size() > PieceCache::kKeyBytes) {
      QUIRE_TRY(encode_uncached(part, ids));
      continue;
    }
    PieceCache::Slot& slot = PieceCache::of_this_thread().slot(cache_owner_, part);
    if (PieceCache::holds(slot, cache_owner_, part)) {
      ids.insert(ids.end(), slot.ids, slot.ids + slot.id_count);
      continue;
    }
    const std::size_t begin = ids.size();
    QUIRE_TRY(encode_uncached(part, ids));
    PieceCache::fill(slot, cache_owner_, part, std::span(ids).subspan(begin));
  }
  return {};
}

}  // namespace quire::text
