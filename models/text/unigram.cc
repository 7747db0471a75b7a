// Viterbi over byte positions with the reference's order of candidates: shorter pieces first, a
// later candidate only wins with a strictly higher score.
#include "models/text/unigram.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "models/text/unicode.h"

namespace quire::text {

struct Unigram::Best {
  double score = 0;
  std::int64_t begin = -1;  // where the piece that ends here begins; -1: not reached
  std::int32_t id = -1;
};

Result<std::unique_ptr<Unigram>> Unigram::create(const std::vector<UnigramPiece>& pieces,
                                                 const UnigramOptions& options) {
  constexpr double kUnkPenalty = 10.0;
  std::unique_ptr<Unigram> model(new Unigram());
  model->options_ = options;
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    QUIRE_TRY(model->vocab_.add_or_take_over(pieces[id].token, static_cast<std::int32_t>(id)));
    model->scores_.push_back(pieces[id].score);
    lowest = std::min(lowest, pieces[id].score);
  }
  if (options.unk_id && !model->vocab_.has(*options.unk_id)) {
    return fail(ErrorCode::kInvalid, "unk_id {} is outside the {} pieces", *options.unk_id,
                pieces.size());
  }
  model->unk_score_ = lowest - kUnkPenalty;
  for (unsigned byte = 0; byte < 256; ++byte) {
    model->fallback_ids_[byte] = model->vocab_.find(fmt::format("<0x{:02X}>", byte));
  }
  std::vector<std::pair<std::string_view, std::int32_t>> tokens;
  for (std::int32_t id = 0; id < model->vocab_.id_end(); ++id) {
    const std::string_view token = model->vocab_.token(id);
    if (!token.empty() && model->vocab_.find(token) == id) tokens.emplace_back(token, id);
  }
  model->trie_ = ByteTrie(std::move(tokens));
  return model;
}

Status Unigram::search(std::string_view text, std::vector<Best>& best) const {
  best.assign(text.size() + 1, Best{});
  for (std::size_t at = 0; at < text.size();) {
    const double score = best[at].score;
    const std::size_t char_end = at + utf8_at(text, at).bytes;
    const auto offer = [&](std::size_t end, double with, std::int32_t id) {
      Best& target = best[end];
      if (target.begin < 0 || with > target.score) {
        target = {with, static_cast<std::int64_t>(at), id};
      }
    };
    bool has_single = false;
    trie_.each_prefix(text.substr(at), [&](std::size_t bytes, std::int32_t id) {
      offer(at + bytes, scores_[id] + score, id);
      has_single = has_single || at + bytes == char_end;
    });
    if (!has_single) {
      if (!options_.unk_id) {
        return fail(ErrorCode::kInvalid,
                    "the text has an unknown character but there is no unk_id");
      }
      offer(char_end, unk_score_ + score, *options_.unk_id);
    }
    at = char_end;
  }
  return {};
}

// An unknown stretch may still be spelled like a token, or go by its bytes.
Status Unigram::emit(std::string_view text, std::vector<std::int32_t>& ids) const {
  if (const std::int32_t id = vocab_.find(text); id >= 0) {
    ids.push_back(id);
    return {};
  }
  const auto id_of = [this](char byte) { return fallback_ids_[static_cast<unsigned char>(byte)]; };
  if (options_.byte_fallback &&
      std::all_of(text.begin(), text.end(), [&](char byte) { return id_of(byte) >= 0; })) {
    for (const char byte : text) ids.push_back(id_of(byte));
    return {};
  }
  ids.push_back(*options_.unk_id);
  return {};
}

Status Unigram::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  std::vector<Best> best;
  QUIRE_TRY(search(piece, best));
  struct Part {
    std::size_t begin;
    std::size_t end;
    std::int32_t id;  // -1: unknown
  };
  std::vector<Part> parts;  // from the right; neighbouring unknown parts are one
  for (std::size_t end = piece.size(); end > 0;) {
    const auto begin = static_cast<std::size_t>(best[end].begin);
    const bool unknown = options_.unk_id == best[end].id;
    if (unknown && !parts.empty() && parts.back().id < 0) {
      parts.back().begin = begin;
    } else {
      parts.push_back({begin, end, unknown ? -1 : best[end].id});
    }
    end = begin;
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->id >= 0) {
      ids.push_back(part->id);
    } else {
      QUIRE_TRY(emit(piece.substr(part->begin, part->end - part->begin), ids));
    }
  }
  return {};
}

}  // namespace quire::text
