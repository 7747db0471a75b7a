// The grammar of expressions.
#pragma once

#include <string>
#include <vector>

#include "models/text/jinja/ast.h"
#include "models/text/jinja/token_stream.h"

namespace quire::text::jinja {

enum class Condition : std::uint8_t { kAllowed, kForbidden };  // an inline if

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& stream) : stream_(stream) {}

  ExpressionPtr parse_expression(Condition condition = Condition::kAllowed);
  // One expression, or a tuple when commas follow; `end_name` ends it too ("in", "recursive").
  ExpressionPtr parse_tuple(Condition condition = Condition::kAllowed,
                            std::string_view end_name = {});
  // What may stand left of "=" or "in": names, tuples of them and, if allowed, namespace
  // attributes.
  enum class Namespaces : std::uint8_t { kAllowed, kForbidden };
  ExpressionPtr parse_target(Namespaces namespaces, std::string_view end_name = {});
  // |filter|filter ...; `first_bare`: the first one stands without its bar.
  std::vector<Step> parse_filters(bool first_bare);

 private:
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concatenation();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  enum class Filters : std::uint8_t { kAllowed, kForbidden };
  ExpressionPtr parse_unary(Filters filters = Filters::kAllowed);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_target_primary(Namespaces namespaces);
  ExpressionPtr parse_name();
  ExpressionPtr parse_parentheses();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  template <class ParseItem>
  ExpressionPtr parse_items(std::string_view end_name, bool empty_allowed, ParseItem parse_item);

  void parse_postfix(std::vector<Step>& steps);
  void parse_filters_and_tests(std::vector<Step>& steps);
  Step parse_subscript();
  ExpressionPtr parse_optional_bound();
  Step parse_bracket(std::size_t offset);
  Step parse_filter();
  Step parse_test();
  CallArguments parse_arguments();
  std::string parse_dotted_name();

  template <class Node>
  ExpressionPtr make(std::size_t offset, int children_height, Node node);
  ExpressionPtr chain(ExpressionPtr base, std::vector<Step> steps);

  TokenStream& stream_;
};

template <class Node>
ExpressionPtr ExpressionParser::make(std::size_t offset, int children_height, Node node) {
  if (children_height >= stream_.depth_max()) {
    TokenStream::fail_at(offset,
                         fmt::format("the template nests deeper than {}", stream_.depth_max()));
  }
  return std::make_unique<Expression>(Expression{offset, children_height + 1, std::move(node)});
}

}  // namespace quire::text::jinja
