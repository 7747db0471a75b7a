// Thompson construction for each rule, and the check that no rule calls itself before a byte.
#include <algorithm>

#include "engine/grammar/automaton.h"

namespace quire::grammar {
namespace {

class Compiler {
 public:
  Compiler(const Grammar& grammar, const GrammarLimits& limits)
      : grammar_(grammar), limits_(limits) {}

  Result<Network> run() {
    if (grammar_.rule_count() > limits_.rules) {
      return fail(ErrorCode::kInvalid, "{} rules exceed {}", grammar_.rule_count(), limits_.rules);
    }
    for (RuleId rule = 0; rule < grammar_.rule_count(); ++rule) {
      if (grammar_.definition(rule) < 0) {
        return fail(ErrorCode::kInvalid, "rule \"{}\" is used but not defined",
                    grammar_.name(rule));
      }
    }
    QUIRE_TRY(check_left_recursion());
    find_productive();
    if (!productive_[static_cast<std::size_t>(grammar_.definition(grammar_.root))]) {
      return fail(ErrorCode::kInvalid, "the grammar matches no text at all");
    }
    for (RuleId rule = 0; rule < grammar_.rule_count(); ++rule) starts_.push_back(add_state());
    for (RuleId rule = 0; rule < grammar_.rule_count(); ++rule) {
      const std::int32_t end =
          build(grammar_.definition(rule), starts_[static_cast<std::size_t>(rule)]);
      if (too_large_) {
        return fail(ErrorCode::kInvalid, "the grammar needs more than {} states", limits_.states);
      }
      state(end).final = true;
    }
    for (Network::State& each : network_.states) each.only_ends = only_ends(&each);
    network_.start = starts_[static_cast<std::size_t>(grammar_.root)];
    return std::move(network_);
  }

 private:
  Network::State& state(std::int32_t id) { return network_.states[static_cast<std::size_t>(id)]; }

  // Follows single epsilons; a chain longer than the hops below just keeps its stack frame.
  bool only_ends(const Network::State* state) const {
    for (int hops = 0; hops < 64; ++hops) {
      if (!state->bytes.empty() || !state->calls.empty()) return false;
      if (state->final) return state->epsilons.empty();
      if (state->epsilons.size() != 1) return false;
      state = &network_.states[static_cast<std::size_t>(state->epsilons[0])];
    }
    return false;
  }

  std::int32_t add_state() {
    network_.states.emplace_back();
    too_large_ |= network_.states.size() > static_cast<std::size_t>(limits_.states);
    return static_cast<std::int32_t>(network_.states.size() - 1);
  }

  // Adds the node after `from`; returns the state where it ends. Recursion is as deep as the
  // grammar's nesting, which the front ends bound.
  std::int32_t build(NodeId id, std::int32_t from) {
    if (too_large_) return from;
    const Node& node = grammar_.node(id);
    switch (node.kind) {
      case Node::Kind::kEmpty:
        return from;
      case Node::Kind::kBytes: {
        const std::int32_t to = add_state();
        state(from).bytes.push_back({node.bytes, to});
        return to;
      }
      case Node::Kind::kSequence:
        for (const NodeId child : node.children) from = build(child, from);
        return from;
      case Node::Kind::kChoice: {
        const std::int32_t to = add_state();
        for (const NodeId child : node.children) {
          if (!productive_[static_cast<std::size_t>(child)]) continue;
          const std::int32_t branch = add_state();
          state(from).epsilons.push_back(branch);
          const std::int32_t end = build(child, branch);
          state(end).epsilons.push_back(to);
        }
        return to;
      }
      case Node::Kind::kRepeat:
        return build_repeat(node, from);
      case Node::Kind::kRule: {
        const std::int32_t to = add_state();
        state(from).calls.push_back({starts_[static_cast<std::size_t>(node.rule)], to});
        return to;
      }
    }
    return from;
  }

  std::int32_t build_repeat(const Node& node, std::int32_t from) {
    if (!productive_[static_cast<std::size_t>(node.children[0])]) return from;
    for (int i = 0; i < node.repeat_min && !too_large_; ++i) from = build(node.children[0], from);
    if (node.repeat_max == kUnbounded) {
      const std::int32_t loop = add_state();
      state(from).epsilons.push_back(loop);
      const std::int32_t end = build(node.children[0], loop);
      if (end != loop) state(end).epsilons.push_back(loop);
      const std::int32_t to = add_state();  // own exit, so that later edges do not join the loop
      state(loop).epsilons.push_back(to);
      return to;
    }
    const std::int32_t to = add_state();
    state(from).epsilons.push_back(to);
    for (int i = node.repeat_min; i < node.repeat_max && !too_large_; ++i) {
      from = build(node.children[0], from);
      state(from).epsilons.push_back(to);
    }
    return to;
  }

  // Nodes that match some text, by iteration to the fixed point. Branches that match none are left
  // out, so that a state from which something may follow always leads to an end.
  void find_productive() {
    productive_.assign(grammar_.node_count(), false);
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t id = 0; id < productive_.size(); ++id) {
        if (productive_[id] || !is_productive(grammar_.node(static_cast<NodeId>(id)))) continue;
        productive_[id] = changed = true;
      }
    }
  }

  bool is_productive(const Node& node) const {
    const auto known = [&](NodeId child) { return productive_[static_cast<std::size_t>(child)]; };
    switch (node.kind) {
      case Node::Kind::kEmpty:
        return true;
      case Node::Kind::kBytes:
        return node.bytes.any();
      case Node::Kind::kSequence:
        return std::all_of(node.children.begin(), node.children.end(), known);
      case Node::Kind::kChoice:
        return std::any_of(node.children.begin(), node.children.end(), known);
      case Node::Kind::kRepeat:
        return node.repeat_min == 0 || known(node.children[0]);
      case Node::Kind::kRule:
        return known(grammar_.definition(node.rule));
    }
    return false;
  }

  // Rules that can match the empty text, by iteration to the fixed point.
  std::vector<bool> nullable_rules() const {
    std::vector<bool> nullable(static_cast<std::size_t>(grammar_.rule_count()), false);
    for (bool changed = true; changed;) {
      changed = false;
      for (RuleId rule = 0; rule < grammar_.rule_count(); ++rule) {
        const auto at = static_cast<std::size_t>(rule);
        if (!nullable[at] && is_nullable(grammar_.definition(rule), nullable)) {
          nullable[at] = changed = true;
        }
      }
    }
    return nullable;
  }

  bool is_nullable(NodeId id, const std::vector<bool>& rules) const {
    const Node& node = grammar_.node(id);
    const auto nullable = [&](NodeId child) { return is_nullable(child, rules); };
    switch (node.kind) {
      case Node::Kind::kEmpty:
        return true;
      case Node::Kind::kBytes:
        return false;
      case Node::Kind::kSequence:
        return std::all_of(node.children.begin(), node.children.end(), nullable);
      case Node::Kind::kChoice:
        return std::any_of(node.children.begin(), node.children.end(), nullable);
      case Node::Kind::kRepeat:
        return node.repeat_min == 0 || nullable(node.children[0]);
      case Node::Kind::kRule:
        return rules[static_cast<std::size_t>(node.rule)];
    }
    return false;
  }

  // Rules that the node may call before it has consumed a byte.
  void left_calls(NodeId id, const std::vector<bool>& nullable, std::vector<RuleId>& out) const {
    const Node& node = grammar_.node(id);
    if (node.kind == Node::Kind::kRule) out.push_back(node.rule);
    for (const NodeId child : node.children) {
      left_calls(child, nullable, out);
      if (node.kind == Node::Kind::kSequence && !is_nullable(child, nullable)) return;
    }
  }

  // Depth-first search with an explicit stack over the left-call graph.
  Status check_left_recursion() const {
    const std::vector<bool> nullable = nullable_rules();
    enum class Mark : char { kNew, kOpen, kDone };
    const auto count = static_cast<std::size_t>(grammar_.rule_count());
    std::vector<Mark> marks(count, Mark::kNew);
    std::vector<std::vector<RuleId>> calls(count);
    for (std::size_t rule = 0; rule < count; ++rule) {
      left_calls(grammar_.definition(static_cast<RuleId>(rule)), nullable, calls[rule]);
    }
    for (std::size_t first = 0; first < count; ++first) {
      if (marks[first] != Mark::kNew) continue;
      std::vector<std::pair<std::size_t, std::size_t>> path = {{first, 0}};
      marks[first] = Mark::kOpen;
      while (!path.empty()) {
        auto& [rule, next] = path.back();
        if (next == calls[rule].size()) {
          marks[rule] = Mark::kDone;
          path.pop_back();
          continue;
        }
        const auto callee = static_cast<std::size_t>(calls[rule][next++]);
        if (marks[callee] == Mark::kOpen) {
          return fail(ErrorCode::kInvalid, "rule \"{}\" is left-recursive",
                      grammar_.name(static_cast<RuleId>(callee)));
        }
        if (marks[callee] == Mark::kNew) {
          marks[callee] = Mark::kOpen;
          path.emplace_back(callee, 0);
        }
      }
    }
    return {};
  }

  const Grammar& grammar_;
  GrammarLimits limits_;
  Network network_;
  std::vector<std::int32_t> starts_;
  std::vector<bool> productive_;  // by node
  bool too_large_ = false;
};

}  // namespace

Result<Network> compile(const Grammar& grammar, const GrammarLimits& limits) {
  return Compiler(grammar, limits).run();
}

}  // namespace quire::grammar
