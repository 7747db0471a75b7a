// A mutex for each grammar: a step asks it a few times, and holds it longer only for a new mask.
#include "engine/grammar/matcher.h"

#include "base/check.h"
#include "engine/grammar/token_bytes.h"

namespace quire::grammar {
namespace {

// States and frames after which an automaton starts anew, at about 1 KiB each.
constexpr std::size_t kSizeKept = 16'384;
// Bytes that are looked ahead for likely tokens.
constexpr std::size_t kLikelyBytes = 96;

}  // namespace

CompiledGrammar::CompiledGrammar(std::shared_ptr<const Network> network,
                                 std::shared_ptr<const TokenTrie> trie)
    : network_(std::move(network)), trie_(std::move(trie)) {
  automaton_.emplace(network_, trie_);
  automaton_->prepare();
}

void CompiledGrammar::shrink() {
  if (automaton_->size() <= kSizeKept) return;
  automaton_.emplace(network_, trie_);
  ++generation_;
}

std::size_t CompiledGrammar::bytes() const {
  constexpr std::size_t kStateBytes = 160;
  const std::lock_guard lock(mutex_);
  return network_->states.size() * kStateBytes + automaton_->bytes();
}

Matcher::Matcher(std::shared_ptr<CompiledGrammar> grammar) : grammar_(std::move(grammar)) {
  const std::lock_guard lock(grammar_->mutex_);
  state_ = grammar_->automaton_->start();
  generation_ = grammar_->generation_;
}

TokenGrammar& Matcher::sync() {
  grammar_->shrink();
  TokenGrammar& automaton = *grammar_->automaton_;
  if (generation_ == grammar_->generation_) return automaton;
  generation_ = grammar_->generation_;
  state_ = automaton.start();
  for (const std::int32_t token : tokens_) state_ = automaton.advance(state_, token);
  return automaton;
}

bool Matcher::allows(std::int32_t token) {
  const std::lock_guard lock(grammar_->mutex_);
  return sync().advance(state_, token) != kDead;
}

void Matcher::accept(std::int32_t token) {
  const std::lock_guard lock(grammar_->mutex_);
  state_ = sync().advance(state_, token);
  CHECK(state_ != kDead, "the grammar does not allow token {}", token);
  tokens_.push_back(token);
}

bool Matcher::accepts() {
  const std::lock_guard lock(grammar_->mutex_);
  return sync().accepts(state_);
}

bool Matcher::is_complete() {
  const std::lock_guard lock(grammar_->mutex_);
  return sync().is_complete(state_);
}

Status Matcher::mask(TokenMask& mask) {
  const std::lock_guard lock(grammar_->mutex_);
  const TokenMask* known = sync().mask(state_);
  if (known == nullptr) {
    return fail(ErrorCode::kInvalid, "the grammar is too ambiguous: more than {} states",
                TokenGrammar::kSizeMax);
  }
  mask = *known;
  return {};
}

std::size_t Matcher::count_allowed(const std::vector<std::int32_t>& tokens) {
  const std::lock_guard lock(grammar_->mutex_);
  TokenGrammar& automaton = sync();
  MatchState state = state_;
  std::size_t count = 0;
  for (; count < tokens.size(); ++count) {
    state = automaton.advance(state, tokens[count]);
    if (state == kDead) break;
  }
  return count;
}

// In the tokenizer's own division where that spells the bytes, else the longest tokens.
MatchState Matcher::append_likely(const text::Tokenizer& tokenizer, const std::string& bytes,
                                  MatchState state, std::vector<std::int32_t>& out) {
  TokenGrammar& automaton = *grammar_->automaton_;
  const TokenTrie& trie = automaton.trie();
  const auto ids = tokenizer.encode(bytes, {.add_special_tokens = false, .parse_special = false});
  std::string spelled;
  if (ids) {
    for (const std::int32_t id : *ids) {
      if (id >= 0 && id < trie.vocab_size()) spelled += trie.bytes(id);
    }
  }
  std::vector<std::int32_t> tokens;
  if (ids && spelled == bytes) {
    tokens = *ids;
  } else {
    for (std::size_t at = 0; at < bytes.size();) {
      const std::int32_t id = automaton.longest_token(std::string_view(bytes).substr(at));
      if (id < 0) break;
      tokens.push_back(id);
      at += trie.bytes(id).size();
    }
  }
  for (const std::int32_t token : tokens) {
    const MatchState next = automaton.advance(state, token);
    if (next == kDead) return kDead;
    out.push_back(token);
    state = next;
  }
  return state;
}

std::vector<std::int32_t> Matcher::likely_tokens(const text::Tokenizer& tokenizer,
                                                 std::size_t max) {
  const std::lock_guard lock(grammar_->mutex_);
  TokenGrammar& automaton = sync();
  std::vector<std::int32_t> out;
  MatchState state = state_;
  std::size_t made = 1;
  while (out.size() < max && state != kDead && made > 0) {
    const std::size_t before = out.size();
    std::string bytes = automaton.likely_bytes(state, kLikelyBytes);
    const std::size_t special = bytes.find(kSpecialByte);
    const std::string_view behind =
        special == std::string::npos ? std::string_view() : std::string_view(bytes).substr(special);
    const std::int32_t marker = behind.empty() ? -1 : automaton.longest_token(behind);
    if (bytes.empty() || (special == 0 && marker < 0)) break;
    if (special != 0) state = append_likely(tokenizer, bytes.substr(0, special), state, out);
    if (state != kDead && marker >= 0) {
      state = automaton.advance(state, marker);
      if (state != kDead) out.push_back(marker);
    }
    made = out.size() - before;
  }
  if (out.size() > max) out.resize(max);
  return out;
}

// --- the store ----------------------------------------------------------------------------------

std::shared_ptr<const TokenTrie> GrammarStore::trie() {
  std::call_once(trie_once_, [this] {
    trie_ = std::make_shared<const TokenTrie>(token_bytes(tokenizer_, vocab_));
  });
  return trie_;
}

std::shared_ptr<CompiledGrammar> GrammarStore::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->grammar;
}

void GrammarStore::insert(const std::string& key, const std::shared_ptr<CompiledGrammar>& grammar) {
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return;  // another thread was faster
  entries_.push_front({key, grammar});
  by_key_[key] = entries_.begin();
  std::size_t bytes = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    bytes += it->grammar->bytes() + it->key.size();
    const auto next = std::next(it);
    const auto rank = static_cast<std::size_t>(std::distance(entries_.begin(), it));
    if (rank > 0 && (bytes > kBytesMax || rank >= kGrammarsMax)) {
      by_key_.erase(it->key);
      entries_.erase(it);
    }
    it = next;
  }
}

Result<std::shared_ptr<CompiledGrammar>> GrammarStore::get(
    const std::string& key, const std::function<Result<Grammar>()>& build) {
  if (auto known = find(key)) return known;
  QUIRE_ASSIGN(const Grammar grammar, build());
  QUIRE_ASSIGN(Network network, compile(grammar, {}));
  auto compiled = std::make_shared<CompiledGrammar>(
      std::make_shared<const Network>(std::move(network)), trie());
  insert(key, compiled);
  return compiled;
}

std::size_t GrammarStore::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace quire::grammar
