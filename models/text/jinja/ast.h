// A parsed template. Chains (a + b + c, a.b[c]|d) are flat, so that only real nesting nests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/text/jinja/operators.h"
#include "models/text/jinja/value.h"

namespace quire::text::jinja {

// The index of an identifier in Template::names.
using NameId = std::int32_t;

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;
struct Statement;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

struct Literal {
  Value value;
};
struct Name {
  NameId id;
};
// Only a target of {% set %}.
struct NamespaceAttribute {
  NameId id;
  std::string attribute;
};
struct Sequence {
  std::vector<ExpressionPtr> items;
  bool is_tuple;
};
struct DictLiteral {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct Conditional {
  ExpressionPtr test;
  ExpressionPtr then;
  ExpressionPtr otherwise;  // may be null
};
// first op rest[0] op rest[1] ..., from the left.
struct Arithmetic {
  ExpressionPtr first;
  std::vector<std::pair<Operator, ExpressionPtr>> rest;
};
// Python's chained comparison: first op rest[0] and rest[0] op rest[1] ...
struct ComparisonChain {
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
};
enum class LogicKind : std::uint8_t { kAnd, kOr };
struct Logic {
  LogicKind kind;
  std::vector<ExpressionPtr> operands;
};
enum class UnaryKind : std::uint8_t { kNot, kNegate, kPlus };
struct Unary {
  UnaryKind kind;
  ExpressionPtr operand;
};
// a ~ b ~ c
struct Concatenation {
  std::vector<ExpressionPtr> operands;
};

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr spread;        // *arguments, may be null
  ExpressionPtr named_spread;  // **arguments, may be null
};
struct GetAttribute {
  std::string name;
};
struct GetItem {
  ExpressionPtr key;
};
struct Slice {
  ExpressionPtr start, stop, step;  // each may be null
};
struct Call {
  CallArguments arguments;
};
struct Filter {
  std::string name;
  CallArguments arguments;
};
struct Test {
  std::string name;
  CallArguments arguments;
  bool negated;
};
// One step of a chain, applied to what stands left of it.
struct Step {
  std::size_t offset;
  std::variant<GetAttribute, GetItem, Slice, Call, Filter, Test> action;
};
struct Chain {
  ExpressionPtr base;
  std::vector<Step> steps;
};

struct Expression {
  std::size_t offset;
  int height;  // 1 for a leaf
  std::variant<Literal, Name, NamespaceAttribute, Sequence, DictLiteral, Conditional, Arithmetic,
               ComparisonChain, Logic, Unary, Concatenation, Chain>
      node;
};

// Names whose first use in a scope is an assignment: there they hide the outer variable of that
// name from the start, undefined until they are set, as Jinja's compiler has it.
using HiddenNames = std::vector<NameId>;

struct Scoped {
  Body body;
  HiddenNames hidden;
};

struct Parameter {
  NameId id;
  ExpressionPtr fallback;  // null: none
};
// What a macro and the body of a call block have in common.
struct MacroDefinition {
  std::string name;  // empty for a call block
  std::vector<Parameter> parameters;
  Scoped scope;
  bool uses_caller = false;
  bool uses_kwargs = false;
  bool uses_varargs = false;
};

struct Text {
  std::string data;
};
struct Print {
  std::vector<ExpressionPtr> values;
};
struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct For {
  ExpressionPtr target;
  ExpressionPtr iterable;
  ExpressionPtr condition;  // may be null
  Scoped scope;
  Scoped otherwise;
  bool has_else = false;
  bool recursive = false;
};
struct Set {
  ExpressionPtr target;
  ExpressionPtr value;
};
struct SetBlock {
  ExpressionPtr target;
  std::vector<Step> filters;
  Scoped scope;
};
struct MacroStatement {
  NameId id;
  MacroDefinition macro;
};
struct CallBlock {
  ExpressionPtr call;  // a chain that ends with a call
  MacroDefinition body;
};
// {% generation %}: marks the assistant's words for training; prints its body.
struct Generation {
  Scoped scope;
};
struct FilterBlock {
  std::vector<Step> filters;
  Scoped scope;
};
struct With {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> bindings;
  Scoped scope;
};
struct Autoescape {
  ExpressionPtr enabled;
  Scoped scope;
};
struct Block {
  NameId id;
  Scoped scope;
  bool scoped = false;
  bool required = false;
};
struct LoopControl {
  bool is_break;
};
// include, import and extends: no template reaches other files.
struct Refused {
  std::string tag;
};

struct Statement {
  std::size_t offset;
  std::variant<Text, Print, If, For, Set, SetBlock, MacroStatement, CallBlock, Generation,
               FilterBlock, With, Autoescape, Block, LoopControl, Refused>
      node;
};

struct Template {
  std::string source;  // normalized; offsets point into it
  std::vector<std::string> names;
  Scoped root;
};

}  // namespace quire::text::jinja
