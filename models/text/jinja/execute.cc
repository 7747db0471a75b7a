// Statements: output, control flow and scopes.
#include <algorithm>

#include "models/text/jinja/builtins.h"
#include "models/text/jinja/guards.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/repr.h"

namespace quire::text::jinja {

void Scope::set(NameId id, Value value) {
  for (auto& [name, slot] : slots) {
    if (name == id) {
      slot = std::move(value);
      return;
    }
  }
  slots.emplace_back(id, std::move(value));
}

void Scope::hide(NameId id) {
  if (find(id) == nullptr) slots.emplace_back(id, std::nullopt);
}

const std::optional<Value>* Scope::find(NameId id) const {
  for (const auto& [name, slot] : slots) {
    if (name == id) return &slot;
  }
  return nullptr;
}

// Yields the items that pass a loop's `if`, tested one by one as the loop asks for them.
class Interpreter::ConditionCursor final : public Cursor {
 public:
  ConditionCursor(Interpreter& interpreter, const For& node, ScopePtr scope,
                  std::unique_ptr<Cursor> cursor)
      : interpreter_(interpreter),
        node_(node),
        scope_(std::move(scope)),
        cursor_(std::move(cursor)) {}

  bool next(Value& item) override {
    while (cursor_->next(item)) {
      spend(1);
      auto scope = std::make_shared<Scope>();
      scope->parent = scope_;
      interpreter_.assign(*node_.target, item, *scope);
      const ScopeGuard guard(interpreter_, std::move(scope));
      if (truthy(interpreter_.evaluate(*node_.condition))) return true;
    }
    return false;
  }

 private:
  Interpreter& interpreter_;
  const For& node_;
  ScopePtr scope_;
  std::unique_ptr<Cursor> cursor_;
};

Interpreter::Interpreter(const Template& source, const RenderInput& input,
                         const TemplateLimits& limits)
    : template_(source), input_(input), budget_(limits), context_(source.names.size()) {
  const auto id_of = [&](std::string_view name) {
    const auto found = std::find(source.names.begin(), source.names.end(), name);
    return static_cast<NameId>(found - source.names.begin());
  };
  caller_ = id_of("caller");
  kwargs_ = id_of("kwargs");
  varargs_ = id_of("varargs");
  loop_ = id_of("loop");
}

Interpreter::~Interpreter() {
  // Namespaces may refer to each other in circles and chains; while all are held here, emptying
  // them one by one neither leaks nor recurses.
  for (const auto& held : namespaces_) held->clear();
}

std::string Interpreter::run() {
  std::string out;
  out_ = &out;
  const ScopeGuard guard(*this, std::make_shared<Scope>());
  for (const NameId id : template_.root.hidden) scope_->hide(id);
  execute(template_.root.body);
  return out;
}

void Interpreter::write(std::string_view text) {
  check_built_bytes(out_->size() + text.size());
  out_->append(text);
}

Interpreter::Flow Interpreter::execute(const Body& body) {
  for (const auto& statement : body) {
    if (const Flow flow = execute(*statement); flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  budget_.spend(1);
  offset_ = statement.offset;
  const DepthGuard guard(*this);
  return std::visit([this](const auto& node) { return execute_node(node); }, statement.node);
}

Interpreter::Flow Interpreter::execute_scoped(const Scoped& scoped) {
  const ScopeGuard guard(*this, scoped);
  return execute(scoped.body);
}

Interpreter::Flow Interpreter::execute_node(const Text& node) {
  write(node.data);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const Print& node) {
  for (const auto& expression : node.values) {
    const Value value = evaluate(*expression);
    value.is_string() ? write(value.as_string()) : write(to_text(value));
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const If& node) {
  for (const auto& [test, body] : node.branches) {
    if (truthy(evaluate(*test))) return execute(body);
  }
  return execute(node.otherwise);
}

Interpreter::Flow Interpreter::execute_node(const For& node) {
  const Value items = evaluate(*node.iterable);
  if (!node.recursive) return run_loop(node, items, 0);
  keep(scope_);
  write(run_recursive(node, scope_, items, 0));
  return Flow::kNext;
}

std::string Interpreter::run_recursive(const For& loop, const ScopePtr& scope, const Value& items,
                                       int depth) {
  const CallGuard call_guard(*this);
  const ScopeGuard guard(*this, scope);
  const Capture capture(*this);
  run_loop(loop, items, depth);
  return capture.text();
}

Interpreter::Flow Interpreter::run_loop(const For& node, const Value& items, int depth) {
  auto cursor = iterate(items);
  std::optional<std::size_t> length = length_of(items);
  if (node.condition != nullptr) {
    cursor = std::make_unique<ConditionCursor>(*this, node, scope_, std::move(cursor));
    length.reset();
  }
  const auto loop = std::make_shared<Loop>(node, scope_, std::move(cursor), depth);
  loop->set_source(items, length);
  // Jinja's else runs unless some iteration reached the end of the body.
  bool completed = false;
  Flow flow = Flow::kNext;
  for (Value item; flow != Flow::kBreak && loop->advance(item);) {
    budget_.spend(1);
    const ScopeGuard guard(*this, node.scope);
    scope_->set(loop_, Value::object(loop));
    assign(*node.target, item, *scope_);
    flow = execute(node.scope.body);
    completed = completed || flow == Flow::kNext;
  }
  if (node.has_else && !completed) return execute_scoped(node.otherwise);
  return Flow::kNext;
}

void Interpreter::check_namespaces(const Expression& target) {
  if (const auto* tuple = std::get_if<Sequence>(&target.node)) {
    for (const auto& item : tuple->items) check_namespaces(*item);
  } else if (const auto* attribute = std::get_if<NamespaceAttribute>(&target.node)) {
    find_namespace(attribute->id);
  }
}

Namespace* Interpreter::find_namespace(NameId id) {
  const Value value = look_up(id);
  auto* found = value.is(Kind::kObject) ? dynamic_cast<Namespace*>(&value.as_object()) : nullptr;
  if (found == nullptr) raise("cannot assign attribute on non-namespace object");
  return found;
}

void Interpreter::assign(const Expression& target, const Value& value, Scope& scope) {
  if (const auto* name = std::get_if<Name>(&target.node)) {
    scope.set(name->id, value);
  } else if (const auto* attribute = std::get_if<NamespaceAttribute>(&target.node)) {
    find_namespace(attribute->id)->set(attribute->attribute, value);
  } else if (const auto* tuple = std::get_if<Sequence>(&target.node)) {
    const auto cursor = try_iterate(value);
    if (cursor == nullptr) raise("cannot unpack non-iterable {} object", type_name(value));
    Values parts;
    for (Value part; cursor->next(part);) {
      if (parts.size() == tuple->items.size()) {
        raise("too many values to unpack (expected {})", tuple->items.size());
      }
      parts.push_back(std::move(part));
    }
    if (parts.size() < tuple->items.size()) {
      raise("not enough values to unpack (expected {}, got {})", tuple->items.size(), parts.size());
    }
    for (std::size_t i = 0; i < parts.size(); ++i) assign(*tuple->items[i], parts[i], scope);
  }
}

Interpreter::Flow Interpreter::execute_node(const Set& node) {
  check_namespaces(*node.target);
  assign(*node.target, evaluate(*node.value), *scope_);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const SetBlock& node) {
  Value value;
  {
    const ScopeGuard guard(*this, node.scope);
    const Capture capture(*this);
    if (const Flow flow = execute(node.scope.body); flow != Flow::kNext) return flow;
    value = apply_steps(Value::string(capture.text()), node.filters);
  }
  assign(*node.target, value, *scope_);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const FilterBlock& node) {
  std::string text;
  {
    const ScopeGuard guard(*this, node.scope);
    const Capture capture(*this);
    if (const Flow flow = execute(node.scope.body); flow != Flow::kNext) return flow;
    text = to_text(apply_steps(Value::string(capture.text()), node.filters));
  }
  write(text);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const With& node) {
  Values values;
  for (const auto& binding : node.bindings) values.push_back(evaluate(*binding.second));
  const ScopeGuard guard(*this, node.scope);
  for (std::size_t i = 0; i < values.size(); ++i) {
    assign(*node.bindings[i].first, values[i], *scope_);
  }
  return execute(node.scope.body);
}

Interpreter::Flow Interpreter::execute_node(const Autoescape& node) {
  const ScopeGuard guard(*this, node.scope);
  if (truthy(evaluate(*node.enabled))) raise("{{% autoescape true %}} is not supported");
  return execute(node.scope.body);
}

Interpreter::Flow Interpreter::execute_node(const Block& node) {
  if (node.required) raise("Required block '{}' not found", template_.names[node.id]);
  // A block sees the template's outermost variables, and those around it only when scoped.
  ScopePtr outer = scope_;
  if (!node.scoped) {
    while (outer->parent != nullptr) outer = outer->parent;
  }
  auto view = std::make_shared<Scope>(*outer);
  view->kept = false;
  view->empty_is_outer = true;
  const ScopeGuard outer_guard(*this, std::move(view));
  return execute_scoped(node.scope);
}

Interpreter::Flow Interpreter::execute_node(const Generation& node) {
  execute_scoped(node.scope);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const LoopControl& node) {
  return node.is_break ? Flow::kBreak : Flow::kContinue;
}

Interpreter::Flow Interpreter::execute_node(const Refused& node) {
  raise("{{% {} %}} is not supported: a chat template cannot load other templates", node.tag);
}

}  // namespace quire::text::jinja
