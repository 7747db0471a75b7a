// Grammars over bytes. Oracles: hand-decided membership, and for masks the brute force over every
// token.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "engine/grammar/front_ends.h"
#include "engine/grammar/token_mask.h"

namespace quire::grammar {
namespace {

std::shared_ptr<const Network> must_compile(const Result<Grammar>& grammar) {
  EXPECT_TRUE(grammar) << (grammar ? "" : grammar.error().message);
  auto network = compile(*grammar, {});
  EXPECT_TRUE(network) << (network ? "" : network.error().message);
  return std::make_shared<const Network>(std::move(*network));
}

bool matches(Automaton& automaton, std::string_view text) {
  MatchState state = automaton.start();
  for (const char c : text) state = automaton.step(state, static_cast<std::uint8_t>(c));
  return automaton.accepts(state);
}

struct Case {
  const char* source;
  std::vector<std::string> in, out;
};

TEST(Regex, WholeMatch) {
  const Case cases[] = {
      {"a*b", {"b", "aab"}, {"", "a", "ba"}},
      {"(ab|c){2,3}", {"abab", "cc", "abcc"}, {"ab", "cccc", "abb"}},
      {"[^a-c]+", {"xyz", "Ж", "🚀d"}, {"", "xa"}},
      {"\\d{3}-\\w+", {"123-a_9"}, {"12-a", "123-"}},
      {"^x?$", {"", "x"}, {"xx"}},
      {"(a*)*b", {"b", "aaab"}, {"a"}},
      {"[é-ü]", {"é", "ü", "ï"}, {"e", "\xC3"}},
      {".", {"a", "語", "🚀"}, {"\n", "", "ab"}},
      {"\\u00e9\\x41", {"éA"}, {"eA"}},
      {"a{2}", {"aa"}, {"a", "aaa"}},
      {"(?:a|)b", {"ab", "b"}, {"a"}},
  };
  for (const Case& c : cases) {
    Automaton automaton(must_compile(grammar_of_regex(c.source)));
    for (const auto& text : c.in) EXPECT_TRUE(matches(automaton, text)) << c.source << " " << text;
    for (const auto& text : c.out)
      EXPECT_FALSE(matches(automaton, text)) << c.source << " " << text;
  }
}

TEST(Regex, SearchMatchesAnyPart) {
  for (const auto& [pattern, in, out] :
       {Case{"b", {"b", "abc"}, {"ac"}}, Case{"^b", {"bc"}, {"ab"}},
        Case{"b$|^c", {"ab", "ca"}, {"bca"}}}) {
    Grammar grammar;
    const auto node = add_regex(grammar, pattern, {.match = RegexMatch::kSearch});
    ASSERT_TRUE(node);
    grammar.root = grammar.declare("root");
    grammar.define(grammar.root, *node);
    Automaton automaton(must_compile(grammar));
    for (const auto& text : in) EXPECT_TRUE(matches(automaton, text)) << pattern << " " << text;
    for (const auto& text : out) EXPECT_FALSE(matches(automaton, text)) << pattern << " " << text;
  }
}

TEST(Regex, RefusesByName) {
  for (const auto& [pattern, words] :
       std::vector<std::pair<std::string, std::string>>{{"(?=a)", "lookaround"},
                                                        {"(a)\\1", "back-references"},
                                                        {"\\ba", "word boundaries"},
                                                        {"a{5,2}", "empty"},
                                                        {"a{1,100000}", "exceeds 1000"},
                                                        {"(a", "missing ')'"},
                                                        {"a)", "unmatched"},
                                                        {"[a", "missing ']'"},
                                                        {"*a", "nothing to repeat"},
                                                        {"a$b", "'$'"},
                                                        {"[z-a]", "out of order"},
                                                        {"\\q", "unknown escape"},
                                                        {std::string(5000, 'a'), "exceeds 4096"},
                                                        {std::string(1000, '('), "nest deeper"}}) {
    const auto grammar = grammar_of_regex(pattern);
    ASSERT_FALSE(grammar) << pattern;
    EXPECT_NE(grammar.error().message.find(words), std::string::npos) << grammar.error().message;
  }
}

TEST(Gbnf, MatchesNestedAndRecursiveRules) {
  Automaton automaton(must_compile(parse_gbnf(R"gbnf(
# arithmetic
root ::= expr "\n"?
expr ::= term ([-+] term)*
term ::= number |
         "(" expr ")"
number ::= [0-9]+ ("." [0-9]{1,2})?
)gbnf")));
  for (const char* text : {"1", "1+2", "(1-2)+3.14", "((7))\n"})
    EXPECT_TRUE(matches(automaton, text)) << text;
  for (const char* text : {"", "1+", "(1", "1.234", "1\n\n"})
    EXPECT_FALSE(matches(automaton, text)) << text;
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += '(';
  EXPECT_FALSE(matches(automaton, deep));
  for (const auto& [source, words] : std::vector<std::pair<std::string, std::string>>{
           {"root ::= root \"a\" | \"a\"", "left-recursive"},
           {"root ::= a\na ::= b?\nb ::= a", "left-recursive"},
           {"root ::= missing", "not defined"},
           {"start ::= \"a\"", "no rule \"root\""},
           {"root ::= \"a", "unclosed"},
           {"root ::= \"a\"\nroot ::= \"b\"", "twice"},
           {"root := \"a\"", "expected ::="}}) {
    auto grammar = parse_gbnf(source);
    if (grammar) {
      const auto network = compile(*grammar, {});
      ASSERT_FALSE(network) << source;
      EXPECT_NE(network.error().message.find(words), std::string::npos) << network.error().message;
    } else {
      EXPECT_NE(grammar.error().message.find(words), std::string::npos) << grammar.error().message;
    }
  }
}

TEST(Gbnf, RightRecursionDoesNotGrowTheStack) {
  Automaton automaton(must_compile(parse_gbnf("root ::= \"a\" root | \"b\"")));
  EXPECT_TRUE(matches(automaton, std::string(100000, 'a') + "b"));
  EXPECT_LT(automaton.state_count(), 10u);
}

// Oracle: a token is allowed exactly when stepping over its bytes stays alive.
TEST(TokenMask, EqualsBruteForce) {
  Rng rng(3);
  std::vector<std::string> vocabulary = {""};
  for (int b = 0; b < 256; ++b) vocabulary.push_back(std::string(1, static_cast<char>(b)));
  const std::string alphabet = "ab{}[]\",:01 \xC3\xA9";
  for (int i = 0; i < 2000; ++i) {
    std::string token;
    for (std::uint64_t n = 1 + rng.below(6); n > 0; --n)
      token += alphabet[rng.below(alphabet.size())];
    vocabulary.push_back(token);
  }
  const auto trie = std::make_shared<const TokenTrie>(vocabulary);
  TokenGrammar grammar(must_compile(parse_gbnf(R"gbnf(
root ::= value
value ::= "{" (pair ("," pair)*)? "}" | "[" (value ("," value)*)? "]" | string | [01]+
pair ::= string ":" " "? value
string ::= "\"" [^"\\]* "\""
)gbnf")),
                       trie);
  for (int walk = 0; walk < 200; ++walk) {
    MatchState state = grammar.start();
    for (int length = 0; length < 12; ++length) {
      const TokenMask mask = *grammar.mask(state);
      std::vector<std::int32_t> allowed;
      for (std::int32_t id = 0; id < trie->vocab_size(); ++id) {
        const bool live = grammar.advance(state, id) != kDead;
        ASSERT_EQ(mask_allows(mask, id), live) << "token " << id;
        if (live) allowed.push_back(id);
      }
      if (allowed.empty()) break;
      state = grammar.advance(state, allowed[rng.below(allowed.size())]);
    }
  }
}

TEST(TokenMask, LikelyBytes) {
  const std::vector<std::string> vocabulary = {"a", "he", "hell"};
  TokenGrammar grammar(must_compile(parse_gbnf("root ::= \"hello \" [ab] \" end\"")),
                       std::make_shared<const TokenTrie>(vocabulary));
  EXPECT_EQ(grammar.likely_bytes(grammar.start(), 100), "hello ");
  EXPECT_EQ(grammar.likely_bytes(grammar.start(), 3), "hel");
  EXPECT_EQ(grammar.longest_token("hello"), 2);
  EXPECT_EQ(grammar.longest_token("hel"), 1);
  EXPECT_EQ(grammar.longest_token("lo"), -1);
  // Free blanks are guessed as json.dumps writes them.
  TokenGrammar json(must_compile(parse_gbnf(R"gbnf(
root ::= "{" s "\"a\"" s ":" s "1" s "," s "\"b\"" s ":" s [0-9] s "}"
s ::= " "?
)gbnf")),
                    std::make_shared<const TokenTrie>(vocabulary));
  EXPECT_EQ(json.likely_bytes(json.start(), 100), "{\"a\": 1, \"b\": ");
}

}  // namespace
}  // namespace quire::grammar
