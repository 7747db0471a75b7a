// The visitors behind the analysis of scopes and of the content format.
#include "models/text/jinja/walk.h"

namespace quire::text::jinja {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

void visit_if(const ExpressionPtr& expression, const VisitExpression& visit) {
  if (expression != nullptr) visit(*expression);
}

void names_of_macro(const MacroDefinition& macro, const VisitName& visit) {
  for (const Parameter& parameter : macro.parameters) visit(parameter.id, NameUse::kStore);
  for (const Parameter& parameter : macro.parameters) {
    if (parameter.fallback != nullptr) for_each_name(*parameter.fallback, NameUse::kLoad, visit);
  }
  for_each_name(macro.scope.body, visit);
}

class NameWalker {
 public:
  explicit NameWalker(const VisitName& visit) : visit_(visit) {}

  void operator()(const Text&) const {}
  void operator()(const LoopControl&) const {}
  void operator()(const Refused&) const {}
  void operator()(const Block&) const {}
  void operator()(const Print& node) const {
    for (const auto& value : node.values) load(value);
  }
  void operator()(const If& node) const {
    for (const auto& [test, body] : node.branches) {
      load(test);
      for_each_name(body, visit_);
    }
    for_each_name(node.otherwise, visit_);
  }
  void operator()(const For& node) const {
    store(node.target);
    load(node.iterable);
    for_each_name(node.scope.body, visit_);
    for_each_name(node.otherwise.body, visit_);
    load(node.condition);
  }
  void operator()(const Set& node) const {
    store(node.target);
    load(node.value);
  }
  void operator()(const SetBlock& node) const {
    store(node.target);
    load(node.filters);
    for_each_name(node.scope.body, visit_);
  }
  void operator()(const MacroStatement& node) const { names_of_macro(node.macro, visit_); }
  void operator()(const CallBlock& node) const {
    load(node.call);
    names_of_macro(node.body, visit_);
  }
  void operator()(const Generation& node) const { for_each_name(node.scope.body, visit_); }
  void operator()(const FilterBlock& node) const {
    for_each_name(node.scope.body, visit_);
    load(node.filters);
  }
  void operator()(const With& node) const {
    for (const auto& binding : node.bindings) store(binding.first);
    for (const auto& binding : node.bindings) load(binding.second);
    for_each_name(node.scope.body, visit_);
  }
  void operator()(const Autoescape& node) const {
    load(node.enabled);
    for_each_name(node.scope.body, visit_);
  }

 private:
  void load(const ExpressionPtr& expression) const {
    if (expression != nullptr) for_each_name(*expression, NameUse::kLoad, visit_);
  }
  void load(const std::vector<Step>& steps) const {
    for (const Step& step : steps) {
      for_each_child(step, [&](const Expression& e) { for_each_name(e, NameUse::kLoad, visit_); });
    }
  }
  void store(const ExpressionPtr& target) const { for_each_name(*target, NameUse::kStore, visit_); }

  const VisitName& visit_;
};

}  // namespace

void for_each_child(const CallArguments& arguments, const VisitExpression& visit) {
  for (const auto& argument : arguments.positional) visit(*argument);
  for (const auto& [name, argument] : arguments.named) visit(*argument);
  visit_if(arguments.spread, visit);
  visit_if(arguments.named_spread, visit);
}

void for_each_child(const Step& step, const VisitExpression& visit) {
  std::visit(Overloaded{[](const GetAttribute&) {}, [&](const GetItem& item) { visit(*item.key); },
                        [&](const Slice& slice) {
                          visit_if(slice.start, visit);
                          visit_if(slice.stop, visit);
                          visit_if(slice.step, visit);
                        },
                        [&](const auto& call) { for_each_child(call.arguments, visit); }},
             step.action);
}

void for_each_child(const Expression& expression, const VisitExpression& visit) {
  const auto visit_all = [&](const std::vector<ExpressionPtr>& items) {
    for (const auto& item : items) visit(*item);
  };
  const auto visit_rest = [&](const auto& chain) {
    visit(*chain.first);
    for (const auto& [op, operand] : chain.rest) visit(*operand);
  };
  std::visit(Overloaded{[](const Literal&) {}, [](const Name&) {}, [](const NamespaceAttribute&) {},
                        [&](const Sequence& node) { visit_all(node.items); },
                        [&](const DictLiteral& node) {
                          for (const auto& [key, value] : node.entries) {
                            visit(*key);
                            visit(*value);
                          }
                        },
                        [&](const Conditional& node) {
                          visit(*node.test);
                          visit(*node.then);
                          visit_if(node.otherwise, visit);
                        },
                        [&](const Arithmetic& node) { visit_rest(node); },
                        [&](const ComparisonChain& node) { visit_rest(node); },
                        [&](const Logic& node) { visit_all(node.operands); },
                        [&](const Unary& node) { visit(*node.operand); },
                        [&](const Concatenation& node) { visit_all(node.operands); },
                        [&](const Chain& node) {
                          visit(*node.base);
                          for (const Step& step : node.steps) for_each_child(step, visit);
                        }},
             expression.node);
}

void for_each_name(const Expression& expression, NameUse use, const VisitName& visit) {
  if (const auto* name = std::get_if<Name>(&expression.node)) visit(name->id, use);
  for_each_child(expression, [&](const Expression& child) { for_each_name(child, use, visit); });
}

void for_each_name(const Body& body, const VisitName& visit) {
  for (const auto& statement : body) std::visit(NameWalker(visit), statement->node);
}

void for_each_statement(const Body& body, const VisitStatement& visit) {
  for (const auto& statement : body) {
    visit(*statement);
    std::visit(
        Overloaded{
            [](const auto&) {},
            [&](const If& node) {
              for (const auto& branch : node.branches) {
                for_each_statement(branch.second, visit);
              }
              for_each_statement(node.otherwise, visit);
            },
            [&](const For& node) {
              for_each_statement(node.scope.body, visit);
              for_each_statement(node.otherwise.body, visit);
            },
            [&](const SetBlock& node) { for_each_statement(node.scope.body, visit); },
            [&](const MacroStatement& node) { for_each_statement(node.macro.scope.body, visit); },
            [&](const CallBlock& node) { for_each_statement(node.body.scope.body, visit); },
            [&](const Generation& node) { for_each_statement(node.scope.body, visit); },
            [&](const FilterBlock& node) { for_each_statement(node.scope.body, visit); },
            [&](const With& node) { for_each_statement(node.scope.body, visit); },
            [&](const Autoescape& node) { for_each_statement(node.scope.body, visit); },
            [&](const Block& node) { for_each_statement(node.scope.body, visit); }},
        statement->node);
  }
}

void for_each_expression(const Statement& statement, const VisitExpression& visit) {
  const auto visit_steps = [&](const std::vector<Step>& steps) {
    for (const Step& step : steps) for_each_child(step, visit);
  };
  const auto visit_defaults = [&](const MacroDefinition& macro) {
    for (const Parameter& parameter : macro.parameters) visit_if(parameter.fallback, visit);
  };
  std::visit(Overloaded{[](const auto&) {},
                        [&](const Print& node) {
                          for (const auto& value : node.values) visit(*value);
                        },
                        [&](const If& node) {
                          for (const auto& branch : node.branches) visit(*branch.first);
                        },
                        [&](const For& node) {
                          visit(*node.iterable);
                          visit_if(node.condition, visit);
                        },
                        [&](const Set& node) { visit(*node.value); },
                        [&](const SetBlock& node) { visit_steps(node.filters); },
                        [&](const MacroStatement& node) { visit_defaults(node.macro); },
                        [&](const CallBlock& node) {
                          visit(*node.call);
                          visit_defaults(node.body);
                        },
                        [&](const FilterBlock& node) { visit_steps(node.filters); },
                        [&](const With& node) {
                          for (const auto& binding : node.bindings) visit(*binding.second);
                        },
                        [&](const Autoescape& node) { visit(*node.enabled); }},
             statement.node);
}

}  // namespace quire::text::jinja
