// Walks over a syntax tree in the order of Jinja's own visitors.
#pragma once

#include <functional>

#include "models/text/jinja/ast.h"

namespace quire::text::jinja {

// The direct parts of an expression, of a step, and of a call's arguments.
using VisitExpression = std::function<void(const Expression&)>;
void for_each_child(const Expression& expression, const VisitExpression& visit);
void for_each_child(const Step& step, const VisitExpression& visit);
void for_each_child(const CallArguments& arguments, const VisitExpression& visit);

enum class NameUse : std::uint8_t { kLoad, kStore };
using VisitName = std::function<void(NameId, NameUse)>;
// Every name below, nested scopes included, but not inside {% block %}.
void for_each_name(const Expression& expression, NameUse use, const VisitName& visit);
void for_each_name(const Body& body, const VisitName& visit);

// Every statement below, outer before inner.
using VisitStatement = std::function<void(const Statement&)>;
void for_each_statement(const Body& body, const VisitStatement& visit);

// The expressions that stand directly in a statement, not those of the statements inside it.
void for_each_expression(const Statement& statement, const VisitExpression& visit);

}  // namespace quire::text::jinja
