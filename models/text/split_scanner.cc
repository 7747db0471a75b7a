// One function for each alternative of the patterns, tried in the pattern's order.
#include "models/text/split_scanner.h"

#include <unicode/uchar.h>

#include <array>
#include <cstdint>

#include "models/text/unicode.h"
#include "models/text/unicode_newer.h"

namespace quire::text {
namespace {

enum Class : std::uint8_t { kOther, kLetter, kNumber, kBlank, kBreak, kMark };

constexpr std::array<Class, 128> kAscii = [] {
  std::array<Class, 128> table{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool blank = c == ' ' || (c >= 9 && c <= 13);
    table[c] = letter                   ? kLetter
               : c >= '0' && c <= '9'   ? kNumber
               : c == '\n' || c == '\r' ? kBreak
               : blank                  ? kBlank
                                        : kOther;
  }
  return table;
}();

Class class_of_newer(char32_t code) {
  for (const char* letters : {"lu", "ll", "lm", "lo"}) {
    if (lies_in(newer_chars(letters), code)) return kLetter;
  }
  for (const char* numbers : {"nd", "no"}) {
    if (lies_in(newer_chars(numbers), code)) return kNumber;
  }
  for (const char* marks : {"mn", "mc"}) {
    if (lies_in(newer_chars(marks), code)) return kMark;
  }
  return kOther;
}

Class class_of_wide(char32_t code) {
  if (is_white_space(code)) return kBlank;
  const auto category = u_charType(static_cast<UChar32>(code));
  if (category == U_UNASSIGNED) return class_of_newer(code);
  const std::uint32_t bit = U_MASK(category);
  if ((bit & U_GC_L_MASK) != 0) return kLetter;
  if ((bit & U_GC_N_MASK) != 0) return kNumber;
  return (bit & U_GC_M_MASK) != 0 ? kMark : kOther;
}

struct Cursor {
  Class kind;
  std::uint32_t bytes;
};

class Scanner {
 public:
  Scanner(const ScanRules& rules, std::string_view text) : rules_(rules), text_(text) {}

  std::size_t piece_end(std::size_t at) const {
    if (const std::size_t end = contraction(at)) return end;
    return rules_.gpt2 ? gpt2(at) : gpt4(at);
  }

 private:
  Cursor look(std::size_t at) const {
    const auto byte = static_cast<unsigned char>(text_[at]);
    if (byte < 0x80) return {kAscii[byte], 1};
    const Utf8Char c = utf8_at(text_, at);
    const Class kind = class_of_wide(c.code);
    if (kind != kMark) return {kind, c.bytes};
    return {rules_.marks_in_words ? kLetter : kOther, c.bytes};
  }

  template <class Accept>
  std::size_t run(std::size_t at, Accept accept) const {
    while (at < text_.size()) {
      const Cursor c = look(at);
      if (!accept(c.kind)) break;
      at += c.bytes;
    }
    return at;
  }
  std::size_t run_of(std::size_t at, Class kind) const {
    return run(at, [kind](Class other) { return other == kind; });
  }

  // 0: none here.
  std::size_t contraction(std::size_t at) const {
    if (text_[at] != '\'' || at + 1 >= text_.size()) return 0;
    const bool any_case = rules_.contractions == ScanRules::Contractions::kAnyCase;
    const auto letter = [&](std::size_t i) -> char {
      if (i >= text_.size()) return 0;
      const char c = text_[i];
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    const char first = letter(at + 1);
    const char second = letter(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
    if (first == 'l' && second == 'l') return at + 3;
    // The long s folds to s.
    if (any_case && text_.substr(at + 1).starts_with("\xC5\xBF")) return at + 3;
    return 0;
  }

  std::size_t gpt2(std::size_t at) const {
    const Cursor c = look(at);
    std::size_t start = at;
    Class kind = c.kind;
    if (text_[at] == ' ' && at + 1 < text_.size()) {
      const Class next = look(at + 1).kind;
      if (next != kBlank && next != kBreak) {
        start = at + 1;
        kind = next;
      }
    }
    if (kind == kBlank || kind == kBreak) return blanks(at, 0);
    return run_of(start, kind);
  }

  std::size_t gpt4(std::size_t at) const {
    const Cursor c = look(at);
    if (c.kind == kLetter) return run_of(at, kLetter);
    const std::size_t after = at + c.bytes;
    if (c.kind == kNumber) return digits(at);
    if (c.kind != kBreak && after < text_.size()) {
      const Class next = look(after).kind;
      if (next == kLetter) return run_of(after, kLetter);
      if (text_[at] == ' ' && next == kOther) return signs(after);
    }
    if (c.kind == kOther) return signs(at);
    return blanks(at, 1);
  }

  std::size_t digits(std::size_t at) const {
    for (int taken = 0; taken < rules_.digits_max && at < text_.size(); ++taken) {
      const Cursor c = look(at);
      if (c.kind != kNumber) break;
      at += c.bytes;
    }
    return at;
  }

  std::size_t signs(std::size_t at) const { return run_of(run_of(at, kOther), kBreak); }

  // White space: up to its last line break (where the pattern has that), else all but the last
  // character when something follows, else all.
  std::size_t blanks(std::size_t at, int take_breaks) const {
    std::size_t end = at;
    std::size_t last_start = at;
    std::size_t break_end = 0;
    while (end < text_.size()) {
      const Cursor c = look(end);
      if (c.kind != kBlank && c.kind != kBreak) break;
      last_start = end;
      end += c.bytes;
      if (c.kind == kBreak) break_end = end;
    }
    if (take_breaks != 0 && break_end != 0) return break_end;
    return end < text_.size() && last_start > at ? last_start : end;
  }

  const ScanRules& rules_;
  std::string_view text_;
};

}  // namespace

std::optional<ScanRules> recognise_scan(std::string_view regex) {
  using Contractions = ScanRules::Contractions;
  if (regex == R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)") {
    return ScanRules{.contractions = Contractions::kLowerCase, .gpt2 = true};
  }
  constexpr std::string_view kContractions[] = {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|",
                                                "'(?i:[sdmt]|ll|ve|re)|"};
  bool found = false;
  for (const std::string_view start : kContractions) {
    if (!regex.starts_with(start)) continue;
    regex.remove_prefix(start.size());
    found = true;
  }
  if (!found) return std::nullopt;
  ScanRules rules;
  struct Words {
    std::string_view words;
    std::string_view rest;
    bool marks;
  };
  constexpr std::string_view kRest = R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  constexpr std::string_view kMarkRest =
      R"( ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  constexpr Words kWords[] = {
      {R"([^\r\n\p{L}\p{N}]?\p{L}+|)", kRest, false},
      {R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|)", kMarkRest, true},
  };
  for (const Words& known : kWords) {
    std::string_view rest = regex;
    if (!rest.starts_with(known.words)) continue;
    rest.remove_prefix(known.words.size());
    for (const auto& [digits, count] :
         {std::pair{std::string_view(R"(\p{N}|)"), 1}, {R"(\p{N}{1,3}|)", 3}}) {
      if (!rest.starts_with(digits) || rest.substr(digits.size()) != known.rest) continue;
      rules.digits_max = count;
      rules.marks_in_words = known.marks;
      return rules;
    }
  }
  return std::nullopt;
}

std::size_t scan_piece(const ScanRules& rules, std::string_view text, std::size_t at) {
  return Scanner(rules, text).piece_end(at);
}

}  // namespace quire::text
