// Oniguruma (Ruby) to PCRE2. They differ in: {n,m}+ (a repeated repeat, not a possessive one), {n}?
// (optional, not lazy), {,n}, (?m) (dot matches line breaks), options that stand alone, \h, \v, \R,
// \s, \w, \d, \b, property names, scripts (PCRE2 means Script_Extensions) and set operations in
// classes.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "models/text/regex.h"
#include "models/text/regex_class.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

constexpr std::string_view kLineBreak = "(?>\\r\\n|[\\n-\\r\\x{85}\\x{2028}\\x{2029}])";

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  Result<std::string> run() {
    scopes_.push_back({});
    while (at_ < in_.size()) QUIRE_TRY(step());
    if (scopes_.size() != 1) return refuse("a group without its end");
    close_options();
    return std::move(out_);
  }

 private:
  struct Scope {
    std::size_t atom = 0;           // where the group starts in the output
    std::size_t option_groups = 0;  // opened by options that stand alone
  };

  tl::unexpected<Error> refuse(std::string_view what) const {
    return fail(ErrorCode::kInvalid, "regular expression \"{}\": {} at {}", in_.substr(0, 200),
                what, at_);
  }
  bool starts(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void atom(std::string_view text) {
    atom_ = out_.size();
    out_ += text;
  }

  void close_options() {
    out_.append(scopes_.back().option_groups, ')');
    scopes_.back().option_groups = 0;
  }

  Status step() {
    switch (in_[at_]) {
      case '\\':
        return escape();
      case '[': {
        QUIRE_ASSIGN(const std::string set, translate_class(in_, at_));
        atom(set);
        return {};
      }
      case '(':
        return open();
      case ')': {
        if (scopes_.size() < 2) return refuse("\")\" without a group");
        close_options();
        atom_ = scopes_.back().atom;
        scopes_.pop_back();
        out_ += ')';
        ++at_;
        return {};
      }
      case '*':
      case '+':
      case '?':
        return plain_quantifier();
      case '{':
        return braces();
      case ']':
        ++at_;
        atom("\\]");
        return {};
      case '|':
      case '^':
      case '$':
        atom(in_.substr(at_++, 1));
        return {};
      default: {
        const std::uint32_t bytes = utf8_at(in_, at_).bytes;
        atom(in_.substr(at_, bytes));
        at_ += bytes;
        return {};
      }
    }
  }

  Status plain_quantifier() {
    out_ += in_[at_++];
    if (at_ < in_.size() && (in_[at_] == '?' || in_[at_] == '+')) out_ += in_[at_++];
    return {};
  }

  // {n}, {n,}, {n,m}, {,n}; anything else is literal.
  Status braces() {
    std::size_t i = at_ + 1;
    const auto number = [&] {
      const std::size_t begin = i;
      while (i < in_.size() && in_[i] >= '0' && in_[i] <= '9') ++i;
      return in_.substr(begin, i - begin);
    };
    const std::string_view low = number();
    const bool comma = i < in_.size() && in_[i] == ',';
    if (comma) ++i;
    const std::string_view high = comma ? number() : std::string_view();
    if (i >= in_.size() || in_[i] != '}' || (low.empty() && high.empty())) {
      ++at_;
      atom("\\{");
      return {};
    }
    at_ = i + 1;
    out_ += fmt::format("{{{}{}{}}}", low.empty() ? "0" : low, comma ? "," : "", high);
    const char follows = at_ < in_.size() ? in_[at_] : '\0';
    if (follows == '+' || (follows == '?' && !comma)) {
      out_.insert(atom_, "(?:");
      out_ += ')';
    } else if (follows == '?') {
      out_ += '?';
      ++at_;
    }
    return {};
  }

  Status open() {
    const std::size_t begin = out_.size();
    if (starts("(?#")) {
      const std::size_t end = in_.find(')', at_);
      if (end == std::string_view::npos) return refuse("a comment without its end");
      at_ = end + 1;
      return {};
    }
    constexpr std::array<std::string_view, 6> kSame = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"};
    for (const std::string_view same : kSame) {
      if (!starts(same)) continue;
      at_ += same.size();
      out_ += same;
      scopes_.push_back({begin, 0});
      return {};
    }
    if (!starts("(?")) {
      ++at_;
      out_ += '(';
      scopes_.push_back({begin, 0});
      return {};
    }
    if (starts("(?<")) {
      const std::size_t end = in_.find('>', at_);
      if (end == std::string_view::npos) return refuse("a group name without its end");
      out_ += in_.substr(at_, end + 1 - at_);
      at_ = end + 1;
      scopes_.push_back({begin, 0});
      return {};
    }
    return options(begin);
  }

  Status options(std::size_t begin) {
    std::size_t i = at_ + 2;
    std::string letters;
    while (i < in_.size() && (in_[i] == 'i' || in_[i] == 'm' || in_[i] == 'x' || in_[i] == '-')) {
      letters += in_[i] == 'm' ? 's' : in_[i];
      ++i;
    }
    if (i >= in_.size() || (in_[i] != ')' && in_[i] != ':')) return refuse("an unknown group");
    out_ += "(?" + letters + ":";
    if (in_[i] == ':') {
      scopes_.push_back({begin, 0});
    } else {
      ++scopes_.back().option_groups;  // to the end of the enclosing group, over its alternatives
    }
    at_ = i + 1;
    return {};
  }

  Status escape() {
    if (at_ + 1 >= in_.size()) return refuse("a backslash at the end");
    const char c = in_[at_ + 1];
    if (c == 'b' || c == 'B') {
      at_ += 2;
      const std::string word = fmt::format("[{}]", word_items());
      atom(c == 'b' ? fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word)
                    : fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word));
      return {};
    }
    if (c == 'R') {
      at_ += 2;
      atom(kLineBreak);
      return {};
    }
    if (c == 'O') {
      at_ += 2;
      atom("(?s:.)");
      return {};
    }
    constexpr std::string_view kSame = "AzZGKXN123456789";
    if (kSame.find(c) != std::string_view::npos) {
      atom(in_.substr(at_, 2));
      at_ += 2;
      return {};
    }
    if (c == 'k') {
      const std::size_t end = in_.find('>', at_);
      if (end == std::string_view::npos) return refuse("a group name without its end");
      atom(in_.substr(at_, end + 1 - at_));
      at_ = end + 1;
      return {};
    }
    constexpr std::string_view kNone = "gyYCM";
    if (kNone.find(c) != std::string_view::npos) return refuse("an unsupported escape");
    QUIRE_ASSIGN(const ClassItem item, translate_class_escape(in_, at_));
    atom(item.pattern());
    return {};
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
  std::size_t atom_ = 0;  // where the last atom starts in the output
  std::vector<Scope> scopes_;
};

}  // namespace

Result<std::string> translate_regex(std::string_view pattern) {
  if (valid_utf8_prefix(pattern) != pattern.size()) {
    return fail(ErrorCode::kInvalid, "regular expression is not valid UTF-8");
  }
  return Translator(pattern).run();
}

}  // namespace quire::text
