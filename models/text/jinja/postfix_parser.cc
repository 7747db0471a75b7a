// What follows a primary expression: subscripts, calls, filters and tests.
#include "models/text/jinja/expression_parser.h"

namespace quire::text::jinja {

std::string TokenStream::describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "end of template";
    case TokenKind::kData:
      return "template data / text";
    case TokenKind::kVariableBegin:
      return "begin of print statement";
    case TokenKind::kVariableEnd:
      return "end of print statement";
    case TokenKind::kBlockBegin:
      return "begin of statement block";
    case TokenKind::kBlockEnd:
      return "end of statement block";
    case TokenKind::kString:
      return "string";
    case TokenKind::kInteger:
      return "integer";
    case TokenKind::kFloat:
      return "float";
    default:
      return token.text;
  }
}

void ExpressionParser::parse_postfix(std::vector<Step>& steps) {
  for (;;) {
    const std::size_t offset = stream_.current().offset;
    if (stream_.at_operator(".") || stream_.at_operator("[")) {
      steps.push_back(parse_subscript());
    } else if (stream_.at_operator("(")) {
      steps.push_back({offset, Call{parse_arguments()}});
    } else {
      return;
    }
  }
}

void ExpressionParser::parse_filters_and_tests(std::vector<Step>& steps) {
  for (;;) {
    const std::size_t offset = stream_.current().offset;
    if (stream_.skip_operator("|")) {
      steps.push_back(parse_filter());
    } else if (stream_.at_name("is")) {
      steps.push_back(parse_test());
    } else if (stream_.at_operator("(")) {
      steps.push_back({offset, Call{parse_arguments()}});
    } else {
      return;
    }
  }
}

std::vector<Step> ExpressionParser::parse_filters(bool first_bare) {
  std::vector<Step> filters;
  if (first_bare) filters.push_back(parse_filter());
  while (stream_.skip_operator("|")) filters.push_back(parse_filter());
  return filters;
}

Step ExpressionParser::parse_subscript() {
  const std::size_t offset = stream_.current().offset;
  if (stream_.skip_operator("[")) return parse_bracket(offset);
  stream_.expect_operator(".");
  if (stream_.at(TokenKind::kName)) return {offset, GetAttribute{stream_.next().text}};
  if (!stream_.at(TokenKind::kInteger)) stream_.fail("expected name or number");
  const Token& token = stream_.next();
  return {offset, GetItem{make(token.offset, 0, Literal{token.value})}};
}

// A bound of a slice; null where it is left out.
ExpressionPtr ExpressionParser::parse_optional_bound() {
  if (stream_.at_operator(":") || stream_.at_operator("]") || stream_.at_operator(",")) {
    return nullptr;
  }
  return parse_expression();
}

Step ExpressionParser::parse_bracket(std::size_t offset) {
  std::vector<ExpressionPtr> keys;
  std::size_t key_count = 0;
  int height = 0;
  while (!stream_.at_operator("]")) {
    if (key_count++ > 0) stream_.expect_operator(",");
    ExpressionPtr start = stream_.at_operator(":") ? nullptr : parse_expression();
    if (stream_.skip_operator(":")) {
      ExpressionPtr stop = parse_optional_bound();
      ExpressionPtr step = stream_.skip_operator(":") ? parse_optional_bound() : nullptr;
      if (key_count > 1 || !stream_.at_operator("]")) {
        stream_.fail("a slice inside a tuple of subscripts is not supported");
      }
      stream_.next();
      return {offset, Slice{std::move(start), std::move(stop), std::move(step)}};
    }
    height = std::max(height, start->height);
    keys.push_back(std::move(start));
  }
  stream_.expect_operator("]");
  if (keys.size() == 1) return {offset, GetItem{std::move(keys[0])}};
  return {offset, GetItem{make(offset, height, Sequence{std::move(keys), true})}};
}

std::string ExpressionParser::parse_dotted_name() {
  std::string name = stream_.expect_name();
  while (stream_.skip_operator(".")) name.append(1, '.').append(stream_.expect_name());
  return name;
}

Step ExpressionParser::parse_filter() {
  const std::size_t offset = stream_.current().offset;
  Filter filter{parse_dotted_name(), {}};
  if (stream_.at_operator("(")) filter.arguments = parse_arguments();
  return {offset, std::move(filter)};
}

Step ExpressionParser::parse_test() {
  const std::size_t offset = stream_.next().offset;
  const bool negated = stream_.skip_name("not");
  Test test{parse_dotted_name(), {}, negated};
  const Token& token = stream_.current();
  const bool opens = stream_.at_operator("[") || stream_.at_operator("{");
  const bool ends = stream_.at_name("else") || stream_.at_name("or") || stream_.at_name("and");
  if (stream_.at_operator("(")) {
    test.arguments = parse_arguments();
  } else if (opens ||
             (!ends && (token.kind == TokenKind::kName || token.kind == TokenKind::kString ||
                        token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat))) {
    if (stream_.at_name("is")) stream_.fail("You cannot chain multiple tests with is");
    const TokenStream::Level level(stream_);
    ExpressionPtr argument = parse_primary();
    std::vector<Step> steps;
    parse_postfix(steps);
    test.arguments.positional.push_back(chain(std::move(argument), std::move(steps)));
  }
  return {offset, std::move(test)};
}

CallArguments ExpressionParser::parse_arguments() {
  const std::size_t offset = stream_.current().offset;
  const auto ensure = [&](bool good) {
    if (!good) TokenStream::fail_at(offset, "invalid syntax for function call expression");
  };
  stream_.expect_operator("(");
  CallArguments arguments;
  bool first = true;
  while (!stream_.at_operator(")")) {
    if (!first) {
      stream_.expect_operator(",");
      if (stream_.at_operator(")")) break;
    }
    first = false;
    if (stream_.skip_operator("*")) {
      ensure(arguments.spread == nullptr && arguments.named_spread == nullptr);
      arguments.spread = parse_expression();
    } else if (stream_.skip_operator("**")) {
      ensure(arguments.named_spread == nullptr);
      arguments.named_spread = parse_expression();
    } else if (stream_.at(TokenKind::kName) && TokenStream::is_operator(stream_.look(), "=")) {
      ensure(arguments.named_spread == nullptr);
      std::string name = stream_.expect_name();
      for (const auto& named : arguments.named) {
        if (named.first == name) stream_.fail(fmt::format("keyword argument repeated: {}", name));
      }
      stream_.expect_operator("=");
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      ensure(arguments.spread == nullptr && arguments.named_spread == nullptr &&
             arguments.named.empty());
      arguments.positional.push_back(parse_expression());
    }
  }
  stream_.expect_operator(")");
  return arguments;
}

}  // namespace quire::text::jinja
