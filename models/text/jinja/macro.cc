// Calling macros, call blocks and recursive loops.
#include <algorithm>

#include "models/text/jinja/guards.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/repr.h"

namespace quire::text::jinja {
namespace {

Value take(std::vector<std::pair<std::string, Value>>& named, std::string_view name, bool& found) {
  for (auto it = named.begin(); it != named.end(); ++it) {
    if (it->first == name) {
      Value value = std::move(it->second);
      named.erase(it);
      found = true;
      return value;
    }
  }
  found = false;
  return {};
}

}  // namespace

std::string Macro::repr() const {
  return definition.name.empty() ? "<Macro anonymous>"
                                 : fmt::format("<Macro {}>", repr_text(definition.name));
}

std::optional<Value> Macro::attribute(std::string_view name) {
  if (name == "name") {
    return definition.name.empty() ? Value() : Value::string(definition.name);
  }
  if (name == "arguments") {
    Values names;
    for (const Parameter& parameter : definition.parameters) {
      names.push_back(Value::string(source.names[static_cast<std::size_t>(parameter.id)]));
    }
    return Value::tuple(std::move(names));
  }
  if (name == "catch_kwargs") return Value::boolean(definition.uses_kwargs);
  if (name == "catch_varargs") return Value::boolean(definition.uses_varargs);
  if (name == "caller") return Value::boolean(definition.uses_caller);
  return std::nullopt;
}

void Interpreter::keep(const ScopePtr& scope) {
  if (scope->kept) return;
  scope->kept = true;
  kept_.push_back(scope);
}

Value Interpreter::make_namespace(std::shared_ptr<Namespace> fresh) {
  spend(8);
  namespaces_.push_back(fresh);
  return Value::object(std::move(fresh));
}

Value Interpreter::define_macro(const MacroDefinition& definition) {
  keep(scope_);
  return Value::object(std::make_shared<Macro>(definition, template_, *scope_));
}

Interpreter::Flow Interpreter::execute_node(const MacroStatement& node) {
  scope_->set(node.id, define_macro(node.macro));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const CallBlock& node) {
  const auto& chain = std::get<Chain>(node.call->node);
  const std::size_t last = chain.steps.size() - 1;
  Value callee = evaluate(*chain.base);
  for (std::size_t i = 0; i < last; ++i) {
    budget_.spend(1);
    offset_ = chain.steps[i].offset;
    callee = apply_step(callee, chain.steps[i]);
  }
  Arguments arguments = evaluate(std::get<Call>(chain.steps[last].action).arguments);
  if (arguments.find("caller") != nullptr) raise("keyword argument repeated: caller");
  arguments.named.emplace_back("caller", define_macro(node.body));
  offset_ = chain.steps[last].offset;
  write(to_text(call(callee, arguments)));
  return Flow::kNext;
}

// Jinja's order: parameters from the positional and then the named arguments, then caller,
// kwargs and varargs.
void Interpreter::bind_parameters(const Macro& macro, const Arguments& arguments, Scope& scope) {
  const MacroDefinition& definition = macro.definition;
  auto named = arguments.named;
  const std::size_t count = definition.parameters.size();
  for (std::size_t i = 0; i < count; ++i) {
    const NameId id = definition.parameters[i].id;
    if (i < arguments.positional.size()) {
      scope.set(id, arguments.positional[i]);
      continue;
    }
    bool found = false;
    Value value = take(named, template_.names[static_cast<std::size_t>(id)], found);
    found ? scope.set(id, std::move(value)) : scope.hide(id);
  }
  if (definition.uses_caller) {
    bool found = false;
    Value caller = take(named, "caller", found);
    if (!found || caller.is_none()) caller = Value::undefined("No caller defined");
    scope.set(caller_, std::move(caller));
  }
  if (definition.uses_kwargs) {
    auto rest = std::make_shared<DictData>();
    for (auto& [name, value] : named) rest->set(Value::string(name), std::move(value));
    scope.set(kwargs_, Value::dict(std::move(rest)));
  } else if (!named.empty()) {
    raise("macro '{}' takes no keyword argument '{}'", definition.name, named.front().first);
  }
  const auto extra = static_cast<std::ptrdiff_t>(std::min(count, arguments.positional.size()));
  if (definition.uses_varargs) {
    scope.set(varargs_,
              Value::tuple({arguments.positional.begin() + extra, arguments.positional.end()}));
  } else if (arguments.positional.size() > count) {
    raise("macro '{}' takes not more than {} argument(s)", definition.name, count);
  }
}

Value Interpreter::invoke(const Macro& macro, const Arguments& arguments) {
  const CallGuard call_guard(*this);
  auto fresh = std::make_shared<Scope>();
  fresh->parent = macro.scope.shared_from_this();
  for (const NameId id : macro.definition.scope.hidden) fresh->hide(id);
  bind_parameters(macro, arguments, *fresh);
  const ScopeGuard guard(*this, std::move(fresh));
  for (const Parameter& parameter : macro.definition.parameters) {
    if (scope_->find(parameter.id)->has_value()) continue;
    scope_->set(parameter.id, parameter.fallback != nullptr
                                  ? evaluate(*parameter.fallback)
                                  : Value::undefined(fmt::format(
                                        "parameter '{}' was not provided",
                                        template_.names[static_cast<std::size_t>(parameter.id)])));
  }
  const Capture capture(*this);
  execute(macro.definition.scope.body);
  return Value::string(capture.text());
}

}  // namespace quire::text::jinja
