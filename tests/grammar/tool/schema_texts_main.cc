// Reads {"schema": ..., "texts": [...], "samples": N} a line; answers with what the schema's
// grammar says of each text and with N random texts of it, or with why it cannot be compiled.
#include <iostream>
#include <string>

#include "base/rng.h"
#include "engine/grammar/automaton.h"
#include "engine/grammar/front_ends.h"

namespace quire::grammar {
namespace {

constexpr std::size_t kLongText = 120, kTextMax = 4000;

bool matches(Automaton& automaton, std::string_view text) {
  MatchState state = automaton.start();
  for (const char c : text) state = automaton.step(state, static_cast<std::uint8_t>(c));
  return automaton.accepts(state);
}

// A random walk that turns to closing marks when it has become long; empty when it gets nowhere.
std::string sample(Automaton& automaton, Rng& rng) {
  std::string text;
  MatchState state = automaton.start();
  while (text.size() < kTextMax) {
    const ByteSet live = automaton.live(state);
    const bool may_end = automaton.accepts(state);
    if (may_end && (live.none() || rng.below(4) == 0 || text.size() > kLongText)) return text;
    int byte = -1;
    if (text.size() > kLongText) {
      for (const char close : {'"', '}', ']'}) {
        if (byte < 0 && live[static_cast<unsigned char>(close)]) byte = close;
      }
    }
    while (byte < 0 || !live[static_cast<std::size_t>(byte)]) {
      byte = static_cast<int>(rng.below(rng.below(8) == 0 ? 256 : 128));
    }
    text += static_cast<char>(byte);
    state = automaton.step(state, static_cast<std::uint8_t>(byte));
  }
  return {};
}

Result<Json> answer(const Json& question, Rng& rng) {
  QUIRE_ASSIGN(const Grammar grammar, parse_json_schema(question["schema"]));
  QUIRE_ASSIGN(Network network, compile(grammar, {}));
  Automaton automaton(std::make_shared<const Network>(std::move(network)));
  Json out = {{"accepts", Json::array()}, {"samples", Json::array()}};
  for (const Json& text : question["texts"]) {
    out["accepts"].push_back(matches(automaton, text.get<std::string>()));
  }
  for (int i = 0; i < question.value("samples", 0); ++i) {
    if (std::string text = sample(automaton, rng); !text.empty()) out["samples"].push_back(text);
  }
  return out;
}

}  // namespace
}  // namespace quire::grammar

int main() {
  quire::Rng rng(1);
  for (std::string line; std::getline(std::cin, line);) {
    const auto question = quire::parse_json(line);
    if (!question) {
      std::cout << quire::Json{{"error", question.error().message}}.dump() << "\n";
      continue;
    }
    const auto answer = quire::grammar::answer(*question, rng);
    std::cout << (answer ? answer->dump() : quire::Json{{"error", answer.error().message}}.dump())
              << "\n";
  }
  return 0;
}
