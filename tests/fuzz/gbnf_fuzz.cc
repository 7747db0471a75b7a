// Any bytes as a GBNF grammar: compiled within its limits or refused with a reason.
#include "tests/fuzz/grammar_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto grammar = quire::grammar::parse_gbnf(source, quire::grammar::fuzz_limits());
  if (grammar) quire::grammar::check_grammar(*grammar, source);
  return 0;
}
