// Pre-tokenizing step by step; behaviours as the tokenizers library has them.
#include "models/text/pre_tokenizer_steps.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>

#include "models/text/byte_alphabet.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

// Applies `split(piece text, piece, out)` to each text piece.
template <class Split>
Status split_pieces(Pieces& pieces, Split split) {
  std::vector<Piece> out;
  out.reserve(pieces.items.size() * 2);
  for (const Piece& piece : pieces.items) {
    if (!piece.is_text()) {
      out.push_back(piece);
      continue;
    }
    QUIRE_TRY(split(pieces.text_of(piece), piece, out));
  }
  pieces.items = std::move(out);
  return {};
}

// Writes a new text piece by piece: `rewrite(text, piece, out)` appends.
template <class Rewrite>
void rewrite_pieces(Pieces& pieces, Rewrite rewrite) {
  std::string text;
  text.reserve(pieces.text().size() + pieces.text().size() / 4 + 16);
  std::size_t first_char_end = 0;
  for (Piece& piece : pieces.items) {
    const auto begin = static_cast<std::uint32_t>(text.size());
    const bool first = piece.begin < pieces.first_char_end;
    if (piece.is_text()) first_char_end += rewrite(pieces.text_of(piece), first, text);
    piece.begin = begin;
    piece.end = static_cast<std::uint32_t>(text.size());
  }
  pieces.replace_text(std::move(text));
  pieces.first_char_end = first_char_end;
}

Piece part(const Piece& whole, std::size_t begin, std::size_t end) {
  return {whole.begin + static_cast<std::uint32_t>(begin),
          whole.begin + static_cast<std::uint32_t>(end), -1};
}

template <class Predicate>
void find_chars(std::string_view text, Predicate predicate, std::vector<Match>& out) {
  std::size_t covered = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    if (predicate(c.code)) {
      if (covered < at) out.push_back({covered, at, false});
      out.push_back({at, at + c.bytes, true});
      covered = at + c.bytes;
    }
    at += c.bytes;
  }
  if (covered < text.size()) out.push_back({covered, text.size(), false});
}

// The reference's table of scripts is that of Unicode 9.
constexpr int kScriptsVersion = 9;

UScriptCode script_of(char32_t code) {
  if (code == U' ') return USCRIPT_INVALID_CODE;
  if (code == 0x30FC) return USCRIPT_HAN;
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(code), age);
  if (age[0] > kScriptsVersion) return USCRIPT_INVALID_CODE;
  UErrorCode error = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(static_cast<UChar32>(code), &error);
  if (script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA) return USCRIPT_HAN;
  return script == USCRIPT_UNKNOWN ? USCRIPT_INVALID_CODE : script;
}

}  // namespace

void split_by_matches(std::vector<Match>& matches, SplitBehavior behavior, const Piece& piece,
                      std::vector<Piece>& out) {
  const auto keep = [&](const Match& match) {
    if (match.begin < match.end) out.push_back(part(piece, match.begin, match.end));
  };
  if (behavior == SplitBehavior::kIsolated || behavior == SplitBehavior::kRemoved) {
    for (const Match& match : matches) {
      if (behavior == SplitBehavior::kIsolated || !match.matched) keep(match);
    }
    return;
  }
  // The others grow the piece before (or, from the right, the piece behind) by some of the matches.
  const bool from_right = behavior == SplitBehavior::kMergedWithNext;
  if (from_right) std::reverse(matches.begin(), matches.end());
  std::vector<Match> merged;
  bool previous = false;
  for (const Match& match : matches) {
    const bool joins = behavior == SplitBehavior::kContiguous ? match.matched == previous
                                                              : match.matched && !previous;
    previous = match.matched;
    if (!joins || merged.empty()) {
      merged.push_back(match);
    } else if (from_right) {
      merged.back().begin = match.begin;
    } else {
      merged.back().end = match.end;
    }
  }
  if (from_right) std::reverse(merged.begin(), merged.end());
  for (const Match& match : merged) keep(match);
}

Status CharSplit::apply(Pieces& pieces) const {
  std::vector<Match> matches;
  return split_pieces(pieces, [&](std::string_view text, const Piece& piece, auto& out) -> Status {
    matches.clear();
    find_chars(text, predicate_, matches);
    split_by_matches(matches, behavior_, piece, out);
    return {};
  });
}

Status DelimiterSplit::apply(Pieces& pieces) const {
  std::vector<Match> matches;
  return split_pieces(pieces, [&](std::string_view text, const Piece& piece, auto& out) -> Status {
    matches.clear();
    find_chars(
        text, [this](char32_t code) { return code == delimiter_; }, matches);
    split_by_matches(matches, SplitBehavior::kRemoved, piece, out);
    return {};
  });
}

Status RegexSplit::apply(Pieces& pieces) const {
  std::vector<Match> matches;
  return split_pieces(pieces, [&](std::string_view text, const Piece& piece, auto& out) -> Status {
    matches.clear();
    QUIRE_TRY(regex_.find_all(text, matches));
    if (means_ == PatternMeans::kPieces) {
      for (Match& match : matches) match.matched = !match.matched;
    }
    split_by_matches(matches, behavior_, piece, out);
    return {};
  });
}

Status ScanSplit::apply(Pieces& pieces) const {
  return split_pieces(pieces, [&](std::string_view text, const Piece& piece, auto& out) -> Status {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = scan_piece(rules_, text, at);
      out.push_back(part(piece, at, end));
      at = end;
    }
    return {};
  });
}

Status WhitespaceSplit::apply(Pieces& pieces) const {
  enum class Kind { kSpace, kWord, kSign };
  const auto kind_of = [](char32_t code) {
    return is_white_space(code) ? Kind::kSpace : is_word(code) ? Kind::kWord : Kind::kSign;
  };
  return split_pieces(pieces, [&](std::string_view text, const Piece& piece, auto& out) -> Status {
    std::size_t begin = 0;
    Kind kind = Kind::kSpace;
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Char c = utf8_at(text, at);
      const Kind next = kind_of(c.code);
      if (next != kind) {
        if (kind != Kind::kSpace) out.push_back(part(piece, begin, at));
        begin = at;
        kind = next;
      }
      at += c.bytes;
    }
    if (kind != Kind::kSpace) out.push_back(part(piece, begin, text.size()));
    return {};
  });
}

Status ScriptSplit::apply(Pieces& pieces) const {
  return split_pieces(pieces, [&](std::string_view text, const Piece& piece, auto& out) -> Status {
    std::vector<std::size_t> cuts;
    std::optional<UScriptCode> last;  // invalid stands for "any"
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Char c = utf8_at(text, at);
      const UScriptCode script = script_of(c.code);
      if (script != USCRIPT_INVALID_CODE) {
        if (last != script) cuts.push_back(at);
        last = script;
      }
      at += c.bytes;
    }
    cuts.push_back(text.size());
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
      out.push_back(part(piece, cuts[i], cuts[i + 1]));
    return {};
  });
}

Status FixedLengthSplit::apply(Pieces& pieces) const {
  return split_pieces(pieces, [&](std::string_view text, const Piece& piece, auto& out) -> Status {
    for (std::size_t at = 0; at < text.size();) {
      std::size_t end = at;
      for (std::size_t i = 0; i < chars_ && end < text.size(); ++i) end += utf8_at(text, end).bytes;
      out.push_back(part(piece, at, end));
      at = end;
    }
    return {};
  });
}

MetaspaceStep::MetaspaceStep(char32_t replacement, PrependScheme scheme, bool split)
    : scheme_(scheme), split_(split) {
  append_utf8(replacement_, replacement);
}

Status MetaspaceStep::apply(Pieces& pieces) const {
  rewrite_pieces(pieces, [&](std::string_view text, bool first, std::string& out) {
    const bool starts = text.starts_with(replacement_) || text.starts_with(' ');
    const bool wanted =
        scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && first);
    const std::size_t begin = out.size();
    if (wanted && !starts) out += replacement_;
    for (const char c : text) {
      if (c == ' ') {
        out += replacement_;
      } else {
        out += c;
      }
    }
    return first ? out.size() - begin : 0;
  });
  if (!split_) return {};
  const char32_t replacement = utf8_at(replacement_, 0).code;
  std::vector<Match> matches;
  return split_pieces(pieces, [&](std::string_view text, const Piece& piece, auto& out) -> Status {
    matches.clear();
    find_chars(
        text, [&](char32_t code) { return code == replacement; }, matches);
    split_by_matches(matches, SplitBehavior::kMergedWithNext, piece, out);
    return {};
  });
}

Status PrefixSpaceStep::apply(Pieces& pieces) const {
  rewrite_pieces(pieces, [](std::string_view text, bool first, std::string& out) {
    const std::size_t begin = out.size();
    if (!text.starts_with(' ')) out += ' ';
    out += text;
    return first ? out.size() - begin : 0;
  });
  return {};
}

Status ByteMapStep::apply(Pieces& pieces) const {
  rewrite_pieces(pieces, [](std::string_view text, bool first, std::string& out) {
    const std::size_t begin = out.size();
    append_byte_chars(out, text);
    return first ? out.size() - begin : 0;
  });
  return {};
}

}  // namespace quire::text
