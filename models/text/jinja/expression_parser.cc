// Recursive descent over expressions; every level of recursion is counted.
#include "models/text/jinja/expression_parser.h"

#include <algorithm>

namespace quire::text::jinja {
namespace {

int height_of(const ExpressionPtr& expression) {
  return expression == nullptr ? 0 : expression->height;
}

int height_of(const std::vector<ExpressionPtr>& items) {
  int height = 0;
  for (const auto& item : items) height = std::max(height, height_of(item));
  return height;
}

int height_of(const CallArguments& arguments) {
  int height = std::max(height_of(arguments.spread), height_of(arguments.named_spread));
  for (const auto& [name, value] : arguments.named) height = std::max(height, height_of(value));
  return std::max(height, height_of(arguments.positional));
}

int height_of(const Step& step) {
  return std::visit(
      [](const auto& action) {
        using Action = std::decay_t<decltype(action)>;
        if constexpr (std::is_same_v<Action, GetItem>) {
          return height_of(action.key);
        } else if constexpr (std::is_same_v<Action, Slice>) {
          return std::max(
              {height_of(action.start), height_of(action.stop), height_of(action.step)});
        } else if constexpr (std::is_same_v<Action, GetAttribute>) {
          return 0;
        } else {
          return height_of(action.arguments);
        }
      },
      step.action);
}

bool is_literal_name(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" ||
         name == "None";
}

}  // namespace

ExpressionPtr ExpressionParser::chain(ExpressionPtr base, std::vector<Step> steps) {
  if (steps.empty()) return base;
  int height = base->height;
  for (const Step& step : steps) height = std::max(height, height_of(step));
  const std::size_t offset = base->offset;
  return make(offset, height, Chain{std::move(base), std::move(steps)});
}

ExpressionPtr ExpressionParser::parse_expression(Condition condition) {
  const TokenStream::Level level(stream_);
  return condition == Condition::kAllowed ? parse_conditional() : parse_or();
}

ExpressionPtr ExpressionParser::parse_conditional() {
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr result = parse_or();
  while (stream_.skip_name("if")) {
    ExpressionPtr test = parse_or();
    ExpressionPtr otherwise;
    if (stream_.skip_name("else")) {
      const TokenStream::Level level(stream_);
      otherwise = parse_conditional();
    }
    const int height = std::max({result->height, test->height, height_of(otherwise)});
    result =
        make(offset, height, Conditional{std::move(test), std::move(result), std::move(otherwise)});
  }
  return result;
}

ExpressionPtr ExpressionParser::parse_or() {
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr first = parse_and();
  if (!stream_.at_name("or")) return first;
  Logic logic{LogicKind::kOr, {}};
  logic.operands.push_back(std::move(first));
  while (stream_.skip_name("or")) logic.operands.push_back(parse_and());
  const int height = height_of(logic.operands);
  return make(offset, height, std::move(logic));
}

ExpressionPtr ExpressionParser::parse_and() {
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr first = parse_not();
  if (!stream_.at_name("and")) return first;
  Logic logic{LogicKind::kAnd, {}};
  logic.operands.push_back(std::move(first));
  while (stream_.skip_name("and")) logic.operands.push_back(parse_not());
  const int height = height_of(logic.operands);
  return make(offset, height, std::move(logic));
}

ExpressionPtr ExpressionParser::parse_not() {
  const std::size_t offset = stream_.current().offset;
  if (!stream_.skip_name("not")) return parse_comparison();
  const TokenStream::Level level(stream_);
  ExpressionPtr operand = parse_not();
  const int height = operand->height;
  return make(offset, height, Unary{UnaryKind::kNot, std::move(operand)});
}

ExpressionPtr ExpressionParser::parse_comparison() {
  static constexpr std::pair<std::string_view, Comparison> kSymbols[] = {
      {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual}};
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr first = parse_sum();
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
  for (;;) {
    if (stream_.at(TokenKind::kOperator)) {
      const auto* found =
          std::find_if(std::begin(kSymbols), std::end(kSymbols),
                       [&](const auto& symbol) { return stream_.at_operator(symbol.first); });
      if (found == std::end(kSymbols)) break;
      stream_.next();
      rest.emplace_back(found->second, parse_sum());
    } else if (stream_.skip_name("in")) {
      rest.emplace_back(Comparison::kIn, parse_sum());
    } else if (stream_.at_name("not") && TokenStream::is_name(stream_.look(), "in")) {
      stream_.next();
      stream_.next();
      rest.emplace_back(Comparison::kNotIn, parse_sum());
    } else {
      break;
    }
  }
  if (rest.empty()) return first;
  int height = first->height;
  for (const auto& [op, operand] : rest) height = std::max(height, operand->height);
  return make(offset, height, ComparisonChain{std::move(first), std::move(rest)});
}

ExpressionPtr ExpressionParser::parse_sum() {
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr first = parse_concatenation();
  Arithmetic sum;
  int height = first->height;
  while (stream_.at_operator("+") || stream_.at_operator("-")) {
    const Operator op = stream_.next().text == "+" ? Operator::kAdd : Operator::kSubtract;
    sum.rest.emplace_back(op, parse_concatenation());
    height = std::max(height, sum.rest.back().second->height);
  }
  if (sum.rest.empty()) return first;
  sum.first = std::move(first);
  return make(offset, height, std::move(sum));
}

ExpressionPtr ExpressionParser::parse_concatenation() {
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr first = parse_product();
  if (!stream_.at_operator("~")) return first;
  Concatenation concatenation;
  concatenation.operands.push_back(std::move(first));
  while (stream_.skip_operator("~")) concatenation.operands.push_back(parse_product());
  const int height = height_of(concatenation.operands);
  return make(offset, height, std::move(concatenation));
}

ExpressionPtr ExpressionParser::parse_product() {
  static constexpr std::pair<std::string_view, Operator> kSymbols[] = {
      {"*", Operator::kMultiply},
      {"/", Operator::kDivide},
      {"//", Operator::kFloorDivide},
      {"%", Operator::kModulo}};
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr first = parse_power();
  Arithmetic product;
  int height = first->height;
  while (stream_.at(TokenKind::kOperator)) {
    const auto* found =
        std::find_if(std::begin(kSymbols), std::end(kSymbols),
                     [&](const auto& symbol) { return stream_.at_operator(symbol.first); });
    if (found == std::end(kSymbols)) break;
    stream_.next();
    product.rest.emplace_back(found->second, parse_power());
    height = std::max(height, product.rest.back().second->height);
  }
  if (product.rest.empty()) return first;
  product.first = std::move(first);
  return make(offset, height, std::move(product));
}

// From the left, unlike Python: 2**3**2 is 64.
ExpressionPtr ExpressionParser::parse_power() {
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr first = parse_unary();
  Arithmetic power;
  int height = first->height;
  while (stream_.skip_operator("**")) {
    power.rest.emplace_back(Operator::kPower, parse_unary());
    height = std::max(height, power.rest.back().second->height);
  }
  if (power.rest.empty()) return first;
  power.first = std::move(first);
  return make(offset, height, std::move(power));
}

ExpressionPtr ExpressionParser::parse_unary(Filters filters) {
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr node;
  if (stream_.at_operator("-") || stream_.at_operator("+")) {
    const TokenStream::Level level(stream_);
    const UnaryKind kind = stream_.next().text == "-" ? UnaryKind::kNegate : UnaryKind::kPlus;
    ExpressionPtr operand = parse_unary(Filters::kForbidden);
    const int height = operand->height;
    node = make(offset, height, Unary{kind, std::move(operand)});
  } else {
    node = parse_primary();
  }
  std::vector<Step> steps;
  parse_postfix(steps);
  if (filters == Filters::kAllowed) parse_filters_and_tests(steps);
  return chain(std::move(node), std::move(steps));
}

ExpressionPtr ExpressionParser::parse_name() {
  const Token& token = stream_.next();
  if (!is_literal_name(token.text)) return make(token.offset, 0, Name{stream_.intern(token.text)});
  const char initial = static_cast<char>(token.text[0] | 0x20);
  return make(token.offset, 0, Literal{initial == 'n' ? Value() : Value::boolean(initial == 't')});
}

ExpressionPtr ExpressionParser::parse_primary() {
  const Token& token = stream_.current();
  switch (token.kind) {
    case TokenKind::kName:
      return parse_name();
    case TokenKind::kString: {
      std::string text;
      while (stream_.at(TokenKind::kString)) text += stream_.next().text;  // adjacent ones join
      return make(token.offset, 0, Literal{Value::string(std::move(text))});
    }
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return make(token.offset, 0, Literal{stream_.next().value});
    case TokenKind::kOperator:
      if (token.text == "(") return parse_parentheses();
      if (token.text == "[") return parse_list();
      if (token.text == "{") return parse_dict();
      break;
    default:
      break;
  }
  stream_.fail(fmt::format("unexpected '{}'", TokenStream::describe(token)));
}

ExpressionPtr ExpressionParser::parse_target_primary(Namespaces namespaces) {
  if (namespaces == Namespaces::kForbidden || !stream_.at(TokenKind::kName) ||
      is_literal_name(stream_.current().text) || !TokenStream::is_operator(stream_.look(), ".")) {
    return parse_primary();
  }
  const std::size_t offset = stream_.current().offset;
  const NameId id = stream_.intern(stream_.expect_name());
  stream_.expect_operator(".");
  return make(offset, 0, NamespaceAttribute{id, stream_.expect_name()});
}

template <class ParseItem>
ExpressionPtr ExpressionParser::parse_items(std::string_view end_name, bool empty_allowed,
                                            ParseItem parse_item) {
  const std::size_t offset = stream_.current().offset;
  Sequence tuple{{}, true};
  bool has_comma = false;
  for (;;) {
    if (!tuple.items.empty()) stream_.expect_operator(",");
    if (stream_.at(TokenKind::kVariableEnd) || stream_.at(TokenKind::kBlockEnd) ||
        stream_.at_operator(")") || (!end_name.empty() && stream_.at_name(end_name))) {
      break;
    }
    tuple.items.push_back(parse_item());
    if (!stream_.at_operator(",")) break;
    has_comma = true;
  }
  if (!has_comma && !tuple.items.empty()) return std::move(tuple.items[0]);
  if (!has_comma && !empty_allowed) {
    stream_.fail(
        fmt::format("Expected an expression, got '{}'", TokenStream::describe(stream_.current())));
  }
  const int height = height_of(tuple.items);
  return make(offset, height, std::move(tuple));
}

ExpressionPtr ExpressionParser::parse_tuple(Condition condition, std::string_view end_name) {
  return parse_items(end_name, false, [&] { return parse_expression(condition); });
}

ExpressionPtr ExpressionParser::parse_parentheses() {
  stream_.expect_operator("(");
  ExpressionPtr inner = parse_items({}, true, [&] { return parse_expression(); });
  stream_.expect_operator(")");
  return inner;
}

ExpressionPtr ExpressionParser::parse_list() {
  const std::size_t offset = stream_.current().offset;
  stream_.expect_operator("[");
  Sequence list{{}, false};
  while (!stream_.at_operator("]")) {
    if (!list.items.empty()) stream_.expect_operator(",");
    if (stream_.at_operator("]")) break;
    list.items.push_back(parse_expression());
  }
  stream_.expect_operator("]");
  const int height = height_of(list.items);
  return make(offset, height, std::move(list));
}

ExpressionPtr ExpressionParser::parse_dict() {
  const std::size_t offset = stream_.current().offset;
  stream_.expect_operator("{");
  DictLiteral dict;
  int height = 0;
  while (!stream_.at_operator("}")) {
    if (!dict.entries.empty()) stream_.expect_operator(",");
    if (stream_.at_operator("}")) break;
    ExpressionPtr key = parse_expression();
    stream_.expect_operator(":");
    ExpressionPtr value = parse_expression();
    height = std::max({height, key->height, value->height});
    dict.entries.emplace_back(std::move(key), std::move(value));
  }
  stream_.expect_operator("}");
  return make(offset, height, std::move(dict));
}

ExpressionPtr ExpressionParser::parse_target(Namespaces namespaces, std::string_view end_name) {
  const std::size_t offset = stream_.current().offset;
  ExpressionPtr target =
      parse_items(end_name, false, [&] { return parse_target_primary(namespaces); });
  // Only names, namespace attributes and tuples of them can be assigned to.
  std::vector<const Expression*> pending = {target.get()};
  while (!pending.empty()) {
    const Expression& part = *pending.back();
    pending.pop_back();
    if (const auto* tuple = std::get_if<Sequence>(&part.node);
        tuple != nullptr && tuple->is_tuple) {
      for (const auto& item : tuple->items) pending.push_back(item.get());
    } else if (!std::holds_alternative<Name>(part.node) &&
               !std::holds_alternative<NamespaceAttribute>(part.node)) {
      TokenStream::fail_at(offset, "can't assign to this expression");
    }
  }
  return target;
}

}  // namespace quire::text::jinja
