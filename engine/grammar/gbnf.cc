// GBNF: rules "name ::= alternatives" with literals, classes, groups and repetitions.
#include <map>

#include "engine/grammar/front_ends.h"

namespace quire::grammar {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class GbnfParser {
 public:
  GbnfParser(std::string_view source, const GrammarLimits& limits)
      : source_(source), limits_(limits) {}

  Result<Grammar> run() {
    skip_space(true);
    while (!done()) {
      QUIRE_TRY(rule());
      skip_space(true);
    }
    const auto root = rules_.find("root");
    if (root == rules_.end() || grammar_.definition(root->second) < 0) {
      return fail(ErrorCode::kInvalid, "grammar has no rule \"root\"");
    }
    grammar_.root = root->second;
    return std::move(grammar_);
  }

 private:
  template <class... Args>
  tl::unexpected<Error> error(fmt::format_string<Args...> format, Args&&... args) const {
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i < at_ && i < source_.size(); ++i) {
      column = source_[i] == '\n' ? 1 : column + 1;
      line += source_[i] == '\n';
    }
    return fail(ErrorCode::kInvalid, "grammar at line {}, column {}: {}", line, column,
                fmt::format(format, std::forward<Args>(args)...));
  }

  bool done() const { return at_ >= source_.size(); }
  char peek() const { return done() ? '\0' : source_[at_]; }
  bool eat(std::string_view text) {
    if (source_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }

  void skip_space(bool newlines) {
    while (!done()) {
      const char c = source_[at_];
      if (c == '#') {
        while (!done() && source_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  Result<std::string> name() {
    const std::size_t begin = at_;
    while (!done() && is_name_char(source_[at_])) ++at_;
    if (at_ == begin) return error("expected a rule name");
    return std::string(source_.substr(begin, at_ - begin));
  }

  RuleId rule_id(const std::string& name) {
    const auto [it, added] = rules_.try_emplace(name, -1);
    if (added) it->second = grammar_.declare(name);
    return it->second;
  }

  Status rule() {
    QUIRE_ASSIGN(const std::string rule_name, name());
    skip_space(false);
    if (!eat("::=")) return error("expected ::= after \"{}\"", rule_name);
    skip_space(true);
    const RuleId id = rule_id(rule_name);
    if (grammar_.definition(id) >= 0) return error("rule \"{}\" is defined twice", rule_name);
    QUIRE_ASSIGN(const NodeId node, alternatives(0));
    grammar_.define(id, node);
    if (!done() && peek() != '\n' && peek() != '\r') return error("unexpected '{}'", peek());
    return {};
  }

  Result<NodeId> alternatives(int depth) {
    if (depth > limits_.depth) return error("groups nest deeper than {}", limits_.depth);
    std::vector<NodeId> choices;
    for (;;) {
      QUIRE_ASSIGN(const NodeId branch, terms(depth));
      choices.push_back(branch);
      // Inside a group, or after a bar, an alternative may go on in the next line.
      if (depth > 0) skip_space(true);
      if (!eat("|")) return grammar_.choice(std::move(choices));
      skip_space(true);
    }
  }

  Result<NodeId> terms(int depth) {
    std::vector<NodeId> parts;
    for (;;) {
      const char c = peek();
      if (c != '"' && c != '[' && c != '(' && c != '.' && !is_name_char(c)) break;
      QUIRE_ASSIGN(const NodeId term, term_at(depth));
      QUIRE_ASSIGN(const NodeId repeated, quantified(term));
      parts.push_back(repeated);
      skip_space(depth > 0);
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<NodeId> term_at(int depth) {
    if (eat("\"")) return literal();
    if (eat("[")) return char_class();
    if (eat(".")) return grammar_.code_points_except({});
    if (eat("(")) {
      skip_space(true);
      QUIRE_ASSIGN(const NodeId inner, alternatives(depth + 1));
      if (!eat(")")) return error("missing ')'");
      return inner;
    }
    QUIRE_ASSIGN(const std::string reference, name());
    return grammar_.rule(rule_id(reference));
  }

  Result<int> number() {
    const std::size_t begin = at_;
    int value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (source_[at_++] - '0');
      if (value > limits_.repetitions) return error("repetition exceeds {}", limits_.repetitions);
    }
    if (at_ == begin) return error("expected a number");
    return value;
  }

  Result<NodeId> quantified(NodeId term) {
    if (eat("*")) return grammar_.repeat(term, 0, kUnbounded);
    if (eat("+")) return grammar_.repeat(term, 1, kUnbounded);
    if (eat("?")) return grammar_.repeat(term, 0, 1);
    if (!eat("{")) return term;
    QUIRE_ASSIGN(const int min, number());
    int max = min;
    if (eat(",")) {
      max = kUnbounded;
      if (peek() != '}') {
        QUIRE_ASSIGN(max, number());
        if (max < min) return error("{{{},{}}} is empty", min, max);
      }
    }
    if (!eat("}")) return error("missing '}}'");
    return grammar_.repeat(term, min, max);
  }

  Result<char32_t> character() {
    if (!eat("\\")) return next_code_point(source_, at_);
    if (done()) return error("'\\' at the end");
    const char c = source_[at_++];
    switch (c) {
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      case 'U':
        return hex(8);
      case '"':
      case '\\':
      case '[':
      case ']':
      case '-':
      case '^':
        return static_cast<char32_t>(c);
      default:
        return error("unknown escape \\{}", c);
    }
  }

  Result<char32_t> hex(int count) {
    char32_t code = 0;
    for (int i = 0; i < count; ++i) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return error("expected {} hexadecimal digits", count);
      code = code * 16 + static_cast<char32_t>(digit);
      ++at_;
    }
    if (code > 0x10FFFF) return error("U+{:X} is no code point", static_cast<unsigned>(code));
    return code;
  }

  Result<NodeId> literal() {
    std::vector<NodeId> parts;
    while (!eat("\"")) {
      if (done() || peek() == '\n') return error("unclosed literal");
      QUIRE_ASSIGN(const char32_t code, character());
      parts.push_back(grammar_.code_points({{code, code}}));
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<NodeId> char_class() {
    const bool negated = eat("^");
    std::vector<CodePointRange> ranges;
    while (!eat("]")) {
      if (done()) return error("missing ']'");
      QUIRE_ASSIGN(const char32_t first, character());
      char32_t last = first;
      if (peek() == '-' && at_ + 1 < source_.size() && source_[at_ + 1] != ']') {
        ++at_;
        QUIRE_ASSIGN(last, character());
        if (last < first) return error("class range out of order");
      }
      ranges.push_back({first, last});
    }
    return negated ? grammar_.code_points_except(std::move(ranges))
                   : grammar_.code_points(std::move(ranges));
  }

  std::string_view source_;
  GrammarLimits limits_;
  Grammar grammar_;
  std::map<std::string, RuleId> rules_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Grammar> parse_gbnf(std::string_view source, const GrammarLimits& limits) {
  if (source.size() > limits.source_bytes) {
    return fail(ErrorCode::kInvalid, "grammar of {} bytes exceeds {}", source.size(),
                limits.source_bytes);
  }
  return GbnfParser(source, limits).run();
}

}  // namespace quire::grammar
