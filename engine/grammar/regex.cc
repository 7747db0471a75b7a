// Regular expressions as grammar nodes, by recursive descent with a depth limit.
#include <algorithm>
#include <optional>

#include "engine/grammar/front_ends.h"

namespace quire::grammar {
namespace {

using Ranges = std::vector<CodePointRange>;

const Ranges kDigits = {{'0', '9'}};
const Ranges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const Ranges kSpace = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                       {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                       {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const Ranges kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

// Of sorted, disjoint ranges.
Ranges complement(const Ranges& ranges) {
  Ranges out;
  char32_t next = 0;
  for (const CodePointRange& range : ranges) {
    if (range.first > next) out.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= 0x10FFFF) out.push_back({next, 0x10FFFF});
  return out;
}

// Sorted and disjoint.
Ranges normalise(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  Ranges out;
  for (const CodePointRange& range : ranges) {
    if (!out.empty() && range.first <= out.back().last + 1) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

class RegexParser {
 public:
  RegexParser(Grammar& grammar, std::string_view pattern, const RegexOptions& options,
              const GrammarLimits& limits)
      : grammar_(grammar), pattern_(pattern), options_(options), limits_(limits) {}

  Result<NodeId> run() {
    QUIRE_ASSIGN(const NodeId node, alternatives(0));
    if (at_ < pattern_.size()) return error("unmatched ')'");
    return node;
  }

 private:
  template <class... Args>
  tl::unexpected<Error> error(fmt::format_string<Args...> format, Args&&... args) const {
    return fail(ErrorCode::kInvalid, "regex at byte {}: {}", at_,
                fmt::format(format, std::forward<Args>(args)...));
  }

  bool done() const { return at_ >= pattern_.size(); }
  bool eat(char c) {
    if (done() || pattern_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool eat(std::string_view text) {
    if (pattern_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }

  NodeId spelled(Ranges ranges) {
    return options_.code_points ? options_.code_points(std::move(ranges))
                                : grammar_.code_points(std::move(ranges));
  }

  // Any text at an end that no anchor closes.
  NodeId anything() { return grammar_.repeat(spelled({{0, 0x10FFFF}}), 0, kUnbounded); }

  Result<NodeId> alternatives(int depth) {
    if (depth > limits_.depth) return error("groups nest deeper than {}", limits_.depth);
    std::vector<NodeId> choices;
    do {
      QUIRE_ASSIGN(const NodeId branch, terms(depth));
      choices.push_back(branch);
    } while (eat('|'));
    return grammar_.choice(std::move(choices));
  }

  Result<NodeId> terms(int depth) {
    std::vector<NodeId> parts;
    const bool outermost = depth == 0;
    const bool open_begin =
        !(outermost && eat('^')) && outermost && options_.match == RegexMatch::kSearch;
    if (open_begin) parts.push_back(anything());
    bool closed_end = false;
    while (!done() && pattern_[at_] != '|' && pattern_[at_] != ')') {
      if (pattern_[at_] == '$') {
        if (!outermost || (at_ + 1 < pattern_.size() && pattern_[at_ + 1] != '|')) {
          return error("'$' is supported at the end only");
        }
        ++at_;
        closed_end = true;
        break;
      }
      QUIRE_ASSIGN(const NodeId atom, atom_at(depth));
      QUIRE_ASSIGN(const NodeId repeated, quantified(atom));
      parts.push_back(repeated);
    }
    if (outermost && options_.match == RegexMatch::kSearch && !closed_end)
      parts.push_back(anything());
    return grammar_.sequence(std::move(parts));
  }

  Result<NodeId> quantified(NodeId atom) {
    int min = 1, max = 1;
    if (eat('*')) {
      min = 0, max = kUnbounded;
    } else if (eat('+')) {
      max = kUnbounded;
    } else if (eat('?')) {
      min = 0;
    } else if (!done() && pattern_[at_] == '{') {
      const std::size_t begin = at_;
      QUIRE_ASSIGN(const bool counted, braces(min, max));
      if (!counted) {  // "{" that opens no quantifier stands for itself after the atom
        at_ = begin;
        return atom;
      }
    } else {
      return atom;
    }
    eat('?');  // lazy and greedy match the same texts
    if (!done() && (pattern_[at_] == '*' || pattern_[at_] == '+')) {
      return error("possessive or doubled quantifiers are not supported");
    }
    return grammar_.repeat(atom, min, max);
  }

  std::optional<int> number() {
    std::size_t begin = at_;
    long value = 0;
    while (!done() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
      value = std::min(value * 10 + (pattern_[at_++] - '0'), 1'000'000'000L);
    }
    if (at_ == begin) return std::nullopt;
    return static_cast<int>(value);
  }

  Result<bool> braces(int& min, int& max) {
    ++at_;
    const std::optional<int> low = number();
    if (!low) return false;
    min = max = *low;
    if (eat(',')) {
      const std::optional<int> high = number();
      max = high ? *high : kUnbounded;
    }
    if (!eat('}')) return false;
    if (max != kUnbounded && max < min) return error("{{{},{}}} is empty", min, max);
    if (std::max(min, max) > limits_.repetitions) {
      return error("repetition {} exceeds {}", std::max(min, max), limits_.repetitions);
    }
    return true;
  }

  Result<NodeId> atom_at(int depth) {
    const char c = pattern_[at_];
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        return char_class();
      case '.':
        ++at_;
        return spelled(complement(kLineEnds));
      case '\\': {
        QUIRE_ASSIGN(const Ranges ranges, escape(false));
        return spelled(ranges);
      }
      case '^':
        return error("'^' is supported at the beginning only");
      case '*':
      case '+':
      case '?':
        return error("nothing to repeat");
      default: {
        const char32_t code = next_code_point(pattern_, at_);
        return spelled({{code, code}});
      }
    }
  }

  Result<NodeId> group(int depth) {
    ++at_;
    if (eat('?')) {
      if (eat('=') || eat('!') || eat("<=") || eat("<!"))
        return error("lookaround is not supported");
      if (!eat(':')) {
        eat('P');
        if (!eat('<')) return error("inline flags are not supported");
        const std::size_t close = pattern_.find('>', at_);
        if (close == std::string_view::npos) return error("unclosed group name");
        at_ = close + 1;
      }
    }
    QUIRE_ASSIGN(const NodeId inner, alternatives(depth + 1));
    if (!eat(')')) return error("missing ')'");
    return inner;
  }

  Result<NodeId> char_class() {
    ++at_;
    const bool negated = eat('^');
    Ranges ranges;
    while (!eat(']')) {
      if (done()) return error("missing ']'");
      QUIRE_ASSIGN(const Ranges first, class_item());
      if (first.size() == 1 && first[0].first == first[0].last && at_ + 1 < pattern_.size() &&
          pattern_[at_] == '-' && pattern_[at_ + 1] != ']') {
        ++at_;
        QUIRE_ASSIGN(const Ranges second, class_item());
        if (second.size() != 1 || second[0].first != second[0].last) {
          return error("a class range ends in a class");
        }
        if (second[0].first < first[0].first) return error("class range out of order");
        ranges.push_back({first[0].first, second[0].first});
      } else {
        ranges.insert(ranges.end(), first.begin(), first.end());
      }
    }
    return spelled(negated ? complement(normalise(std::move(ranges))) : std::move(ranges));
  }

  Result<Ranges> class_item() {
    if (done()) return error("missing ']'");
    if (pattern_[at_] == '\\') return escape(true);
    const char32_t code = next_code_point(pattern_, at_);
    return Ranges{{code, code}};
  }

  Result<Ranges> escape(bool in_class) {
    ++at_;
    if (done()) return error("'\\' at the end");
    const char c = pattern_[at_++];
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return complement(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return complement(kWord);
      case 's':
        return kSpace;
      case 'S':
        return complement(kSpace);
      case 'n':
        return Ranges{{'\n', '\n'}};
      case 'r':
        return Ranges{{'\r', '\r'}};
      case 't':
        return Ranges{{'\t', '\t'}};
      case 'f':
        return Ranges{{'\f', '\f'}};
      case 'v':
        return Ranges{{'\v', '\v'}};
      case '0':
        return Ranges{{0, 0}};
      case 'x':
        return hex(2);
      case 'u':
        return unicode_escape();
      case 'b':
        if (in_class) return Ranges{{'\b', '\b'}};
        return error("word boundaries are not supported");
      case 'B':
        return error("word boundaries are not supported");
      case 'p':
      case 'P':
        return error("\\{} Unicode properties are not supported", c);
      case 'k':
        return error("back-references are not supported");
      default:
        break;
    }
    if (c >= '1' && c <= '9') return error("back-references are not supported");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return error("unknown escape \\{}", c);
    --at_;
    const char32_t code = next_code_point(pattern_, at_);
    return Ranges{{code, code}};
  }

  Result<char32_t> hex_digits(int count) {
    char32_t code = 0;
    for (int i = 0; i < count; ++i) {
      if (done()) return error("incomplete hexadecimal escape");
      const char c = pattern_[at_++];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return error("'{}' is no hexadecimal digit", c);
      code = code * 16 + static_cast<char32_t>(digit);
    }
    return code;
  }

  Result<Ranges> hex(int count) {
    QUIRE_ASSIGN(const char32_t code, hex_digits(count));
    return Ranges{{code, code}};
  }

  Result<Ranges> unicode_escape() {
    if (eat('{')) {
      const std::size_t close = pattern_.find('}', at_);
      if (close == std::string_view::npos || close == at_ || close - at_ > 6) {
        return error("\\u{{...}} needs one to six digits");
      }
      QUIRE_ASSIGN(const char32_t code, hex_digits(static_cast<int>(close - at_)));
      ++at_;
      if (code > 0x10FFFF) return error("U+{:X} is no code point", static_cast<unsigned>(code));
      return Ranges{{code, code}};
    }
    QUIRE_ASSIGN(char32_t code, hex_digits(4));
    if (code >= 0xD800 && code < 0xDC00 && eat("\\u")) {  // a pair of surrogates
      QUIRE_ASSIGN(const char32_t low, hex_digits(4));
      if (low < 0xDC00 || low > 0xDFFF) return error("lone surrogate");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xD800 && code <= 0xDFFF) {
      return error("lone surrogate");
    }
    return Ranges{{code, code}};
  }

  Grammar& grammar_;
  std::string_view pattern_;
  const RegexOptions& options_;
  GrammarLimits limits_;
  std::size_t at_ = 0;
};

}  // namespace

char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const int length = lead < 0x80   ? 1
                     : lead < 0xC2 ? 0
                     : lead < 0xE0 ? 2
                     : lead < 0xF0 ? 3
                     : lead < 0xF5 ? 4
                                   : 0;
  if (length <= 1 || at + static_cast<std::size_t>(length) > text.size()) {
    ++at;
    return length == 1 ? lead : 0xFFFD;
  }
  char32_t code = lead & (0x7Fu >> length);
  for (int i = 1; i < length; ++i) {
    const unsigned char next = byte(at + static_cast<std::size_t>(i));
    if ((next & 0xC0) != 0x80) {
      ++at;
      return 0xFFFD;
    }
    code = (code << 6) | (next & 0x3Fu);
  }
  static constexpr char32_t kShortest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kShortest[length] || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF) {
    ++at;
    return 0xFFFD;
  }
  at += static_cast<std::size_t>(length);
  return code;
}

Result<NodeId> add_regex(Grammar& grammar, std::string_view pattern, const RegexOptions& options,
                         const GrammarLimits& limits) {
  constexpr std::size_t kPatternBytesMax = 4096;
  if (pattern.size() > kPatternBytesMax) {
    return fail(ErrorCode::kInvalid, "regex of {} bytes exceeds {}", pattern.size(),
                kPatternBytesMax);
  }
  return RegexParser(grammar, pattern, options, limits).run();
}

Result<Grammar> grammar_of_regex(std::string_view pattern, const GrammarLimits& limits) {
  Grammar grammar;
  QUIRE_ASSIGN(const NodeId node, add_regex(grammar, pattern, {}, limits));
  grammar.root = grammar.declare("root");
  grammar.define(grammar.root, node);
  return grammar;
}

Result<Grammar> grammar_of_choices(const std::vector<std::string>& choices,
                                   const GrammarLimits& limits) {
  if (choices.empty()) return fail(ErrorCode::kInvalid, "choice must name at least one text");
  std::size_t bytes = 0;
  Grammar grammar;
  std::vector<NodeId> nodes;
  for (const std::string& text : choices) {
    bytes += text.size();
    if (bytes > limits.source_bytes) {
      return fail(ErrorCode::kInvalid, "choices exceed {} bytes", limits.source_bytes);
    }
    nodes.push_back(grammar.literal(text));
  }
  grammar.root = grammar.declare("root");
  grammar.define(grammar.root, grammar.choice(std::move(nodes)));
  return grammar;
}

}  // namespace quire::grammar
