// Any bytes as a JSON Schema: compiled within its limits or refused with a reason.
#include "tests/fuzz/grammar_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto schema = quire::parse_json(source);
  if (!schema) return 0;
  const auto grammar = quire::grammar::parse_json_schema(*schema, quire::grammar::fuzz_limits());
  if (grammar) quire::grammar::check_grammar(*grammar, source);
  return 0;
}
