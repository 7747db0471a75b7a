// Expressions: names, literals, operators and chains.
#include "base/check.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/guards.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/repr.h"

namespace quire::text::jinja {

Value Interpreter::evaluate(const Expression& expression) {
  budget_.spend(1);
  const DepthGuard guard(*this);
  offset_ = expression.offset;
  return std::visit([this](const auto& node) { return evaluate_node(node); }, expression.node);
}

Value Interpreter::look_up(NameId id) {
  const auto idx = static_cast<std::size_t>(id);
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    if (const auto* slot = scope->find(id)) {
      if (slot->has_value()) return **slot;
      if (scope->empty_is_outer) continue;
      return Value::undefined(fmt::format("'{}' is undefined", template_.names[idx]));
    }
  }
  std::optional<Value>& cached = context_[idx];
  if (!cached) {
    const std::string& name = template_.names[idx];
    cached = input_.variable(name);
    if (!cached) cached = make_global(name);
    if (!cached) return Value::undefined(fmt::format("'{}' is undefined", name));
  }
  return *cached;
}

Value Interpreter::evaluate_node(const NamespaceAttribute&) {
  CHECK(false, "a namespace attribute is a target only");
  return {};
}

Value Interpreter::evaluate_node(const Sequence& node) {
  Values items;
  items.reserve(node.items.size());
  for (const auto& item : node.items) items.push_back(evaluate(*item));
  return node.is_tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

Value Interpreter::evaluate_node(const DictLiteral& node) {
  auto data = std::make_shared<DictData>();
  for (const auto& [key, value] : node.entries) {
    const Value evaluated_key = evaluate(*key);
    data->set(evaluated_key, evaluate(*value));
  }
  return Value::dict(std::move(data));
}

Value Interpreter::evaluate_node(const Conditional& node) {
  if (truthy(evaluate(*node.test))) return evaluate(*node.then);
  if (node.otherwise != nullptr) return evaluate(*node.otherwise);
  return Value::undefined(
      "the inline if-expression evaluated to false and no else section was defined");
}

Value Interpreter::evaluate_node(const Arithmetic& node) {
  Value left = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) {
    const Value right = evaluate(*operand);
    offset_ = operand->offset;
    left = apply(op, left, right);
  }
  return left;
}

Value Interpreter::evaluate_node(const ComparisonChain& node) {
  Value left = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) {
    Value right = evaluate(*operand);
    offset_ = operand->offset;
    if (!compare(op, left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::evaluate_node(const Logic& node) {
  Value value;
  for (const auto& operand : node.operands) {
    value = evaluate(*operand);
    if (truthy(value) == (node.kind == LogicKind::kOr)) break;
  }
  return value;
}

Value Interpreter::evaluate_node(const Unary& node) {
  const Value value = evaluate(*node.operand);
  switch (node.kind) {
    case UnaryKind::kNot:
      return Value::boolean(!truthy(value));
    case UnaryKind::kNegate:
      return negate(value);
    case UnaryKind::kPlus:
      return plus(value);
  }
  return {};
}

Value Interpreter::evaluate_node(const Concatenation& node) {
  std::string out;
  for (const auto& operand : node.operands) {
    out += to_text(evaluate(*operand));
    check_built_bytes(out.size());
  }
  return Value::string(std::move(out));
}

Value Interpreter::evaluate_node(const Chain& node) {
  return apply_steps(evaluate(*node.base), node.steps);
}

Value Interpreter::apply_steps(Value value, const std::vector<Step>& steps) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    budget_.spend(1);
    offset_ = steps[i].offset;
    // A method that is called at once needs no object that binds it.
    const auto* attribute = std::get_if<GetAttribute>(&steps[i].action);
    if (attribute != nullptr && i + 1 < steps.size()) {
      const auto* call = std::get_if<Call>(&steps[i + 1].action);
      const MethodFunction method = call == nullptr ? nullptr : find_method(value, attribute->name);
      if (method != nullptr) {
        const Arguments arguments = evaluate(call->arguments);
        offset_ = steps[++i].offset;
        value = method(*this, value, arguments);
        continue;
      }
    }
    value = apply_step(value, steps[i]);
  }
  return value;
}

Value Interpreter::apply_step(const Value& value, const Step& step) {
  if (const auto* attribute = std::get_if<GetAttribute>(&step.action)) {
    return get_attribute(value, attribute->name);
  }
  if (const auto* item = std::get_if<GetItem>(&step.action)) {
    const Value key = evaluate(*item->key);
    offset_ = step.offset;
    return get_item(value, key);
  }
  if (const auto* slice = std::get_if<Slice>(&step.action)) return get_slice(value, *slice);
  if (const auto* call_step = std::get_if<Call>(&step.action)) {
    const Arguments arguments = evaluate(call_step->arguments);
    offset_ = step.offset;
    return call(value, arguments);
  }
  if (const auto* filter = std::get_if<Filter>(&step.action)) {
    const Arguments arguments = evaluate(filter->arguments);
    offset_ = step.offset;
    return apply_filter(filter->name, value, arguments);
  }
  const auto& test = std::get<Test>(step.action);
  const Arguments arguments = evaluate(test.arguments);
  offset_ = step.offset;
  return Value::boolean(apply_test(test.name, value, arguments) != test.negated);
}

Arguments Interpreter::evaluate(const CallArguments& node) {
  Arguments arguments;
  arguments.positional.reserve(node.positional.size());
  for (const auto& argument : node.positional) arguments.positional.push_back(evaluate(*argument));
  for (const auto& [name, argument] : node.named) {
    arguments.named.emplace_back(name, evaluate(*argument));
  }
  if (node.spread != nullptr) {
    for (Value& item : to_vector(evaluate(*node.spread))) {
      arguments.positional.push_back(std::move(item));
    }
  }
  if (node.named_spread != nullptr) {
    const Value spread = evaluate(*node.named_spread);
    require_defined(spread);
    if (!spread.is(Kind::kDict))
      raise("argument after ** must be a mapping, not {}", type_name(spread));
    for (const auto& [key, value] : spread.as_dict().entries()) {
      if (!key.is_string()) raise("keywords must be strings");
      if (arguments.find(key.as_string()) != nullptr) {
        raise("got multiple values for keyword argument '{}'", key.as_string());
      }
      arguments.named.emplace_back(key.as_string(), value);
    }
  }
  return arguments;
}

Value Interpreter::apply_filter(const std::string& name, const Value& input,
                                const Arguments& arguments) {
  const FilterFunction filter = find_filter(name);
  if (filter == nullptr) raise("No filter named '{}' found.", name);
  return filter(*this, input, arguments);
}

bool Interpreter::apply_test(const std::string& name, const Value& subject,
                             const Arguments& arguments) {
  const TestFunction test = find_test(name);
  if (test == nullptr) raise("No test named '{}' found.", name);
  return test(*this, subject, arguments);
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  require_defined(callee);
  if (!callee.is(Kind::kObject)) raise("'{}' object is not callable", type_name(callee));
  const DepthGuard guard(*this);
  return callee.share_object()->call(*this, arguments);
}

}  // namespace quire::text::jinja
