// Graphemes of fewer than 6 bytes are looked up whole, then everything character by character. Only
// such short graphemes matter, so a boundary test for them is enough: a base of 1 or 2 bytes with
// what extends it, and CR LF.
#include "models/text/normalizer_precompiled.h"

#include <unicode/uchar.h>

#include "models/text/unicode.h"

namespace quire::text {
namespace {

int break_kind(char32_t code) {
  return u_getIntPropertyValue(static_cast<UChar32>(code), UCHAR_GRAPHEME_CLUSTER_BREAK);
}

bool is_control(int kind) { return kind == U_GCB_CONTROL || kind == U_GCB_CR || kind == U_GCB_LF; }

// No boundary between the two, by the rules GB3-GB5 and GB9-GB9b of UAX 29.
bool joined(char32_t left, char32_t right) {
  if (left < 0x80 && right < 0x80) return left == '\r' && right == '\n';
  const int before = break_kind(left);
  const int after = break_kind(right);
  if (is_control(before) || is_control(after)) return false;
  if (after == U_GCB_EXTEND || after == U_GCB_ZWJ || after == U_GCB_SPACING_MARK) return true;
  return before == U_GCB_PREPEND;
}

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}

  Status apply(NormalText& text) const override {
    std::string out;
    out.reserve(text.text.size());
    std::size_t first_char_end = 0;
    for (std::size_t at = 0; at < text.text.size();) {
      const std::size_t end = grapheme_end(text.text, at);
      append(std::string_view(text.text).substr(at, end - at), out);
      if (at < text.first_char_end) first_char_end = out.size();
      at = end;
    }
    text.text = std::move(out);
    text.first_char_end = first_char_end;
    return {};
  }

 private:
  static std::size_t grapheme_end(std::string_view text, std::size_t at) {
    Utf8Char c = utf8_at(text, at);
    std::size_t end = at + c.bytes;
    while (end < text.size()) {
      const Utf8Char next = utf8_at(text, end);
      if (!joined(c.code, next.code)) break;
      c = next;
      end += c.bytes;
    }
    return end;
  }

  void append(std::string_view grapheme, std::string& out) const {
    if (grapheme.size() < 6) {
      if (const auto found = map_.shortest_prefix(grapheme)) {
        out += *found;
        return;
      }
    }
    for (std::size_t at = 0; at < grapheme.size();) {
      const std::string_view part = grapheme.substr(at, utf8_at(grapheme, at).bytes);
      out += map_.shortest_prefix(part).value_or(part);
      at += part.size();
    }
  }

  Charsmap map_;
};

}  // namespace

std::unique_ptr<Normalizer> make_precompiled(Charsmap map) {
  return std::make_unique<Precompiled>(std::move(map));
}

Result<std::string> decode_base64(std::string_view encoded) {
  std::string out;
  out.reserve(encoded.size() / 4 * 3);
  std::uint32_t bits = 0;
  int held = 0;
  std::size_t at = 0;
  for (; at < encoded.size() && encoded[at] != '='; ++at) {
    const char c = encoded[at];
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0) return fail(ErrorCode::kInvalid, "base64: a wrong character at {}", at);
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>((bits >> held) & 0xFF);
  }
  const std::size_t padding = encoded.size() - at;
  const bool padded = encoded.find_first_not_of('=', at) == std::string_view::npos &&
                      encoded.size() % 4 == 0 && padding <= 2 &&
                      held == static_cast<int>(padding) * 2;
  if (!padded)
    return fail(ErrorCode::kInvalid, "base64: {} characters end wrongly", encoded.size());
  return out;
}

Result<std::unique_ptr<Normalizer>> make_precompiled_base64(std::string_view encoded) {
  QUIRE_ASSIGN(const std::string blob, decode_base64(encoded));
  QUIRE_ASSIGN(Charsmap map, Charsmap::parse(blob));
  return make_precompiled(std::move(map));
}

}  // namespace quire::text
