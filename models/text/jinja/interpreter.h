// Runs a parsed template over a context.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/text/jinja/ast.h"
#include "models/text/jinja/object.h"

namespace quire::text::jinja {

// Variables of one block. An empty slot hides the outer variable of that name.
struct Scope : std::enable_shared_from_this<Scope> {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<NameId, std::optional<Value>>> slots;
  bool kept = false;            // a macro refers to it
  bool empty_is_outer = false;  // an empty slot does not hide: {% block %} sees the context

  void set(NameId id, Value value);
  void hide(NameId id);
  const std::optional<Value>* find(NameId id) const;
};
using ScopePtr = std::shared_ptr<Scope>;

struct RenderInput {
  // The context's variable of a name; nothing when there is none.
  std::function<std::optional<Value>(const std::string&)> variable;
  std::int64_t now_unix;  // what strftime_now formats, as UTC
};

class Macro;
class Loop;

// One rendering; used once. Raises TemplateError.
class Interpreter {
 public:
  Interpreter(const Template& source, const RenderInput& input, const TemplateLimits& limits);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  std::string run();
  // Where the last error was raised: bytes into the template's source.
  std::size_t offset() const { return offset_; }

  // For filters and functions:
  Value get_attribute(const Value& object, const std::string& name);
  Value get_item(const Value& object, const Value& key);
  // "a.b.0" of an item, as attribute= of map, sort ... reads it. None: the item itself.
  Value get_path(Value item, const Value& path, const Value* fallback = nullptr);
  Value call(const Value& callee, const Arguments& arguments);
  Value apply_filter(const std::string& name, const Value& input, const Arguments& arguments);
  bool apply_test(const std::string& name, const Value& subject, const Arguments& arguments);
  std::int64_t now_unix() const { return input_.now_unix; }
  // A namespace lives until the end of the rendering, so that cycles through it are freed.
  Value make_namespace(std::shared_ptr<Namespace> fresh);

  Value invoke(const Macro& macro, const Arguments& arguments);
  // The output of one run of a loop; `depth` counts recursion from 0.
  std::string run_recursive(const For& loop, const ScopePtr& scope, const Value& items, int depth);

 private:
  enum class Flow : std::uint8_t { kNext, kBreak, kContinue };
  class DepthGuard;
  class CallGuard;
  class ScopeGuard;
  class Capture;
  class ConditionCursor;
  friend class ConditionCursor;

  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  Flow execute_node(const Text& node);
  Flow execute_node(const Print& node);
  Flow execute_node(const If& node);
  Flow execute_node(const For& node);
  Flow execute_node(const Set& node);
  Flow execute_node(const SetBlock& node);
  Flow execute_node(const MacroStatement& node);
  Flow execute_node(const CallBlock& node);
  Flow execute_node(const Generation& node);
  Flow execute_node(const FilterBlock& node);
  Flow execute_node(const With& node);
  Flow execute_node(const Autoescape& node);
  Flow execute_node(const Block& node);
  Flow execute_node(const LoopControl& node);
  Flow execute_node(const Refused& node);

  Flow run_loop(const For& node, const Value& items, int depth);
  Flow execute_scoped(const Scoped& scoped);
  Value define_macro(const MacroDefinition& definition);
  void bind_parameters(const Macro& macro, const Arguments& arguments, Scope& scope);
  void write(std::string_view text);

  Value evaluate(const Expression& expression);
  Value evaluate_node(const Literal& node) { return node.value; }
  Value evaluate_node(const Name& node) { return look_up(node.id); }
  Value evaluate_node(const NamespaceAttribute& node);
  Value evaluate_node(const Sequence& node);
  Value evaluate_node(const DictLiteral& node);
  Value evaluate_node(const Conditional& node);
  Value evaluate_node(const Arithmetic& node);
  Value evaluate_node(const ComparisonChain& node);
  Value evaluate_node(const Logic& node);
  Value evaluate_node(const Unary& node);
  Value evaluate_node(const Concatenation& node);
  Value evaluate_node(const Chain& node);

  Value apply_step(const Value& value, const Step& step);
  Value apply_steps(Value value, const std::vector<Step>& steps);
  Value get_slice(const Value& object, const Slice& slice);
  Arguments evaluate(const CallArguments& arguments);
  void assign(const Expression& target, const Value& value, Scope& scope);
  void check_namespaces(const Expression& target);
  Value look_up(NameId id);
  std::optional<Value> attribute_of(const Value& object, const std::string& name);
  Namespace* find_namespace(NameId id);
  void keep(const ScopePtr& scope);

  const Template& template_;
  RenderInput input_;
  Budget budget_;
  ScopePtr scope_;
  std::string* out_ = nullptr;
  std::size_t offset_ = 0;
  int depth_ = 0;
  int calls_ = 0;
  std::vector<std::optional<Value>> context_;  // by NameId, filled when first used
  std::vector<ScopePtr> kept_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  NameId caller_ = -1, kwargs_ = -1, varargs_ = -1, loop_ = -1;
};

// A user's macro, or the body of a call block as its macro sees it.
class Macro final : public Object {
 public:
  Macro(const MacroDefinition& definition, const Template& source, Scope& scope)
      : definition(definition), source(source), scope(scope) {}
  std::string type() const override { return "Macro"; }
  std::string repr() const override;
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override {
    return interpreter.invoke(*this, arguments);
  }
  std::optional<Value> attribute(std::string_view name) override;

  const MacroDefinition& definition;
  const Template& source;
  Scope& scope;  // where it was defined; the interpreter keeps it alive
};

// What `loop` is inside {% for %}.
class Loop final : public Object, public std::enable_shared_from_this<Loop> {
 public:
  Loop(const For& node, ScopePtr scope, std::unique_ptr<Cursor> cursor, int depth)
      : node_(node), scope_(*scope), cursor_(std::move(cursor)), depth_(depth) {}
  std::string type() const override { return "LoopContext"; }
  std::string repr() const override;
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override;
  std::optional<Value> attribute(std::string_view name) override;
  std::optional<std::size_t> length() const override;
  int nesting() const override { return nesting_; }

  // Of the iterable, where Python's len() knows it without looking at the items.
  void set_source(const Value& iterable, std::optional<std::size_t> length);
  bool advance(Value& item);

 private:
  const std::optional<Value>& peek();
  Value changed(const Arguments& arguments);

  const For& node_;
  Scope& scope_;  // around the loop; the interpreter keeps it alive for a recursive one
  mutable std::unique_ptr<Cursor> cursor_;
  int depth_;
  int nesting_ = 0;
  Int index0_ = -1;
  mutable std::optional<std::size_t> length_;
  std::optional<Value> after_, current_, before_;
  bool exhausted_ = false;
  std::optional<Values> last_changed_;
};

}  // namespace quire::text::jinja
