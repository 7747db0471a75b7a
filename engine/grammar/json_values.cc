// JSON's tokens as grammar nodes (RFC 8259).
#include "engine/grammar/json_values.h"

#include <algorithm>
#include <map>

#include "engine/grammar/front_ends.h"

namespace quire::grammar {
namespace {

ByteSet set_of(std::string_view characters) {
  ByteSet set;
  for (const char c : characters) set.set(static_cast<unsigned char>(c));
  return set;
}

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHex = "0123456789abcdefABCDEF";

// What JSON writes with a two-character escape, and must not stand raw.
struct Escape {
  char32_t code;
  char letter;
};
constexpr Escape kEscapes[] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                               {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};

bool contains(const std::vector<CodePointRange>& ranges, char32_t code) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const CodePointRange& range) {
    return range.first <= code && code <= range.last;
  });
}

// The parts of the ranges that may stand raw inside a string.
std::vector<CodePointRange> raw_part(const std::vector<CodePointRange>& ranges) {
  static constexpr CodePointRange kRaw[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};
  std::vector<CodePointRange> out;
  for (const CodePointRange& range : ranges) {
    for (const CodePointRange& raw : kRaw) {
      const CodePointRange part = {std::max(range.first, raw.first),
                                   std::min(range.last, raw.last)};
      if (part.first <= part.last) out.push_back(part);
    }
  }
  return out;
}

}  // namespace

NodeId JsonValues::once(RuleId& rule, const char* name, NodeId (JsonValues::*make)()) {
  if (rule < 0) {
    rule = grammar_.declare(name);
    const RuleId declared = rule;  // make() may come back here through a recursion
    grammar_.define(declared, (this->*make)());
  }
  return grammar_.rule(rule);
}

NodeId JsonValues::space() { return once(space_, "space", &JsonValues::make_space); }
NodeId JsonValues::any() { return once(any_, "value", &JsonValues::make_any); }
NodeId JsonValues::any_object() {
  return once(any_object_, "object", &JsonValues::make_any_object);
}
NodeId JsonValues::any_array() { return once(any_array_, "array", &JsonValues::make_any_array); }
NodeId JsonValues::number() { return once(number_, "number", &JsonValues::make_number); }
NodeId JsonValues::integer() { return once(integer_, "integer", &JsonValues::make_integer); }
NodeId JsonValues::string() { return once(string_, "string", &JsonValues::make_string); }
NodeId JsonValues::character() {
  return once(character_, "character", &JsonValues::make_character);
}

NodeId JsonValues::make_space() {
  const NodeId blanks = grammar_.repeat(grammar_.bytes(set_of(" \t")), 0, 20);
  const NodeId line_ends = grammar_.repeat(grammar_.literal("\n"), 1, 2);
  return grammar_.choice(
      {grammar_.empty(), grammar_.literal(" "), grammar_.sequence({line_ends, blanks})});
}

NodeId JsonValues::make_any() {
  return grammar_.choice({any_object(), any_array(), string(), number(), grammar_.literal("true"),
                          grammar_.literal("false"), grammar_.literal("null")});
}

NodeId JsonValues::comma() { return grammar_.sequence({space(), grammar_.literal(","), space()}); }
NodeId JsonValues::colon() { return grammar_.sequence({space(), grammar_.literal(":"), space()}); }

NodeId JsonValues::wrapped(char open, NodeId elements, char close) {
  return grammar_.sequence({grammar_.literal(std::string_view(&open, 1)), space(), elements,
                            space(), grammar_.literal(std::string_view(&close, 1))});
}

NodeId JsonValues::make_any_object() {
  const NodeId member = grammar_.sequence({string(), colon(), any()});
  const NodeId more = grammar_.repeat(grammar_.sequence({comma(), member}), 0, kUnbounded);
  return wrapped('{', grammar_.optional(grammar_.sequence({member, more})), '}');
}

NodeId JsonValues::make_any_array() {
  const NodeId more = grammar_.repeat(grammar_.sequence({comma(), any()}), 0, kUnbounded);
  return wrapped('[', grammar_.optional(grammar_.sequence({any(), more})), ']');
}

NodeId JsonValues::make_integer() {
  const NodeId positive =
      grammar_.sequence({grammar_.bytes(set_of("123456789")),
                         grammar_.repeat(grammar_.bytes(set_of(kDigits)), 0, kUnbounded)});
  return grammar_.sequence({grammar_.optional(grammar_.literal("-")),
                            grammar_.choice({grammar_.literal("0"), positive})});
}

NodeId JsonValues::make_number() {
  const NodeId digits = grammar_.repeat(grammar_.bytes(set_of(kDigits)), 1, kUnbounded);
  const NodeId fraction = grammar_.sequence({grammar_.literal("."), digits});
  const NodeId exponent = grammar_.sequence(
      {grammar_.bytes(set_of("eE")), grammar_.optional(grammar_.bytes(set_of("+-"))), digits});
  return grammar_.sequence({integer(), grammar_.optional(fraction), grammar_.optional(exponent)});
}

// Every spelling is one code point: \u escapes of surrogates are left out.
NodeId JsonValues::make_character() {
  const auto hex = [&](int count) {
    return grammar_.repeat(grammar_.bytes(set_of(kHex)), count, count);
  };
  const NodeId not_surrogate =
      grammar_.choice({grammar_.sequence({grammar_.bytes(set_of("0123456789abcefABCEF")), hex(3)}),
                       grammar_.sequence({grammar_.bytes(set_of("dD")),
                                          grammar_.bytes(set_of("01234567")), hex(2)})});
  return grammar_.choice(
      {grammar_.code_points(raw_part({{0, 0x10FFFF}})),
       grammar_.sequence({grammar_.literal("\\"), grammar_.bytes(set_of("\"\\/bfnrt"))}),
       grammar_.sequence({grammar_.literal("\\u"), not_surrogate})});
}

NodeId JsonValues::quoted(NodeId content) {
  return grammar_.sequence({grammar_.literal("\""), content, grammar_.literal("\"")});
}

NodeId JsonValues::make_string() { return string_of_length(0, kUnbounded); }

NodeId JsonValues::string_of_length(int min, int max) {
  return quoted(grammar_.repeat(character(), min, max));
}

NodeId JsonValues::escaped_code_points(std::vector<CodePointRange> ranges) {
  std::vector<NodeId> choices = {grammar_.code_points(raw_part(ranges))};
  for (const Escape& escape : kEscapes) {
    if (contains(ranges, escape.code))
      choices.push_back(grammar_.literal(std::string{'\\', escape.letter}));
  }
  for (char32_t code = 0; code < 0x20; ++code) {
    const bool short_form = std::any_of(std::begin(kEscapes), std::end(kEscapes),
                                        [&](const Escape& escape) { return escape.code == code; });
    if (!short_form && contains(ranges, code)) {
      choices.push_back(grammar_.literal(fmt::format("\\u{:04x}", static_cast<unsigned>(code))));
    }
  }
  return grammar_.choice(std::move(choices));
}

namespace {

// The names' common prefixes, so that "none of them" is a walk that leaves the tree.
struct NameTree {
  std::map<char32_t, NameTree> children;
  bool is_name = false;
};

}  // namespace

NodeId JsonValues::string_except(std::vector<std::string> names) {
  NameTree root;
  for (const std::string& name : names) {
    NameTree* node = &root;
    for (std::size_t at = 0; at < name.size();) node = &node->children[next_code_point(name, at)];
    node->is_name = true;
  }
  const std::vector<CodePointRange> everything = {{0, 0x10FFFF}};
  const NodeId rest = grammar_.repeat(escaped_code_points(everything), 0, kUnbounded);
  const auto build = [&](const auto& self, const NameTree& tree) -> NodeId {
    std::vector<NodeId> choices;
    if (!tree.is_name) choices.push_back(grammar_.empty());
    std::vector<CodePointRange> others;
    char32_t next = 0;
    for (const auto& [code, child] : tree.children) {
      if (code > next) others.push_back({next, code - 1});
      next = code + 1;
      choices.push_back(
          grammar_.sequence({escaped_code_points({{code, code}}), self(self, child)}));
    }
    others.push_back({next, 0x10FFFF});
    choices.push_back(grammar_.sequence({escaped_code_points(others), rest}));
    return grammar_.choice(std::move(choices));
  };
  return quoted(build(build, root));
}

NodeId JsonValues::literal(const Json& value) {
  if (!value.is_structured()) return grammar_.literal(dump_json(value));
  std::vector<NodeId> parts;
  for (const auto& [key, member] : value.items()) {
    if (!parts.empty()) parts.push_back(comma());
    if (value.is_object()) {
      parts.push_back(grammar_.literal(dump_json(Json(key))));
      parts.push_back(colon());
    }
    parts.push_back(literal(member));
  }
  const NodeId elements = grammar_.sequence(std::move(parts));
  return value.is_object() ? wrapped('{', elements, '}') : wrapped('[', elements, ']');
}

NodeId add_ordered(Grammar& grammar, const std::vector<OrderedMember>& members, NodeId separator,
                   NodeId extra) {
  const auto behind = [&](NodeId node) { return grammar.sequence({separator, node}); };
  NodeId rest = grammar.empty();   // what may follow when something stands before
  NodeId begin = grammar.empty();  // the same when nothing does
  if (extra >= 0) {
    rest = grammar.repeat(behind(extra), 0, kUnbounded);
    begin = grammar.optional(grammar.sequence({extra, rest}));
  }
  for (auto it = members.rbegin(); it != members.rend(); ++it) {
    // Each stage is a rule: the stages share their tails instead of doubling them.
    const RuleId rule = grammar.declare("members");
    grammar.define(rule, rest);
    const NodeId tail = grammar.rule(rule);
    const NodeId next = grammar.sequence({behind(it->node), tail});
    const NodeId first = grammar.sequence({it->node, tail});
    begin = it->required ? first : grammar.choice({first, begin});
    rest = it->required ? next : grammar.choice({next, tail});
  }
  return begin;
}

}  // namespace quire::grammar
