// Masks of whole vocabularies. Oracle: each token alone, stepped byte by byte through an automaton
// of its own, without tries, runs of text or masks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/rng.h"
#include "engine/grammar/front_ends.h"
#include "engine/grammar/token_mask.h"

namespace quire::grammar {
namespace {

std::shared_ptr<const Network> network_of(const Result<Grammar>& grammar) {
  EXPECT_TRUE(grammar) << (grammar ? "" : grammar.error().message);
  auto network = compile(*grammar, {});
  EXPECT_TRUE(network) << (network ? "" : network.error().message);
  return std::make_shared<const Network>(std::move(*network));
}

struct Source {
  enum Kind { kSchema, kRegex, kGbnf } kind;
  const char* text;
};
// Strings with and without bounds, exact counts, other alphabets, keys that are not others, prose.
const Source kSources[] = {
    {Source::kSchema, R"({"type":"string"})"},
    {Source::kSchema, R"({"type":"string","maxLength":200})"},
    {Source::kSchema, R"({"type":"string","maxLength":7})"},
    {Source::kSchema, R"({"type":"string","maxLength":1})"},
    {Source::kSchema, R"({"type":"string","minLength":3,"maxLength":6})"},
    {Source::kSchema, R"({"type":"string","minLength":40})"},
    {Source::kSchema, R"({"type":"string","pattern":"^[a-z ]+$","maxLength":50})"},
    {Source::kSchema, R"({"type":"string","pattern":"^[a-z]{2,9}[a-f]+$"})"},
    {Source::kSchema, R"({"type":"string","pattern":"^[^x]{0,5}x[\u4e00-\u9fff]{1,4}$"})"},
    {Source::kSchema, R"({"type":"object","properties":{"name":{"type":"integer"}}})"},
    {Source::kSchema, R"({"type":"array","items":{"type":"string","maxLength":4},"maxItems":3})"},
    {Source::kSchema, R"({"type":"integer","minimum":-20,"maximum":12345678901})"},
    {Source::kSchema, "true"},
    {Source::kRegex, "[A-Za-z]{1,3}( [A-Za-z]{1,12}){0,40}\\."},
    {Source::kRegex, "(.|\\n){0,60}end"},
    {Source::kRegex, "[\\u0080-\\uffff]{2,5}|[\\x00-\\x7f]{33,40}"},
    {Source::kRegex, "(a|aa|[^a]){0,6}"},
    {Source::kGbnf, "root ::= line+\nline ::= [^\\n]{0,80} \"\\n\""},
    {Source::kGbnf, "root ::= \"<\" [a-z]{1,8} \">\" text* \"</>\"\ntext ::= [^<]"},
};

Result<Grammar> parse(const Source& source) {
  if (source.kind == Source::kRegex) return grammar_of_regex(source.text);
  if (source.kind == Source::kGbnf) return parse_gbnf(source.text);
  return parse_json_schema(parse_json(source.text).value());
}

std::vector<std::int32_t> allowed_one_by_one(Automaton& automaton, std::string_view before,
                                             const TokenTrie& trie) {
  MatchState state = automaton.start();
  for (const char c : before) state = automaton.step(state, static_cast<std::uint8_t>(c));
  std::vector<std::int32_t> out;
  for (std::int32_t id = 0; id < trie.vocab_size(); ++id) {
    MatchState at = trie.bytes(id).empty() ? kDead : state;
    for (const char c : trie.bytes(id)) at = automaton.step(at, static_cast<std::uint8_t>(c));
    if (at != kDead) out.push_back(id);
  }
  return out;
}

// Random texts of the grammar; at each token the mask is compared. The same text twice, since what
// is wanted a second time is made in another way.
void compare(const Source& source, const std::shared_ptr<const TokenTrie>& trie, int walks) {
  SCOPED_TRACE(source.text);
  const auto network = network_of(parse(source));
  TokenGrammar grammar(network, trie);
  Automaton automaton(network);
  Rng rng(5);
  for (int walk = 0; walk < walks; ++walk) {
    std::string text;
    MatchState state = grammar.start();
    for (int length = 0; length < 10; ++length) {
      const std::vector<std::int32_t> expected = allowed_one_by_one(automaton, text, *trie);
      const TokenMask mask = *grammar.mask(state);
      std::vector<std::int32_t> allowed;
      for (std::int32_t id = 0; id < trie->vocab_size(); ++id) {
        if (mask_allows(mask, id)) allowed.push_back(id);
      }
      ASSERT_EQ(allowed, expected) << "behind " << text;
      if (allowed.empty()) break;
      // Long tokens make texts meet their bounds; short ones go through every state.
      std::int32_t token = allowed[rng.below(allowed.size())];
      for (int i = 0; i < walk % 3; ++i) {
        const std::int32_t other = allowed[rng.below(allowed.size())];
        if (trie->bytes(other).size() < trie->bytes(token).size()) token = other;
      }
      text += trie->bytes(token);
      state = grammar.advance(state, token);
    }
  }
}

TEST(Mask, EqualsEachTokenAloneOverAnInventedVocabulary) {
  Rng rng(9);
  std::vector<std::string> vocabulary = {"", "\xFF<end>", std::string(40, ' '),
                                         std::string(33, 'a'), std::string(300, 'b')};
  for (int b = 0; b < 256; ++b) vocabulary.push_back(std::string(1, static_cast<char>(b)));
  // Characters of one to four bytes, whole and cut, with and without punctuation.
  const std::vector<std::string> pieces = {
      "a", "b", "x",  " ",        "z",        "\"",       "\\", "\n",           ",", "<",
      "0", "7", "é",  "\xC3",     "中",       "\xE4\xB8", "🚀",  "\xF0\x9F\x9A", "{", "end",
      ":", "[", "\t", "\xED\xA0", "\xF4\x90", "\xA9",     ".",  "\\u00",        "}", "]"};
  for (int i = 0; i < 3000; ++i) {
    std::string token;
    for (std::uint64_t n = 1 + rng.below(7); n > 0; --n) token += pieces[rng.below(pieces.size())];
    vocabulary.push_back(token);
  }
  const auto trie = std::make_shared<const TokenTrie>(vocabulary);
  for (const Source& source : kSources) compare(source, trie, 30);
}

std::string from_base64(std::string_view text) {
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

TEST(Mask, EqualsEachTokenAloneOverARealVocabulary) {
  const std::string name = "tokenizers/whisper-multilingual.tiktoken";
  const std::string source = QUIRE_SOURCE_DIR;
  std::filesystem::path path = source + "/../shared/data/" + name;
  if (!std::filesystem::exists(path)) path = source + "/../../shared/data/" + name;
  if (const char* named = std::getenv("QUIRE_TEST_DATA")) path = std::string(named) + "/" + name;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there (QUIRE_TEST_DATA)";
  std::ifstream file(path);
  std::vector<std::string> vocabulary;
  for (std::string line; std::getline(file, line);) vocabulary.push_back(from_base64(line));
  ASSERT_GT(vocabulary.size(), 50'000u);
  const auto trie = std::make_shared<const TokenTrie>(vocabulary);
  for (const Source& source : kSources) compare(source, trie, 4);
}

}  // namespace
}  // namespace quire::grammar
