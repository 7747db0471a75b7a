// The grammar of statements: {% for %}, {% if %}, {% macro %} ...
#include <algorithm>

#include "models/text/jinja/expression_parser.h"
#include "models/text/jinja/parser.h"
#include "models/text/jinja/scopes.h"

namespace quire::text::jinja {
namespace {

using Ends = std::initializer_list<std::string_view>;

class StatementParser {
 public:
  explicit StatementParser(TokenStream& stream) : stream_(stream), expressions_(stream) {}

  Body parse_all() { return parse_body({}); }

 private:
  static StatementPtr make(std::size_t offset, decltype(Statement::node) node) {
    return std::make_unique<Statement>(Statement{offset, std::move(node)});
  }

  bool at_end_tag(Ends ends) const {
    return std::any_of(ends.begin(), ends.end(), [&](auto name) { return stream_.at_name(name); });
  }

  // Statements until {% name of ends; the name stays current.
  Body parse_body(Ends ends) {
    Body body;
    while (!stream_.at(TokenKind::kEnd)) {
      const Token& token = stream_.next();
      if (token.kind == TokenKind::kData) {
        body.push_back(make(token.offset, Text{token.text}));
      } else if (token.kind == TokenKind::kVariableBegin) {
        Print print;
        print.values.push_back(expressions_.parse_tuple());
        stream_.expect(TokenKind::kVariableEnd, "end of print statement");
        body.push_back(make(token.offset, std::move(print)));
      } else {
        if (at_end_tag(ends)) return body;
        body.push_back(parse_statement(token.offset, ends));
        stream_.expect(TokenKind::kBlockEnd, "end of statement block");
      }
    }
    if (ends.size() > 0) {
      stream_.fail(fmt::format("Unexpected end of template. Jinja was looking for the tag '{}'",
                               *std::prev(ends.end())));
    }
    return body;
  }

  // The rest of an opening tag, the body, and the end tag's name, which is returned.
  std::string parse_block(Ends ends, Body& body) {
    const TokenStream::Level level(stream_);
    stream_.skip_operator(":");
    stream_.expect(TokenKind::kBlockEnd, "end of statement block");
    body = parse_body(ends);
    return stream_.next().text;
  }

  StatementPtr parse_statement(std::size_t offset, Ends ends) {
    if (!stream_.at(TokenKind::kName)) stream_.fail("tag name expected");
    const std::string tag = stream_.next().text;
    if (tag == "if") return parse_if(offset);
    if (tag == "for") return parse_for(offset);
    if (tag == "set") return parse_set(offset);
    if (tag == "macro") return parse_macro(offset);
    if (tag == "call") return parse_call(offset);
    if (tag == "filter") return parse_filter(offset);
    if (tag == "with") return parse_with(offset);
    if (tag == "print") return parse_print(offset);
    if (tag == "block") return parse_template_block(offset);
    if (tag == "break" || tag == "continue") return make(offset, LoopControl{tag == "break"});
    if (tag == "generation") {
      Generation generation;
      parse_block({"endgeneration"}, generation.scope.body);
      return make(offset, std::move(generation));
    }
    if (tag == "autoescape") {
      Autoescape autoescape{expressions_.parse_expression(), {}};
      parse_block({"endautoescape"}, autoescape.scope.body);
      return make(offset, std::move(autoescape));
    }
    if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
      while (!stream_.at(TokenKind::kBlockEnd) && !stream_.at(TokenKind::kEnd)) stream_.next();
      return make(offset, Refused{tag});
    }
    std::string message = fmt::format("Encountered unknown tag '{}'.", tag);
    if (ends.size() > 0)
      message += fmt::format(" Jinja was looking for '{}'.", *std::prev(ends.end()));
    TokenStream::fail_at(offset, message);
  }

  StatementPtr parse_if(std::size_t offset) {
    If node;
    for (std::string end = "elif"; end == "elif";) {
      ExpressionPtr test = expressions_.parse_tuple(Condition::kForbidden);
      Body body;
      end = parse_block({"elif", "else", "endif"}, body);
      node.branches.emplace_back(std::move(test), std::move(body));
      if (end == "else") parse_block({"endif"}, node.otherwise);
    }
    return make(offset, std::move(node));
  }

  StatementPtr parse_for(std::size_t offset) {
    For node;
    node.target = expressions_.parse_target(ExpressionParser::Namespaces::kForbidden, "in");
    if (!stream_.skip_name("in")) stream_.fail_expected("in");
    node.iterable = expressions_.parse_tuple(Condition::kForbidden, "recursive");
    if (stream_.skip_name("if")) node.condition = expressions_.parse_expression();
    node.recursive = stream_.skip_name("recursive");
    if (parse_block({"else", "endfor"}, node.scope.body) == "else") {
      parse_block({"endfor"}, node.otherwise.body);
      node.has_else = !node.otherwise.body.empty();
    }
    return make(offset, std::move(node));
  }

  StatementPtr parse_set(std::size_t offset) {
    ExpressionPtr target = expressions_.parse_target(ExpressionParser::Namespaces::kAllowed);
    if (stream_.skip_operator("=")) {
      return make(offset, Set{std::move(target), expressions_.parse_tuple()});
    }
    SetBlock node{std::move(target), expressions_.parse_filters(false), {}};
    parse_block({"endset"}, node.scope.body);
    return make(offset, std::move(node));
  }

  NameId parse_bare_name() {
    const std::size_t offset = stream_.current().offset;
    const std::string name = stream_.expect_name();
    if (name == "true" || name == "false" || name == "none" || name == "True" || name == "False" ||
        name == "None") {
      TokenStream::fail_at(offset, fmt::format("can't assign to '{}'", name));
    }
    return stream_.intern(name);
  }

  void parse_parameters(MacroDefinition& macro) {
    stream_.expect_operator("(");
    while (!stream_.at_operator(")")) {
      if (!macro.parameters.empty()) stream_.expect_operator(",");
      Parameter parameter{parse_bare_name(), nullptr};
      for (const Parameter& earlier : macro.parameters) {
        if (earlier.id == parameter.id) {
          stream_.fail(fmt::format("duplicate argument '{}'", stream_.name_of(parameter.id)));
        }
      }
      if (stream_.skip_operator("=")) {
        parameter.fallback = expressions_.parse_expression();
      } else if (!macro.parameters.empty() && macro.parameters.back().fallback != nullptr) {
        stream_.fail("non-default argument follows default argument");
      }
      macro.parameters.push_back(std::move(parameter));
    }
    stream_.expect_operator(")");
  }

  StatementPtr parse_macro(std::size_t offset) {
    MacroStatement node{parse_bare_name(), {}};
    node.macro.name = stream_.name_of(node.id);
    parse_parameters(node.macro);
    parse_block({"endmacro"}, node.macro.scope.body);
    return make(offset, std::move(node));
  }

  StatementPtr parse_call(std::size_t offset) {
    CallBlock node;
    if (stream_.at_operator("(")) parse_parameters(node.body);
    node.call = expressions_.parse_expression();
    const auto* chain = std::get_if<Chain>(&node.call->node);
    if (chain == nullptr || !std::holds_alternative<Call>(chain->steps.back().action)) {
      TokenStream::fail_at(offset, "expected call");
    }
    parse_block({"endcall"}, node.body.scope.body);
    return make(offset, std::move(node));
  }

  StatementPtr parse_filter(std::size_t offset) {
    FilterBlock node{expressions_.parse_filters(true), {}};
    parse_block({"endfilter"}, node.scope.body);
    return make(offset, std::move(node));
  }

  StatementPtr parse_with(std::size_t offset) {
    With node;
    while (!stream_.at(TokenKind::kBlockEnd)) {
      if (!node.bindings.empty()) stream_.expect_operator(",");
      ExpressionPtr target = expressions_.parse_target(ExpressionParser::Namespaces::kForbidden);
      stream_.expect_operator("=");
      node.bindings.emplace_back(std::move(target), expressions_.parse_expression());
    }
    parse_block({"endwith"}, node.scope.body);
    return make(offset, std::move(node));
  }

  StatementPtr parse_print(std::size_t offset) {
    Print node;
    while (!stream_.at(TokenKind::kBlockEnd)) {
      if (!node.values.empty()) stream_.expect_operator(",");
      node.values.push_back(expressions_.parse_expression());
    }
    return make(offset, std::move(node));
  }

  StatementPtr parse_template_block(std::size_t offset) {
    Block node{stream_.intern(stream_.expect_name()), {}};
    if (std::find(blocks_.begin(), blocks_.end(), node.id) != blocks_.end()) {
      stream_.fail(fmt::format("block '{}' defined twice", stream_.name_of(node.id)));
    }
    blocks_.push_back(node.id);
    node.scoped = stream_.skip_name("scoped");
    node.required = stream_.skip_name("required");
    parse_block({"endblock"}, node.scope.body);
    stream_.skip_name(stream_.name_of(node.id));
    return make(offset, std::move(node));
  }

  TokenStream& stream_;
  ExpressionParser expressions_;
  std::vector<NameId> blocks_;
};

}  // namespace

Template parse(std::string_view source, int depth) {
  Template result;
  result.source = normalize_source(source);
  TokenStream stream(tokenize(result.source), depth);
  result.root.body = StatementParser(stream).parse_all();
  resolve_scopes(result.root, stream);
  result.names = stream.take_names();
  return result;
}

}  // namespace quire::text::jinja
