// A context-free grammar over bytes as plain data: what the front ends (regex, GBNF, JSON Schema)
// produce and the automaton is compiled from.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::grammar {

using NodeId = std::int32_t;
using RuleId = std::int32_t;
using ByteSet = std::bitset<256>;

inline constexpr int kUnbounded = -1;

struct Node {
  enum class Kind { kEmpty, kBytes, kSequence, kChoice, kRepeat, kRule };
  Kind kind = Kind::kEmpty;
  ByteSet bytes;                 // kBytes: one byte out of the set
  std::vector<NodeId> children;  // kSequence, kChoice; kRepeat has one
  int repeat_min = 0, repeat_max = kUnbounded;
  RuleId rule = -1;  // kRule
};

// A closed range of Unicode code points.
struct CodePointRange {
  char32_t first = 0, last = 0;
};

// Builder and container. Nodes are immutable once added; rules may be declared before they are
// defined, so that they can refer to each other.
class Grammar {
 public:
  NodeId empty();
  NodeId bytes(const ByteSet& set);
  // The exact text, byte by byte.
  NodeId literal(std::string_view text);
  // One code point out of the ranges, as UTF-8 (surrogates excluded).
  NodeId code_points(std::vector<CodePointRange> ranges);
  // One code point that is in none of the ranges.
  NodeId code_points_except(std::vector<CodePointRange> ranges);
  NodeId sequence(std::vector<NodeId> children);
  NodeId choice(std::vector<NodeId> children);
  NodeId repeat(NodeId child, int min, int max);
  NodeId optional(NodeId child) { return repeat(child, 0, 1); }
  NodeId rule(RuleId rule);

  RuleId declare(std::string name);
  void define(RuleId rule, NodeId node);

  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  NodeId definition(RuleId rule) const { return rules_[static_cast<std::size_t>(rule)].node; }
  const std::string& name(RuleId rule) const { return rules_[static_cast<std::size_t>(rule)].name; }
  int rule_count() const { return static_cast<int>(rules_.size()); }
  std::size_t node_count() const { return nodes_.size(); }
  RuleId root = -1;

 private:
  struct Rule {
    std::string name;
    NodeId node = -1;  // -1: declared only
  };
  NodeId add(Node node);

  std::vector<Node> nodes_;
  std::vector<Rule> rules_;
};

// Bounds on what a client may ask for; exceeding one is an error that names it.
struct GrammarLimits {
  std::size_t source_bytes = 64u << 10;
  int depth = 64;
  int rules = 50'000;
  int states = 200'000;     // of the compiled automaton
  int repetitions = 1'000;  // {m,n}
};

}  // namespace quire::grammar
