// Walks the two deterministic automata side by side; each pair of states becomes a rule.
#include "engine/grammar/product.h"

#include <map>
#include <utility>
#include <vector>

#include "engine/grammar/automaton.h"

namespace quire::grammar {
namespace {

// A copy of what the node reaches. A rule that is not defined yet matches nothing in it.
class Extract {
 public:
  explicit Extract(const Grammar& from) : from_(from) {}

  Result<Network> network_of(NodeId node) {
    const RuleId root = to_.declare("part");
    to_.root = root;
    to_.define(root, copy(node));
    return compile(to_, {});
  }

 private:
  // As deep as the grammar nests, which the front ends bound.
  NodeId copy(NodeId id) {
    const Node& node = from_.node(id);
    switch (node.kind) {
      case Node::Kind::kEmpty:
        return to_.empty();
      case Node::Kind::kBytes:
        return to_.bytes(node.bytes);
      case Node::Kind::kSequence:
      case Node::Kind::kChoice: {
        std::vector<NodeId> children;
        for (const NodeId child : node.children) children.push_back(copy(child));
        return node.kind == Node::Kind::kSequence ? to_.sequence(std::move(children))
                                                  : to_.choice(std::move(children));
      }
      case Node::Kind::kRepeat:
        return to_.repeat(copy(node.children[0]), node.repeat_min, node.repeat_max);
      case Node::Kind::kRule:
        break;
    }
    if (const auto known = rules_.find(node.rule); known != rules_.end()) {
      return to_.rule(known->second);
    }
    const RuleId rule = to_.declare(from_.name(node.rule));
    rules_[node.rule] = rule;
    const NodeId definition = from_.definition(node.rule);
    to_.define(rule, definition < 0 ? to_.choice({}) : copy(definition));
    return to_.rule(rule);
  }

  const Grammar& from_;
  Grammar to_;
  std::map<RuleId, RuleId> rules_;
};

Result<Network> network_of(const Grammar& grammar, NodeId node) {
  return Extract(grammar).network_of(node);
}

struct Pair {
  MatchState a = kDead, b = kDead;
  auto operator<=>(const Pair&) const = default;
};

class Product {
 public:
  Product(Grammar& grammar, Automaton& a, Automaton& b, Combine combine)
      : grammar_(grammar), a_(a), b_(b), combine_(combine) {}

  Result<NodeId> run() {
    const RuleId start = rule_of({a_.start(), b_.start()});
    while (!open_.empty()) {
      const Pair pair = open_.back();
      open_.pop_back();
      if (rules_.size() > kProductStatesMax) {
        return fail(ErrorCode::kInvalid, "the combination needs more than {} states",
                    kProductStatesMax);
      }
      define(pair);
    }
    return grammar_.rule(start);
  }

 private:
  bool is_alive(const Pair& pair) const {
    return pair.a != kDead && (combine_ == Combine::kWithout || pair.b != kDead);
  }

  RuleId rule_of(const Pair& pair) {
    const auto [it, added] = rules_.try_emplace(pair, -1);
    if (added) {
      it->second = grammar_.declare("product");
      open_.push_back(pair);
    }
    return it->second;
  }

  void define(const Pair& pair) {
    std::map<RuleId, ByteSet> edges;
    ByteSet left;
    left.set();
    while (left.any()) {
      const auto byte = static_cast<std::uint8_t>(left._Find_first());
      const ByteSet alike = a_.alike(pair.a, byte) & b_.alike(pair.b, byte);
      const Pair next = {a_.step(pair.a, byte), b_.step(pair.b, byte)};
      if (is_alive(next)) edges[rule_of(next)] |= alike;
      left &= ~alike;
    }
    std::vector<NodeId> choices;
    if (a_.accepts(pair.a) && (b_.accepts(pair.b) == (combine_ == Combine::kAnd))) {
      choices.push_back(grammar_.empty());
    }
    for (const auto& [rule, bytes] : edges) {
      choices.push_back(grammar_.sequence({grammar_.bytes(bytes), grammar_.rule(rule)}));
    }
    grammar_.define(rules_.at(pair), grammar_.choice(std::move(choices)));
  }

  Grammar& grammar_;
  Automaton& a_;
  Automaton& b_;
  const Combine combine_;
  std::map<Pair, RuleId> rules_;
  std::vector<Pair> open_;
};

}  // namespace

Result<NodeId> add_product(Grammar& grammar, NodeId a, Combine combine, NodeId b) {
  auto first = network_of(grammar, a), second = network_of(grammar, b);
  // Without any text of its own, one side decides alone.
  if (!first) return grammar.choice({});
  if (!second) return combine == Combine::kAnd ? grammar.choice({}) : a;
  Automaton a_states(std::make_shared<const Network>(std::move(*first)));
  Automaton b_states(std::make_shared<const Network>(std::move(*second)));
  return Product(grammar, a_states, b_states, combine).run();
}

std::vector<bool> matches(const Grammar& grammar, NodeId node,
                          const std::vector<std::string>& texts) {
  std::vector<bool> out(texts.size(), false);
  auto network = network_of(grammar, node);
  if (!network) return out;
  Automaton automaton(std::make_shared<const Network>(std::move(*network)));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    MatchState state = automaton.start();
    for (const char c : texts[i]) state = automaton.step(state, static_cast<std::uint8_t>(c));
    out[i] = automaton.accepts(state);
  }
  return out;
}

}  // namespace quire::grammar
