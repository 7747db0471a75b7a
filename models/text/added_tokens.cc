// The order of the steps, and what a discarded match does, are the tokenizers library's.
#include "models/text/added_tokens.h"

#include <algorithm>

#include "models/text/unicode.h"

namespace quire::text {
namespace {

bool word_before(std::string_view text, std::size_t at) {
  return at > 0 && is_word(utf8_at(text, utf8_previous(text, at)).code);
}
bool word_after(std::string_view text, std::size_t at) {
  return at < text.size() && is_word(utf8_at(text, at).code);
}

std::size_t spaces_begin(std::string_view text, std::size_t end) {
  while (end > 0) {
    const std::size_t before = utf8_previous(text, end);
    if (!is_white_space(utf8_at(text, before).code)) break;
    end = before;
  }
  return end;
}

std::size_t spaces_end(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const Utf8Char c = utf8_at(text, at);
    if (!is_white_space(c.code)) break;
    at += c.bytes;
  }
  return at;
}

}  // namespace

const TextFinder::Node* TextFinder::child(const Node& node, unsigned char byte) const {
  const auto at =
      std::lower_bound(node.children.begin(), node.children.end(), byte,
                       [](const auto& edge, unsigned char b) { return edge.first < b; });
  return at != node.children.end() && at->first == byte ? &nodes_[at->second] : nullptr;
}

void TextFinder::add(std::string_view text, std::int32_t id) {
  if (text.empty()) return;
  starts_[static_cast<unsigned char>(text[0])] = true;
  std::uint32_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    auto& children = nodes_[node].children;
    const auto at =
        std::lower_bound(children.begin(), children.end(), byte,
                         [](const auto& edge, unsigned char b) { return edge.first < b; });
    if (at != children.end() && at->first == byte) {
      node = at->second;
      continue;
    }
    const auto fresh = static_cast<std::uint32_t>(nodes_.size());
    children.insert(at, {byte, fresh});
    nodes_.emplace_back();
    node = fresh;
  }
  nodes_[node].id = id;
}

TextFinder::Found TextFinder::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) continue;
    Found best{begin, begin, -1};
    const Node* node = &nodes_[0];
    for (std::size_t at = begin; at < text.size(); ++at) {
      node = child(*node, static_cast<unsigned char>(text[at]));
      if (node == nullptr) break;
      if (node->id >= 0) best = {begin, at + 1, node->id};
    }
    if (best.id >= 0) return best;
  }
  return {text.size(), text.size(), -1};
}

Status AddedTokens::add(AddedToken token, const Vocab& vocab) {
  if (token.content.empty()) return {};
  if (token.content.size() > kContentBytesMax) {
    return fail(ErrorCode::kInvalid, "added token of {} bytes exceeds {}", token.content.size(),
                kContentBytesMax);
  }
  std::int32_t id = find(token.content);
  if (id < 0) id = vocab.find(token.content);
  if (id < 0) {
    const auto count = static_cast<std::int32_t>(vocab.count());
    const std::int32_t last = tokens_.empty() ? -1 : tokens_.rbegin()->first;
    id = last >= count ? last + 1 : count;
  }
  if (id >= Vocab::kIdMax) return fail(ErrorCode::kInvalid, "too many added tokens");
  ids_[token.content] = id;
  if (token.special) special_contents_[token.content] = true;
  tokens_[id] = std::move(token);
  return {};
}

Status AddedTokens::finish(const Normalizers& normalizers) {
  for (const auto& [id, token] : tokens_) {
    if (!token.normalized) {
      raw_finder_.add(token.content, id);
      continue;
    }
    NormalText text{token.content, 0};
    QUIRE_TRY(normalize(normalizers, text));
    normalized_finder_.add(text.text, id);
    if (text.text != token.content) normalized_[id] = std::move(text.text);
  }
  return {};
}

const std::string* AddedTokens::decoded(std::int32_t id) const {
  if (const auto at = normalized_.find(id); at != normalized_.end()) return &at->second;
  const auto at = tokens_.find(id);
  return at == tokens_.end() ? nullptr : &at->second.content;
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
  const auto at = tokens_.find(id);
  return at == tokens_.end() ? nullptr : &at->second;
}

std::int32_t AddedTokens::find(std::string_view content) const {
  const auto at = ids_.find(std::string(content));
  return at == ids_.end() ? -1 : at->second;
}

bool AddedTokens::is_special(std::int32_t id) const {
  const AddedToken* token = find(id);
  return token != nullptr && special_contents_.contains(token->content);
}

std::int32_t AddedTokens::id_end() const {
  return tokens_.empty() ? 0 : tokens_.rbegin()->first + 1;
}

bool AddedTokens::has(Stage stage) const {
  return !(stage == Stage::kRaw ? raw_finder_ : normalized_finder_).empty();
}

void AddedTokens::split(std::string_view text, const Split& how, std::vector<Piece>& out) const {
  const TextFinder& finder = how.stage == Stage::kRaw ? raw_finder_ : normalized_finder_;
  const auto emit = [&](std::size_t begin, std::size_t end, std::int32_t id) {
    if (begin < end) {
      out.push_back({how.base + static_cast<std::uint32_t>(begin),
                     how.base + static_cast<std::uint32_t>(end), id});
    }
  };
  std::size_t covered = 0;
  for (std::size_t from = 0; !finder.empty();) {
    const TextFinder::Found found = finder.find(text, from);
    if (found.id < 0) break;
    from = found.end;
    const AddedToken& token = tokens_.at(found.id);
    if (how.skip_special && special_contents_.contains(token.content)) continue;
    if (token.single_word && (word_before(text, found.begin) || word_after(text, found.end))) {
      continue;
    }
    std::size_t begin = found.begin;
    if (token.lstrip) begin = std::max(spaces_begin(text, begin), covered);
    const std::size_t end = token.rstrip ? spaces_end(text, found.end) : found.end;
    emit(covered, begin, -1);
    emit(begin, end, found.id);
    covered = end;
  }
  emit(covered, text.size(), -1);
}

}  // namespace quire::text
