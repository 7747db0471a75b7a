// Tokens are decoded behind another one, because some decoders treat the first token differently.
#include "engine/grammar/token_bytes.h"

#include <algorithm>
#include <optional>

#include "models/text/byte_alphabet.h"

namespace quire::grammar {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::optional<std::string> byte_of_hex_token(std::string_view spelling) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling.back() != '>') return {};
  const std::size_t high = kDigits.find(spelling[3]), low = kDigits.find(spelling[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return {};
  return std::string(1, static_cast<char>(high * 16 + low));
}

// A token whose text is known to be itself in any place.
std::optional<std::int32_t> find_anchor(const text::Tokenizer& tokenizer) {
  for (const char* letter : {"a", "e", "x", "0"}) {
    const auto id = tokenizer.token_id(letter);
    if (id && tokenizer.decode({*id, *id}, {}).value_or("") == std::string(letter) + letter) {
      return id;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> token_bytes(const text::Tokenizer& tokenizer, std::int32_t vocab) {
  std::vector<std::string> bytes(static_cast<std::size_t>(vocab));
  const std::optional<std::int32_t> anchor = find_anchor(tokenizer);
  const std::int32_t count = std::min(vocab, tokenizer.vocab_size());
  for (std::int32_t id = 0; id < count; ++id) {
    std::string& out = bytes[static_cast<std::size_t>(id)];
    if (tokenizer.is_special(id)) {
      out = kSpecialByte + tokenizer.token(id);
      continue;
    }
    const std::string spelling = tokenizer.token(id);
    if (spelling.empty()) continue;
    if (auto byte = byte_of_hex_token(spelling)) {
      out = std::move(*byte);
      continue;
    }
    if (anchor) {
      out = tokenizer.decode({*anchor, id}, {}).value_or("");
      out.erase(0, out.empty() ? 0 : 1);
    } else {
      out = tokenizer.decode({id}, {}).value_or("");
    }
    if (out.find(kReplacement) == std::string::npos) continue;
    if (auto raw = text::bytes_of_chars(spelling)) out = std::move(*raw);
  }
  return bytes;
}

std::string marker_bytes(const text::Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, {.add_special_tokens = false});
  if (!ids) return std::string(text);
  std::string out;
  std::size_t at = 0;  // of the text that no special token has covered
  for (const std::int32_t id : *ids) {
    if (!tokenizer.is_special(id)) continue;
    const std::string spelling = tokenizer.token(id);
    const std::size_t found = text.find(spelling, at);
    if (spelling.empty() || found == std::string_view::npos) continue;
    out += text.substr(at, found - at);
    out += kSpecialByte + spelling;
    at = found + spelling.size();
  }
  return out.append(text.substr(at));
}

// The automaton of Knuth, Morris and Pratt, a rule for each state; a rule in last position costs
// no stack.
NodeId add_until(Grammar& grammar, const UntilMarker& until) {
  const std::string& marker = until.marker;
  const std::size_t size = marker.size();
  std::vector<std::size_t> border(size + 1, 0);  // longest proper border of each prefix
  for (std::size_t i = 1, k = 0; i < size; ++i) {
    while (k > 0 && marker[i] != marker[k]) k = border[k];
    k += marker[i] == marker[k];
    border[i + 1] = k;
  }
  std::vector<RuleId> rules;
  for (std::size_t i = 0; i < size; ++i) rules.push_back(grammar.declare("until"));
  for (std::size_t i = 0; i < size; ++i) {
    // A special token commits: behind it only the rest of the marker may stand.
    const bool committed = marker.substr(0, i).find(kSpecialByte) != std::string::npos;
    std::vector<ByteSet> sets(size + 1);
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      std::size_t k = i;
      while (k > 0 && marker[k] != c) k = border[k];
      k += marker[k] == c;
      const bool text = !committed && c != kSpecialByte && byte < 0xF8;
      if (text || (c == marker[i] && k == i + 1)) sets[k].set(static_cast<std::size_t>(byte));
    }
    std::vector<NodeId> choices;
    if (until.may_end && !committed) choices.push_back(grammar.empty());
    for (std::size_t k = 0; k <= size; ++k) {
      if (sets[k].none()) continue;
      const NodeId next = k == size ? until.rest : grammar.rule(rules[k]);
      choices.push_back(grammar.sequence({grammar.bytes(sets[k]), next}));
    }
    grammar.define(rules[i], grammar.choice(std::move(choices)));
  }
  return grammar.rule(rules[0]);
}

}  // namespace quire::grammar
