// What a grammar costs a step: the look at a drawn token, and a new mask of a 150,000-token
// vocabulary, along random texts of a JSON Schema.
#include <fmt/format.h>

#include <ctime>
#include <vector>

#include "base/rng.h"
#include "engine/grammar/front_ends.h"
#include "engine/grammar/token_mask.h"

namespace quire::grammar {
namespace {

constexpr std::int32_t kVocab = 150'000;

// Words with and without a space before them, punctuation of JSON and prose, CJK, single bytes.
std::vector<std::string> make_vocabulary() {
  Rng rng(1);
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(std::string(1, static_cast<char>(byte)));
  for (const char* text :
       {"\": \"", "\":", "\",", "{\"", "\"}", "\", \"", "],", "  ", "\n\n", " {"}) {
    tokens.emplace_back(text);
  }
  while (tokens.size() < kVocab) {
    std::string token = rng.below(2) == 0 ? " " : "";
    const bool cjk = rng.below(4) == 0;
    for (std::uint64_t n = 2 + rng.below(cjk ? 3 : 9); n > 0; --n) {
      if (cjk) {
        token += "\xE4";
        token += static_cast<char>(0xB8 + rng.below(8));
        token += static_cast<char>(0x80 + rng.below(64));
      } else {
        token += static_cast<char>('a' + rng.below(26));
      }
    }
    if (rng.below(50) == 0) token += rng.below(2) == 0 ? "\"" : ".\n";
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Processor time of this thread, so that a busy machine tells the same.
double now_us() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

struct Cost {
  double total_us = 0, worst_us = 0;
  int count = 0;
  void add(double us) {
    total_us += us;
    worst_us = std::max(worst_us, us);
    ++count;
  }
};

void measure(std::string_view name, std::string_view schema_text,
             const std::shared_ptr<const TokenTrie>& trie) {
  const double begun = now_us();
  const Json schema = parse_json(schema_text).value();
  auto network = compile(parse_json_schema(schema).value(), {}).value();
  TokenGrammar grammar(std::make_shared<const Network>(std::move(network)), trie);
  grammar.prepare();
  const double compile_us = now_us() - begun;
  Rng rng(2);
  Cost masks, looks;
  for (int walk = 0; walk < 20; ++walk) {
    MatchState state = grammar.start();
    for (int step = 0; step < 60; ++step) {
      const double before = now_us();
      const TokenMask* mask = grammar.mask(state);
      masks.add(now_us() - before);
      std::vector<std::int32_t> allowed;
      for (std::int32_t id = 0; id < kVocab; ++id) {
        if (mask_allows(*mask, id)) allowed.push_back(id);
      }
      if (allowed.empty()) break;
      const std::int32_t token = allowed[rng.below(allowed.size())];
      const double looked = now_us();
      state = grammar.advance(state, token);
      looks.add(now_us() - looked);
    }
  }
  fmt::print(
      "{:<22} compile {:>8.0f} us | mask mean {:>7.0f} us, worst {:>7.0f} us | look {:>6.2f} us "
      "| {} states\n",
      name, compile_us, masks.total_us / masks.count, masks.worst_us, looks.total_us / looks.count,
      grammar.size());
}

}  // namespace
}  // namespace quire::grammar

int main() {
  using namespace quire::grammar;
  const std::vector<std::string> vocabulary = make_vocabulary();
  const auto trie = std::make_shared<const TokenTrie>(vocabulary);
  measure("person", R"({"type":"object","properties":{"name":{"type":"string"},
      "age":{"type":"integer","minimum":0,"maximum":150},"city":{"enum":["Porto","Lisbon"]},
      "tags":{"type":"array","items":{"type":"string"}}},"required":["name","age","city"],
      "additionalProperties":false})",
          trie);
  measure("any JSON", "true", trie);
  measure("maxLength 200", R"({"type":"string","maxLength":200})", trie);
  measure("pattern and length", R"({"type":"string","pattern":"^[a-z ]+$","maxLength":50})", trie);
  return 0;
}
