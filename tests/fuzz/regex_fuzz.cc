// Any bytes as a regular expression, for whole texts and for parts of them.
#include "tests/fuzz/grammar_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace grammar = quire::grammar;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  for (const auto match : {grammar::RegexMatch::kWhole, grammar::RegexMatch::kSearch}) {
    grammar::Grammar grammar;
    const auto node = grammar::add_regex(grammar, source, {.match = match}, grammar::fuzz_limits());
    if (!node) continue;
    grammar.root = grammar.declare("root");
    grammar.define(grammar.root, *node);
    grammar::check_grammar(grammar, source);
  }
  return 0;
}
