// Longest match first, from the left; one character that fits nowhere makes the whole word unknown.
#include "models/text/word_models.h"

#include <algorithm>

#include "models/text/unicode.h"

namespace quire::text {
namespace {

tl::unexpected<Error> no_unk(std::string_view unk_token) {
  return fail(ErrorCode::kInvalid, "the vocabulary lacks the unk_token \"{}\"", unk_token);
}

}  // namespace

WordPiece::WordPiece(Vocab vocab, WordPieceOptions options)
    : vocab_(std::move(vocab)),
      options_(std::move(options)),
      unk_id_(vocab_.find(options_.unk_token)) {}

Status WordPiece::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  const std::size_t first = ids.size();
  const std::string& prefix = options_.continuing_subword_prefix;
  bool known = count_chars(piece) <= options_.word_chars_max;
  std::string candidate;
  for (std::size_t start = 0; known && start < piece.size();) {
    // The candidate is the prefix and the longest rest that any token could hold; it shrinks.
    candidate = start > 0 ? prefix : "";
    const std::size_t affix = candidate.size();
    candidate += piece.substr(start);
    if (candidate.size() > vocab_.token_bytes_max()) {
      std::size_t end = std::max(vocab_.token_bytes_max(), affix);
      while (end > affix && is_utf8_continuation(candidate[end])) --end;
      candidate.resize(end);
    }
    std::int32_t id = -1;
    while (candidate.size() > affix && (id = vocab_.find(candidate)) < 0) {
      candidate.resize(std::max(affix, utf8_previous(candidate, candidate.size())));
    }
    known = id >= 0;
    start += candidate.size() - affix;
    ids.push_back(id);
  }
  if (known) return {};
  if (unk_id_ < 0) return no_unk(options_.unk_token);
  ids.resize(first);
  ids.push_back(unk_id_);
  return {};
}

WordLevel::WordLevel(Vocab vocab, std::string unk_token)
    : vocab_(std::move(vocab)),
      unk_token_(std::move(unk_token)),
      unk_id_(vocab_.find(unk_token_)) {}

Status WordLevel::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  std::int32_t id = vocab_.find(piece);
  if (id < 0) id = unk_id_;
  if (id < 0) return no_unk(unk_token_);
  ids.push_back(id);
  return {};
}

}  // namespace quire::text
