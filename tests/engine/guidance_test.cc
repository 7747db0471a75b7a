// Guidance of a choice. Oracles: the definition (a token may come exactly when its bytes keep the
// automaton alive), replay from scratch, and counting by hand.
#include "engine/guidance.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "engine/grammar/front_ends.h"
#include "engine/grammar/token_bytes.h"
#include "tests/engine/byte_tokenizer.h"

namespace quire::engine {
namespace {

using grammar::CompiledGrammar;
using grammar::GrammarStore;
using grammar::Matcher;

std::shared_ptr<CompiledGrammar> grammar_of(GrammarStore& store, const std::string& gbnf) {
  return store.get(gbnf, [&] { return grammar::parse_gbnf(gbnf); }).value();
}

class GuidanceTest : public ::testing::Test {
 protected:
  ByteTokenizer tokenizer_;
  GrammarStore store_{tokenizer_, ByteTokenizer::kVocab};
  const kernels::Kernels& kernels_ = kernels::kernels(kernels::Isa::kScalar);
  SamplerScratch scratch_;
  SamplingParams params_;
};

TEST_F(GuidanceTest, ADrawThatTheGrammarAllowsStandsAndAnotherIsReplaced) {
  GenerateRequest request;
  request.grammar = grammar_of(store_, "root ::= [ab]+ \"!\"");
  params_.temperature = 0;
  const Sampler sampler(params_, {}, {ByteTokenizer::kEos}, 1);
  std::vector<float> row(ByteTokenizer::kVocab, 0);
  row['a'] = 3;
  row['x'] = 2;
  row[ByteTokenizer::kEos] = 4;
  Guidance guidance(request, {ByteTokenizer::kEos});
  // The end token is best, but the text is not complete.
  auto token = guidance.draw(sampler, kernels_, row, 0, scratch_);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->id, 'a');
  guidance.accept('a');
  row['x'] = 9;
  EXPECT_EQ(guidance.draw(sampler, kernels_, row, 1, scratch_)->id, 'a');
  EXPECT_FALSE(guidance.is_complete());
  guidance.accept('!');
  EXPECT_TRUE(guidance.is_complete());
}

TEST_F(GuidanceTest, AFollowedGrammarChangesNoSeededDraw) {
  GenerateRequest request;
  request.grammar = grammar_of(store_, "root ::= [a-z]*");
  const Sampler sampler(params_, {}, {}, 7);
  std::vector<float> row(ByteTokenizer::kVocab, -100);
  for (char c = 'a'; c <= 'z'; ++c) row[static_cast<std::size_t>(c)] = static_cast<float>(c % 5);
  Guidance guidance(request, {ByteTokenizer::kEos});
  for (int position = 0; position < 200; ++position) {
    const auto free = sampler.sample(kernels_, row, position, scratch_);
    const auto held = guidance.draw(sampler, kernels_, row, position, scratch_);
    ASSERT_EQ(held->id, free->id);
    guidance.accept(held->id);
  }
}

// Half of the mass is not allowed: what is drawn must have the shares of the allowed half.
TEST_F(GuidanceTest, MaskedDrawsKeepTheShares) {
  GenerateRequest request;
  request.grammar = grammar_of(store_, "root ::= [ab]*");
  std::vector<float> row(ByteTokenizer::kVocab, -100);
  row['x'] = std::log(4.0f);
  row['a'] = std::log(3.0f);
  row['b'] = std::log(1.0f);
  int count_a = 0;
  constexpr int kDraws = 8000;
  for (int seed = 0; seed < kDraws; ++seed) {
    const Sampler sampler(params_, {}, {}, static_cast<std::uint64_t>(seed));
    Guidance guidance(request, {});
    const auto token = guidance.draw(sampler, kernels_, row, 0, scratch_);
    ASSERT_TRUE(token->id == 'a' || token->id == 'b');
    count_a += token->id == 'a';
  }
  EXPECT_NEAR(count_a, 0.75 * kDraws, 5 * std::sqrt(kDraws * 0.75 * 0.25));
}

TEST_F(GuidanceTest, NoTokenLeftIsAnErrorThatSaysSo) {
  GenerateRequest request;
  request.grammar = grammar_of(store_, "root ::= \"ab\"");
  params_.allowed_token_ids = {'x'};
  const Sampler sampler(params_, {}, {}, 1);
  const std::vector<float> row(ByteTokenizer::kVocab, 0);
  Guidance guidance(request, {});
  const auto token = guidance.draw(sampler, kernels_, row, 3, scratch_);
  ASSERT_FALSE(token);
  EXPECT_NE(token.error().message.find("grammar"), std::string::npos);
}

TEST_F(GuidanceTest, DraftsAreCutWhereTheGrammarRefuses) {
  GenerateRequest request;
  request.grammar = grammar_of(store_, "root ::= \"abc\" [0-9]");
  Guidance guidance(request, {});
  std::vector<std::int32_t> drafts = {'a', 'b', 'x', 'c'};
  guidance.cut(drafts);
  EXPECT_EQ(drafts, (std::vector<std::int32_t>{'a', 'b'}));
  EXPECT_EQ(guidance.propose(tokenizer_, 8), (std::vector<std::int32_t>{'a', 'b', 'c'}));
  EXPECT_EQ(guidance.propose(tokenizer_, 2), (std::vector<std::int32_t>{'a', 'b'}));
  guidance.accept('a');
  guidance.accept('b');
  guidance.accept('c');
  EXPECT_TRUE(guidance.propose(tokenizer_, 8).empty());
}

TEST_F(GuidanceTest, ReasoningIsCountedAndCut) {
  GenerateRequest request;
  request.reasoning = {.begin = {'<', 't'}, .end = {'<', '/'}, .open = false, .tokens_max = 3};
  ReasoningCounter counter(request.reasoning);
  for (const char c : std::string("x<t")) counter.accept(c);
  EXPECT_EQ(counter.count(), 0);
  for (const char c : std::string("ab")) counter.accept(c);
  EXPECT_EQ(counter.count(), 2);
  EXPECT_FALSE(counter.forced());
  counter.accept('c');
  ASSERT_TRUE(counter.forced());
  EXPECT_EQ(*counter.forced(), '<');
  counter.accept('<');
  ASSERT_TRUE(counter.forced());
  EXPECT_EQ(*counter.forced(), '/');
  counter.accept('/');
  EXPECT_FALSE(counter.forced());
  EXPECT_EQ(counter.count(), 3);
  counter.accept('z');
  EXPECT_EQ(counter.count(), 3);
}

// Automata that grew too large start anew between any two calls; matchers must not notice.
TEST_F(GuidanceTest, MatchersSurviveANewAutomaton) {
  const auto shared = grammar_of(store_, R"gbnf(
root ::= "[" (root ("," root)*)? "]" | [a-z]{1,40}
)gbnf");
  Rng rng(4);
  std::vector<std::vector<std::int32_t>> texts(6);
  std::vector<Matcher> matchers(texts.size(), Matcher(shared));
  for (int step = 0; step < 3000; ++step) {
    const std::size_t i = rng.below(matchers.size());
    const auto token = static_cast<std::int32_t>("[],abcz"[rng.below(7)]);
    Matcher replayed(shared);
    for (const std::int32_t known : texts[i]) replayed.accept(known);
    ASSERT_EQ(matchers[i].allows(token), replayed.allows(token));
    ASSERT_EQ(matchers[i].accepts(), replayed.accepts());
    if (!matchers[i].allows(token)) continue;
    matchers[i].accept(token);
    texts[i].push_back(token);
    if (texts[i].size() > 60) {
      texts[i].clear();
      matchers[i] = Matcher(shared);
    }
  }
}

TEST_F(GuidanceTest, TheStoreIsBounded) {
  const auto first = grammar_of(store_, "root ::= \"x\"");
  EXPECT_EQ(grammar_of(store_, "root ::= \"x\""), first);
  for (std::size_t i = 0; i < 3 * GrammarStore::kGrammarsMax; ++i) {
    grammar_of(store_, fmt::format("root ::= \"{}\"", i));
    ASSERT_LE(store_.size(), GrammarStore::kGrammarsMax);
  }
  EXPECT_NE(grammar_of(store_, "root ::= \"x\""), first);
  EXPECT_FALSE(store_.get("bad", [] { return grammar::parse_gbnf("root ::= x"); }));
  EXPECT_FALSE(store_.get("bad", [] { return grammar::parse_gbnf("x ::= y"); }));
}

TEST_F(GuidanceTest, SpecialTokensStandOnlyWhereTheyAreNamed) {
  grammar::Grammar built;
  const std::string marker = grammar::marker_bytes(tokenizer_, "<|end|>");
  const grammar::NodeId rest = built.literal("{}");
  const grammar::NodeId node = grammar::add_until(built, {.marker = marker, .rest = rest});
  built.root = built.declare("root");
  built.define(built.root, node);
  const auto shared = store_.get("until", [&] { return Result<grammar::Grammar>(built); }).value();
  Matcher matcher(shared);
  for (const char c : std::string("free <|end text")) {
    ASSERT_TRUE(matcher.allows(c));
    matcher.accept(c);
    EXPECT_FALSE(matcher.accepts());
  }
  EXPECT_FALSE(matcher.allows(ByteTokenizer::kBos));
  ASSERT_TRUE(matcher.allows(ByteTokenizer::kEnd));
  matcher.accept(ByteTokenizer::kEnd);
  EXPECT_FALSE(matcher.allows('x'));
  matcher.accept('{');
  matcher.accept('}');
  EXPECT_TRUE(matcher.is_complete());
}

}  // namespace
}  // namespace quire::engine
