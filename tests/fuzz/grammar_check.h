// What every grammar must keep, whatever text it came from: masks equal each token alone, and a
// state from which something may follow leads on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "engine/grammar/front_ends.h"
#include "engine/grammar/token_mask.h"

namespace quire::grammar {

inline const std::shared_ptr<const TokenTrie>& fuzz_vocabulary() {
  static const auto trie = [] {
    std::vector<std::string> tokens = {"",   "\"a",   "\",",  "{\"", "ab",   "abc",
                                       "  ", "00",    "true", "\n ", "\xC3", "\xC3\xA9",
                                       "中", "\\u00", "x1",   "}}",  "],",   "\xE4\xB8\xAD\""};
    for (int byte = 0; byte < 256; ++byte) {
      tokens.push_back(std::string(1, static_cast<char>(byte)));
    }
    tokens.push_back(std::string(40, 'a'));
    return std::make_shared<const TokenTrie>(tokens);
  }();
  return trie;
}

inline GrammarLimits fuzz_limits() {
  GrammarLimits limits;
  limits.rules = 2'000;
  limits.states = 20'000;
  limits.repetitions = 200;
  return limits;
}

// data: chooses the path.
inline void check_grammar(const Grammar& grammar, std::string_view data) {
  auto compiled = compile(grammar, fuzz_limits());
  if (!compiled) return;
  const auto network = std::make_shared<const Network>(std::move(*compiled));
  TokenGrammar tokens(network, fuzz_vocabulary());
  Automaton automaton(network);
  const TokenTrie& trie = *fuzz_vocabulary();
  std::string text;
  MatchState state = tokens.start();
  for (int step = 0; step < 4 && tokens.size() < 2'000; ++step) {
    const TokenMask* mask = tokens.mask(state);
    if (mask == nullptr) return;
    MatchState here = automaton.start();
    for (const char c : text) here = automaton.step(here, static_cast<std::uint8_t>(c));
    CHECK(automaton.accepts(here) == tokens.accepts(state));
    std::vector<std::int32_t> allowed;
    for (std::int32_t id = 0; id < trie.vocab_size(); ++id) {
      MatchState at = trie.bytes(id).empty() ? kDead : here;
      for (const char c : trie.bytes(id)) at = automaton.step(at, static_cast<std::uint8_t>(c));
      CHECK(mask_allows(*mask, id) == (at != kDead), "token {} behind \"{}\"", id, text);
      if (at != kDead) allowed.push_back(id);
    }
    const bool dead_end = allowed.empty() && !tokens.accepts(state);
    CHECK(!dead_end, "nothing may follow \"{}\"", text);
    if (allowed.empty()) return;
    const auto byte = data.empty() ? 0u : static_cast<unsigned char>(data[step * 7 % data.size()]);
    const std::int32_t id = allowed[byte % allowed.size()];
    text += trie.bytes(id);
    state = tokens.advance(state, id);
  }
}

}  // namespace quire::grammar
