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
  model->build_trie();
  return model;
}

void Unigram::build_trie() {
  std::vector<std::int32_t> order;
  for (std::int32_t id = 0; id < vocab_.id_end(); ++id) {
    if (vocab_.find(vocab_.token(id)) == id && !vocab_.token(id).empty()) order.push_back(id);
  }
  std::sort(order.begin(), order.end(),
            [this](std::int32_t a, std::int32_t b) { return vocab_.token(a) < vocab_.token(b); });
  // A node's tokens are order[begin, end), all sharing their first `depth` bytes.
  struct Span {
    std::size_t begin;
    std::size_t end;
    std::size_t depth;
  };
  std::vector<Span> spans = {{0, order.size(), 0}};
  nodes_.assign(1, Node{});
  labels_.assign(1, 0);
  for (std::size_t node = 0; node < spans.size(); ++node) {
    auto [begin, end, depth] = spans[node];
    if (begin < end && vocab_.token(order[begin]).size() == depth) {
      nodes_[node].id = order[begin++];
    }
    nodes_[node].children_begin = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const char label = vocab_.token(order[begin])[depth];
      std::size_t next = begin + 1;
      while (next < end && vocab_.token(order[next])[depth] == label) ++next;
      spans.push_back({begin, next, depth + 1});
      nodes_.push_back(Node{});
      labels_.push_back(static_cast<unsigned char>(label));
      ++nodes_[node].children_count;
      begin = next;
    }
  }
}

std::int32_t Unigram::child(std::int32_t node, unsigned char byte) const {
  const Node& parent = nodes_[node];
  if (parent.children_count == 0) return -1;
  const unsigned char* labels = labels_.data() + parent.children_begin;
  const void* found = std::memchr(labels, byte, parent.children_count);
  if (found == nullptr) return -1;
  return static_cast<std::int32_t>(parent.children_begin +
                                   (static_cast<const unsigned char*>(found) - labels));
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
    std::int32_t node = 0;
    for (std::size_t end = at; end < text.size();) {
      node = child(node, static_cast<unsigned char>(text[end]));
      if (node < 0) break;
      ++end;
      const std::int32_t id = nodes_[node].id;
      if (id < 0) continue;
      offer(end, scores_[id] + score, id);
      has_single = has_single || end == char_end;
    }
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
