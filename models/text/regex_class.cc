// Brackets with nesting and intersection become groups with lookahead: each alternative matches
// exactly one character, so [a&&b] is (?=[a])[b] and a negation is (?!...) before any character.
#include "models/text/regex_class.h"

#include <algorithm>
#include <vector>

#include "models/text/unicode.h"
#include "models/text/unicode_newer.h"

namespace quire::text {
namespace {

constexpr std::string_view kSpaceItems =
    "\\t-\\r\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}"
    "\\x{3000}";
constexpr std::string_view kHexItems = "0-9A-Fa-f";

std::string code_item(char32_t code) { return fmt::format("\\x{{{:X}}}", std::uint32_t{code}); }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string class_items(std::string_view name);

class ClassParser {
 public:
  ClassParser(std::string_view in, std::size_t& at) : in_(in), at_(at) {}

  tl::unexpected<Error> refuse(std::string_view what) const {
    return fail(ErrorCode::kInvalid, "regular expression \"{}\": {} at {}", in_.substr(0, 200),
                what, at_);
  }

  Result<std::string> bracket() {
    if (++depth_ > 16) return refuse("classes nested too deeply");
    ++at_;
    const bool negated = take("^");
    std::vector<Operand> operands(1);
    bool first = true;
    for (;; first = false) {
      if (at_ >= in_.size()) return refuse("a class without its end");
      if (in_[at_] == ']' && !first) break;
      if (take("&&")) {
        operands.emplace_back();
        continue;
      }
      QUIRE_TRY(item(operands.back()));
    }
    ++at_;
    --depth_;
    return combine(operands, negated);
  }

  Result<ClassItem> escape() {
    if (at_ + 1 >= in_.size()) return refuse("a backslash at the end");
    const char c = in_[at_ + 1];
    const auto done = [&](std::string_view items, bool negated) {
      at_ += 2;
      return ClassItem{std::string(items), negated, false};
    };
    switch (c) {
      case 's':
      case 'S':
        return done(kSpaceItems, c == 'S');
      case 'w':
      case 'W':
        return done(word_items(), c == 'W');
      case 'd':
      case 'D':
        return done(class_items("nd"), c == 'D');
      case 'h':
      case 'H':
        return done(kHexItems, c == 'H');
      case 'p':
      case 'P':
        return property(c == 'P');
      default: {
        QUIRE_ASSIGN(const char32_t code, escaped_char());
        return ClassItem{code_item(code), false, false};
      }
    }
  }

 private:
  struct Operand {
    std::string items;                // inside one pair of brackets
    std::vector<std::string> groups;  // patterns of one character each
  };

  bool take(std::string_view text) {
    if (!in_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  static std::string operand_pattern(const Operand& operand) {
    std::vector<std::string> parts = operand.groups;
    if (!operand.items.empty()) parts.insert(parts.begin(), fmt::format("[{}]", operand.items));
    if (parts.size() == 1) return parts[0];
    return fmt::format("(?:{})", fmt::join(parts, "|"));
  }

  Result<std::string> combine(const std::vector<Operand>& operands, bool negated) {
    for (const Operand& operand : operands) {
      if (operand.items.empty() && operand.groups.empty()) return refuse("an empty class");
    }
    if (operands.size() == 1 && operands[0].groups.empty()) {
      return fmt::format("[{}{}]", negated ? "^" : "", operands[0].items);
    }
    std::string all = operand_pattern(operands.back());
    for (std::size_t i = 0; i + 1 < operands.size(); ++i) {
      all = fmt::format("(?={}){}", operand_pattern(operands[i]), all);
    }
    return negated ? fmt::format("(?:(?!{})(?s:.))", all) : fmt::format("(?:{})", all);
  }

  Status item(Operand& operand) {
    if (in_.substr(at_).starts_with("[:")) {
      const std::size_t end = in_.find(":]", at_ + 2);
      if (end != std::string_view::npos) {
        std::string_view name = in_.substr(at_ + 2, end - at_ - 2);
        const bool negated = name.starts_with("^");
        if (negated) name.remove_prefix(1);
        QUIRE_ASSIGN(std::string items, property_items(name));
        if (name == "punct") items += property_items("symbol").value();
        at_ = end + 2;
        add(operand, {items, negated, false});
        return {};
      }
    }
    if (in_[at_] == '[') {
      QUIRE_ASSIGN(std::string nested, bracket());
      operand.groups.push_back(std::move(nested));
      return {};
    }
    constexpr std::string_view kClassEscapes = "swdhpSWDHP";
    if (in_[at_] == '\\' && at_ + 1 < in_.size() &&
        kClassEscapes.find(in_[at_ + 1]) != std::string_view::npos) {
      QUIRE_ASSIGN(const ClassItem parsed, escape());
      add(operand, parsed);
      return {};
    }
    QUIRE_ASSIGN(const char32_t low, one_char());
    operand.items += code_item(low);
    const std::string_view rest = in_.substr(at_);
    if (!rest.starts_with("-") || rest.size() < 2 || rest[1] == ']') return {};
    ++at_;
    if (in_[at_] == '[') {
      operand.items += "\\-";
      return {};
    }
    QUIRE_ASSIGN(const char32_t high, one_char());
    if (high < low) return refuse("a range that runs backwards");
    operand.items += fmt::format("-{}", code_item(high));
    return {};
  }

  static void add(Operand& operand, const ClassItem& item) {
    if (item.negated) {
      operand.groups.push_back(item.pattern());
    } else {
      operand.items += item.items;
    }
  }

  Result<char32_t> one_char() {
    if (in_[at_] == '\\') return escaped_char();
    const Utf8Char c = utf8_at(in_, at_);
    at_ += c.bytes;
    return c.code;
  }

  Result<char32_t> escaped_char() {
    if (at_ + 1 >= in_.size()) return refuse("a backslash at the end");
    const char c = in_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 't':
        return U'\t';
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 'f':
        return U'\f';
      case 'v':
        return U'\v';
      case 'a':
        return U'\a';
      case 'e':
        return char32_t{0x1B};
      case 'b':
        return U'\b';
      case '0':
        return char32_t{0};
      case 'u':
        return hex_digits(4, 4);
      case 'x':
        if (take("{")) {
          QUIRE_ASSIGN(const char32_t code, hex_digits(1, 8));
          if (!take("}")) return refuse("\\x{ without its end");
          return code;
        }
        return hex_digits(1, 2);
      default:
        break;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9')) {
      return refuse("an unknown escape");
    }
    at_ -= 1;
    const Utf8Char literal = utf8_at(in_, at_);
    at_ += literal.bytes;
    return literal.code;
  }

  Result<char32_t> hex_digits(int least, int most) {
    char32_t code = 0;
    int taken = 0;
    while (taken < most && at_ < in_.size() && hex_value(in_[at_]) >= 0) {
      code = code * 16 + static_cast<char32_t>(hex_value(in_[at_++]));
      ++taken;
    }
    if (taken < least || code > 0x10FFFF) return refuse("a character code out of range");
    return code;
  }

  Result<ClassItem> property(bool negated) {
    at_ += 2;
    std::string_view name;
    if (take("{")) {
      const std::size_t end = in_.find('}', at_);
      if (end == std::string_view::npos) return refuse("a property without its end");
      name = in_.substr(at_, end - at_);
      at_ = end + 1;
    } else {
      if (at_ >= in_.size()) return refuse("a property without its name");
      name = in_.substr(at_++, 1);
    }
    if (name.starts_with("^")) {
      negated = !negated;
      name.remove_prefix(1);
    }
    QUIRE_ASSIGN(std::string items, property_items(name));
    return ClassItem{std::move(items), negated, false};
  }

  std::string_view in_;
  std::size_t& at_;
  int depth_ = 0;
};

struct PropertyName {
  std::string_view name;   // lower case, without separators
  std::string_view means;  // the classes that it unites, by their short names
};

constexpr PropertyName kProperties[] = {
    {"letter", "l"},
    {"uppercaseletter", "lu"},
    {"lowercaseletter", "ll"},
    {"titlecaseletter", "lt"},
    {"modifierletter", "lm"},
    {"otherletter", "lo"},
    {"mark", "m"},
    {"combiningmark", "m"},
    {"nonspacingmark", "mn"},
    {"spacingmark", "mc"},
    {"enclosingmark", "me"},
    {"number", "n"},
    {"decimalnumber", "nd"},
    {"letternumber", "nl"},
    {"othernumber", "no"},
    {"punctuation", "p"},
    {"punct", "p"},
    {"connectorpunctuation", "pc"},
    {"dashpunctuation", "pd"},
    {"openpunctuation", "ps"},
    {"closepunctuation", "pe"},
    {"initialpunctuation", "pi"},
    {"finalpunctuation", "pf"},
    {"otherpunctuation", "po"},
    {"symbol", "s"},
    {"mathsymbol", "sm"},
    {"currencysymbol", "sc"},
    {"modifiersymbol", "sk"},
    {"othersymbol", "so"},
    {"separator", "z"},
    {"spaceseparator", "zs"},
    {"lineseparator", "zl"},
    {"paragraphseparator", "zp"},
    {"other", "c"},
    {"control", "cc"},
    {"cntrl", "cc"},
    {"format", "cf"},
    {"unassigned", "cn"},
    {"privateuse", "co"},
    {"surrogate", "cs"},
    {"alpha", "alphabetic"},
    {"digit", "nd"},
    {"alnum", "alphabetic nd"},
    {"upper", "uppercase"},
    {"lower", "lowercase"},
    {"whitespace", "space"},
    {"word", "alphabetic m nd pc"},
};

// Classes without a name in PCRE2, and what Unicode 16 moved into older classes.
constexpr PropertyName kSpelled[] = {
    {"any", "\\x{0}-\\x{10FFFF}"},
    {"ascii", "\\x{0}-\\x{7F}"},
    {"space", kSpaceItems},
    {"xdigit", kHexItems},
    {"blank", "\\t\\p{Zs}"},
    {"alphabetic",
     "\\p{Alphabetic}\\x{363}-\\x{36F}\\x{C04}\\x{F82}\\x{F83}\\x{1DD3}-\\x{1DE6}\\x{11080}"
     "\\x{11081}"},
    {"lowercase", "\\p{Lowercase}\\x{10FC}\\x{A7F2}-\\x{A7F4}\\x{AB69}"},
};

bool is_one_of(std::string_view words, std::string_view word) {
  return words.find(fmt::format(" {} ", word)) != std::string_view::npos;
}

std::string newer_items(std::string_view name) {
  std::string items;
  for (const CharRange& range : newer_chars(name)) {
    items += code_item(range.first);
    if (range.last != range.first) items += fmt::format("-{}", code_item(range.last));
  }
  return items;
}

// One class by its short name: what PCRE2 has, and what came later.
std::string class_items(std::string_view name) {
  for (const PropertyName& spelled : kSpelled) {
    if (spelled.name != name) continue;
    return std::string(spelled.means) + newer_items(name == "lowercase" ? "ll" : name);
  }
  constexpr std::string_view kCategories =
      " c cc cf cn co cs l ll lm lo lt lu m mc me mn n nd nl no p pc pd pe pf pi po ps s sc sk sm "
      "so z zl zp zs ";
  if (is_one_of(kCategories, name)) {
    std::string items = fmt::format("\\p{{{}{}}}", static_cast<char>(name[0] - 32), name.substr(1));
    if (name.size() == 2) return items + newer_items(name);
    for (const char* second : {"u", "l", "m", "o", "n", "c", "d", "k", "f"}) {
      items += newer_items(std::string(name) + second);
    }
    return items;
  }
  constexpr std::string_view kBinary =
      " uppercase emoji emojipresentation extendedpictographic ideographic math hexdigit idstart "
      "idcontinue xidstart xidcontinue defaultignorablecodepoint ";
  if (is_one_of(kBinary, name)) {
    return fmt::format("\\p{{{}}}{}", name, name == "uppercase" ? newer_items("lu") : "");
  }
  // A script; PCRE2 refuses what it does not know.
  return fmt::format("\\p{{sc:{}}}{}", name, newer_items(name));
}

// \w counts these where it stands outside brackets: the engine takes them from its Latin-1 table.
constexpr std::string_view kLatinDigitItems = "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";

}  // namespace

const std::string& word_items() {
  static const std::string items = property_items("word").value() + std::string(kLatinDigitItems);
  return items;
}

Result<std::string> property_items(std::string_view name) {
  std::string key;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == ' ') continue;
    key += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  const bool plain =
      !key.empty() && key.size() <= 40 && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
      });
  if (!plain) return fail(ErrorCode::kInvalid, "unknown character property \"{}\"", name);
  std::string_view means = key;
  for (const PropertyName& known : kProperties) {
    if (known.name == key) means = known.means;
  }
  std::string items;
  while (!means.empty()) {
    const std::size_t space = std::min(means.find(' '), means.size());
    items += class_items(means.substr(0, space));
    means.remove_prefix(std::min(space + 1, means.size()));
  }
  return items;
}

Result<ClassItem> translate_class_escape(std::string_view in, std::size_t& at) {
  return ClassParser(in, at).escape();
}

Result<std::string> translate_class(std::string_view in, std::size_t& at) {
  return ClassParser(in, at).bracket();
}

}  // namespace quire::text
