// JSON schemas with texts that they allow and texts that they refuse, as tests of their grammars.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/grammar/automaton.h"
#include "engine/grammar/front_ends.h"

namespace quire::grammar {

inline Result<std::shared_ptr<const Network>> network_of(std::string_view text) {
  QUIRE_ASSIGN(const Json schema, parse_json(text));
  QUIRE_ASSIGN(const Grammar grammar, parse_json_schema(schema));
  QUIRE_ASSIGN(Network network, compile(grammar, {}));
  return std::make_shared<const Network>(std::move(network));
}

inline bool matches(Automaton& automaton, std::string_view text) {
  MatchState state = automaton.start();
  for (const char c : text) state = automaton.step(state, static_cast<std::uint8_t>(c));
  return automaton.accepts(state);
}

struct SchemaCase {
  const char* schema;
  std::vector<const char*> valid, invalid;
};

inline void expect_cases(const std::vector<SchemaCase>& cases) {
  for (const SchemaCase& c : cases) {
    const auto network = network_of(c.schema);
    ASSERT_TRUE(network) << c.schema << "\n" << network.error().message;
    Automaton automaton(*network);
    for (const char* text : c.valid)
      EXPECT_TRUE(matches(automaton, text)) << c.schema << "\n" << text;
    for (const char* text : c.invalid)
      EXPECT_FALSE(matches(automaton, text)) << c.schema << "\n" << text;
  }
}

// Each schema with what the error must say.
inline void expect_refused(const std::vector<std::pair<std::string, std::string>>& schemas) {
  for (const auto& [schema, words] : schemas) {
    const auto network = network_of(schema);
    ASSERT_FALSE(network) << schema;
    EXPECT_NE(network.error().message.find(words), std::string::npos) << network.error().message;
  }
}

}  // namespace quire::grammar
