// The expression behind any text: its automaton accepts from the end of the first match on.
#include "engine/stop_pattern.h"

#include "engine/grammar/front_ends.h"

namespace quire::engine {

Result<std::shared_ptr<const StopPattern>> StopPattern::make(const std::string& source) {
  grammar::Grammar grammar;
  QUIRE_ASSIGN(const grammar::NodeId node,
               grammar::add_regex(grammar, source, {.match = grammar::RegexMatch::kSearch}));
  grammar.root = grammar.declare("stop");
  grammar.define(grammar.root, node);
  QUIRE_ASSIGN(grammar::Network compiled, grammar::compile(grammar, {}));
  auto network = std::make_shared<const grammar::Network>(std::move(compiled));
  if (const grammar::Automaton automaton(network); automaton.accepts(automaton.start())) {
    return fail(ErrorCode::kInvalid, "\"{}\" matches the empty text", source);
  }
  return std::make_shared<const StopPattern>(source, std::move(network));
}

PatternMatcher::PatternMatcher(std::shared_ptr<const StopPattern> pattern)
    : pattern_(std::move(pattern)), automaton_(pattern_->network_), state_(automaton_.start()) {}

Result<std::optional<std::size_t>> PatternMatcher::push(std::string_view piece) {
  for (std::size_t at = 0; at < piece.size(); ++at) {
    state_ = automaton_.step(state_, static_cast<std::uint8_t>(piece[at]));
    if (automaton_.accepts(state_)) return std::optional(at + 1);
    if (automaton_.size() > kSizeMax) {
      return fail_at("stop_regex", ErrorCode::kInvalid,
                     "stop_regex \"{}\" is too ambiguous: more than {} states", pattern_->source_,
                     kSizeMax);
    }
  }
  return std::optional<std::size_t>();
}

}  // namespace quire::engine
