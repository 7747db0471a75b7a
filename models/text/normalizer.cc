// The normalizers of the tokenizers library. Unicode forms by ICU.
#include "models/text/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include <algorithm>

#include "models/text/byte_alphabet.h"
#include "models/text/normalizer_precompiled.h"
#include "models/text/regex.h"
#include "models/text/spec.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

class UnicodeForm final : public Normalizer {
 public:
  explicit UnicodeForm(std::unique_ptr<const icu::Normalizer2> form) : form_(std::move(form)) {}

  Status apply(NormalText& text) const override {
    if (is_ascii(text.text)) return {};
    UErrorCode error = U_ZERO_ERROR;
    const icu::StringPiece piece(text.text.data(), static_cast<std::int32_t>(text.text.size()));
    if (form_->isNormalizedUTF8(piece, error)) return {};
    std::string out = normalized(text.text, error);
    if (text.first_char_end > 0) {
      const std::string_view first = std::string_view(text.text).substr(0, text.first_char_end);
      text.first_char_end = std::max<std::size_t>(normalized(first, error).size(),
                                                  out.empty() ? 0 : utf8_at(out, 0).bytes);
    }
    if (U_FAILURE(error)) {
      return fail(ErrorCode::kInternal, "Unicode normalization of {} bytes: {}", text.text.size(),
                  u_errorName(error));
    }
    text.text = std::move(out);
    return {};
  }

 private:
  std::string normalized(std::string_view text, UErrorCode& error) const {
    std::string out;
    icu::StringByteSink<std::string> sink(&out);
    form_->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())),
                         sink, nullptr, error);
    return out;
  }

  std::unique_ptr<const icu::Normalizer2> form_;
};

// Rewrites character by character: `map(code, out)` appends what the character becomes.
template <class Map>
void map_chars(NormalText& text, Map map) {
  std::string out;
  out.reserve(text.text.size());
  std::size_t first_char_end = 0;
  for (std::size_t at = 0; at < text.text.size();) {
    const Utf8Char c = utf8_at(text.text, at);
    map(c.code, out);
    at += c.bytes;
    if (at == text.first_char_end) first_char_end = out.size();
  }
  text.text = std::move(out);
  text.first_char_end = first_char_end;
}

using CharMap = void (*)(char32_t, std::string&);

class MapNormalizer final : public Normalizer {
 public:
  explicit MapNormalizer(CharMap map) : map_(map) {}
  Status apply(NormalText& text) const override {
    map_chars(text, map_);
    return {};
  }

 private:
  CharMap map_;
};

void lowercase(char32_t code, std::string& out) { append_lowercase(out, code); }

void strip_mark(char32_t code, std::string& out) {
  if (!is_mark(code)) append_utf8(out, code);
}

void strip_nonspacing_mark(char32_t code, std::string& out) {
  if (!is_nonspacing_mark(code)) append_utf8(out, code);
}

void nmt(char32_t code, std::string& out) {
  const bool dropped = (code >= 0x01 && code <= 0x08) || code == 0x0B ||
                       (code >= 0x0E && code <= 0x1F) || code == 0x7F || code == 0x8F ||
                       code == 0x9F;
  if (dropped) return;
  const bool blank = code == 0x09 || code == 0x0A || code == 0x0C || code == 0x0D ||
                     code == 0x1680 || (code >= 0x200B && code <= 0x200F) || code == 0x2028 ||
                     code == 0x2029 || code == 0x2581 || code == 0xFEFF || code == 0xFFFD;
  append_utf8(out, blank ? U' ' : code);
}

void clean_text(char32_t code, std::string& out) {
  const bool line = code == '\t' || code == '\n' || code == '\r';
  if (code == 0 || code == 0xFFFD || (!line && is_other(code))) return;
  append_utf8(out, is_white_space(code) ? U' ' : code);
}

void space_ideographs(char32_t code, std::string& out) {
  const bool ideograph = is_cjk_ideograph(code);
  if (ideograph) out += ' ';
  append_utf8(out, code);
  if (ideograph) out += ' ';
}

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  Status apply(NormalText& text) const override {
    std::size_t begin = 0;
    std::size_t end = text.text.size();
    while (left_ && begin < end) {
      const Utf8Char c = utf8_at(text.text, begin);
      if (!is_white_space(c.code)) break;
      begin += c.bytes;
    }
    while (right_ && begin < end) {
      const std::size_t last = utf8_previous(text.text, end);
      if (!is_white_space(utf8_at(text.text, last).code)) break;
      end = last;
    }
    text.text = text.text.substr(begin, end - begin);
    text.first_char_end =
        std::min(text.first_char_end - std::min(begin, text.first_char_end), text.text.size());
    return {};
  }

 private:
  bool left_;
  bool right_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string text) : text_(std::move(text)) {}
  Status apply(NormalText& text) const override {
    if (text.text.empty()) return {};
    text.text.insert(0, text_);
    if (text.first_char_end > 0) text.first_char_end += text_.size();
    return {};
  }

 private:
  std::string text_;
};

class Replace final : public Normalizer {
 public:
  Replace(Regex regex, std::string literal, std::string content)
      : regex_(std::move(regex)), literal_(std::move(literal)), content_(std::move(content)) {}

  Status apply(NormalText& text) const override {
    std::vector<Match> matches;
    if (literal_.empty()) {
      QUIRE_TRY(regex_.find_all(text.text, matches));
    } else {
      find_literal(text.text, matches);
    }
    if (std::none_of(matches.begin(), matches.end(), [](const Match& m) { return m.matched; })) {
      return {};
    }
    std::string out;
    out.reserve(text.text.size() + matches.size() / 2 * content_.size());
    std::size_t first_char_end = 0;
    for (const Match& match : matches) {
      const std::size_t begin = out.size();
      if (match.matched) {
        out += content_;
        // The replacement counts as the last character that it replaces.
        if (match.end <= text.first_char_end) first_char_end = out.size();
      } else {
        out.append(text.text, match.begin, match.end - match.begin);
        const std::size_t from_first =
            std::min(match.end, text.first_char_end) - std::min(match.begin, text.first_char_end);
        if (from_first > 0) first_char_end = begin + from_first;
      }
    }
    text.text = std::move(out);
    text.first_char_end = first_char_end;
    return {};
  }

 private:
  void find_literal(std::string_view text, std::vector<Match>& out) const {
    std::size_t covered = 0;
    for (;;) {
      const std::size_t found = text.find(literal_, covered);
      if (found == std::string_view::npos) break;
      if (covered < found) out.push_back({covered, found, false});
      covered = found + literal_.size();
      out.push_back({found, covered, true});
    }
    if (covered < text.size()) out.push_back({covered, text.size(), false});
  }

  Regex regex_;
  std::string literal_;  // empty: use the regex
  std::string content_;
};

class ByteChars final : public Normalizer {
 public:
  Status apply(NormalText& text) const override {
    std::string out;
    append_byte_chars(out, text.text);
    std::string first;
    append_byte_chars(first, std::string_view(text.text).substr(0, text.first_char_end));
    text.text = std::move(out);
    text.first_char_end = first.size();
    return {};
  }
};

Result<std::unique_ptr<const icu::Normalizer2>> icu_form(std::string_view form) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* found = form == "NFC"    ? icu::Normalizer2::getNFCInstance(error)
                                  : form == "NFD"  ? icu::Normalizer2::getNFDInstance(error)
                                  : form == "NFKC" ? icu::Normalizer2::getNFKCInstance(error)
                                                   : icu::Normalizer2::getNFKDInstance(error);
  // The reference normalizes by Unicode 9; later characters stay as they are.
  static const icu::UnicodeSet kKnown(icu::UnicodeString(u"[:age=9.0:]"), error);
  if (U_FAILURE(error)) {
    return fail(ErrorCode::kInternal, "ICU has no {}: {}", form, u_errorName(error));
  }
  return std::make_unique<icu::FilteredNormalizer2>(*found, kKnown);
}

std::unique_ptr<Normalizer> make_map(CharMap map) { return std::make_unique<MapNormalizer>(map); }

struct BertOptions {
  bool clean = true;
  bool ideographs = true;
  bool strip = true;
  bool lower = true;
};

Status append_bert(const BertOptions& options, Normalizers& out) {
  if (options.clean) out.push_back(make_map(&clean_text));
  if (options.ideographs) out.push_back(make_map(&space_ideographs));
  if (options.strip) {
    QUIRE_ASSIGN(auto form, make_unicode_normalizer("NFD"));
    out.push_back(std::move(form));
    out.push_back(make_map(&strip_nonspacing_mark));
  }
  if (options.lower) out.push_back(make_map(&lowercase));
  return {};
}

Status append_bert(const SpecReader& spec, Normalizers& out) {
  BertOptions options;
  QUIRE_ASSIGN(options.clean, spec.boolean("clean_text"));
  QUIRE_ASSIGN(options.ideographs, spec.boolean("handle_chinese_chars"));
  QUIRE_ASSIGN(options.lower, spec.boolean("lowercase"));
  QUIRE_ASSIGN(options.strip, spec.boolean("strip_accents", options.lower));
  return append_bert(options, out);
}

Result<std::unique_ptr<Normalizer>> make_replace(const SpecReader& spec) {
  QUIRE_ASSIGN(const SpecPattern pattern, spec.pattern("pattern"));
  QUIRE_ASSIGN(std::string content, spec.string("content"));
  QUIRE_ASSIGN(Regex regex, spec.at(pattern.is_regex ? Regex::compile(pattern.text)
                                                     : Regex::compile_literal(pattern.text)));
  return std::make_unique<Replace>(std::move(regex), pattern.is_regex ? "" : pattern.text,
                                   std::move(content));
}

Status append(const SpecReader& spec, Normalizers& out) {
  QUIRE_ASSIGN(const std::string type, spec.type());
  if (type == "Sequence") {
    return spec.each("normalizers", [&out](const SpecReader& child) { return append(child, out); });
  }
  if (type == "BertNormalizer" || type == "Bert") return append_bert(spec, out);
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    QUIRE_ASSIGN(auto form, make_unicode_normalizer(type));
    out.push_back(std::move(form));
  } else if (type == "Lowercase") {
    out.push_back(make_map(&lowercase));
  } else if (type == "StripAccents") {
    out.push_back(make_map(&strip_mark));
  } else if (type == "Nmt") {
    out.push_back(make_map(&nmt));
  } else if (type == "Strip") {
    QUIRE_ASSIGN(const bool left, spec.boolean("strip_left"));
    QUIRE_ASSIGN(const bool right, spec.boolean("strip_right"));
    out.push_back(std::make_unique<Strip>(left, right));
  } else if (type == "Prepend") {
    QUIRE_ASSIGN(std::string text, spec.string("prepend"));
    out.push_back(make_prepend(std::move(text)));
  } else if (type == "Replace") {
    QUIRE_ASSIGN(auto replace, make_replace(spec));
    out.push_back(std::move(replace));
  } else if (type == "ByteLevel") {
    out.push_back(std::make_unique<ByteChars>());
  } else if (type == "Precompiled") {
    QUIRE_ASSIGN(const std::string encoded, spec.string("precompiled_charsmap", ""));
    if (encoded.empty()) return {};
    QUIRE_ASSIGN(auto precompiled, spec.at(make_precompiled_base64(encoded)));
    out.push_back(std::move(precompiled));
  } else {
    return spec.refuse("type", type);
  }
  return {};
}

}  // namespace

Result<Normalizers> make_normalizers(const Json& spec, std::string_view where) {
  Normalizers out;
  if (!spec.is_null()) QUIRE_TRY(append(SpecReader(spec, std::string(where)), out));
  return out;
}

std::unique_ptr<Normalizer> make_prepend(std::string text) {
  return std::make_unique<Prepend>(std::move(text));
}

Result<std::unique_ptr<Normalizer>> make_literal_replace(std::string_view pattern,
                                                         std::string content) {
  QUIRE_ASSIGN(Regex regex, Regex::compile_literal(pattern));
  return std::make_unique<Replace>(std::move(regex), std::string(pattern), std::move(content));
}

Result<std::unique_ptr<Normalizer>> make_unicode_normalizer(std::string_view form) {
  QUIRE_ASSIGN(auto found, icu_form(form));
  return std::make_unique<UnicodeForm>(std::move(found));
}

Status append_bert_normalizer(bool lowercase, Normalizers& out) {
  return append_bert(BertOptions{.strip = lowercase, .lower = lowercase}, out);
}

Status normalize(const Normalizers& normalizers, NormalText& text) {
  for (const auto& normalizer : normalizers) QUIRE_TRY(normalizer->apply(text));
  return {};
}

}  // namespace quire::text
