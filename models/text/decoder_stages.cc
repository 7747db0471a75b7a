// Each stage holds back only what later input can still change.
#include "models/text/decoder_stages.h"

#include <array>
#include <optional>

#include "models/text/byte_alphabet.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return std::nullopt;
  int value = 0;
  for (std::size_t i = 3; i < 5; ++i) {
    const char c = token[i];
    if (i == 3 && c == '+') continue;  // Rust's parser takes a sign: "<0x+5>" is byte 5
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + digit;
  }
  return static_cast<char>(value);
}

}  // namespace

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  if (from.empty()) {
    out += to;
    for (std::size_t at = 0; at < text.size();) {
      const std::uint32_t bytes = utf8_at(text, at).bytes;
      out.append(text.substr(at, bytes)).append(to);
      at += bytes;
    }
    return out;
  }
  std::size_t at = 0;
  for (;;) {
    const std::size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
  }
  return out.append(text.substr(at));
}

std::string clean_up_token(std::string_view token) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {{
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" do not", " don't"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  }};
  std::string text(token);
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  return text;
}

Status BytesStage::whole(std::string_view token) {
  if (spelling_ == Spelling::kAlphabet) {
    const auto bytes = bytes_of_chars(token);
    bytes_ += bytes ? std::string_view(*bytes) : token;
  } else if (const auto byte = fallback_byte(token)) {
    bytes_ += *byte;
  } else {
    bytes_ += token;
  }
  return flush(/*at_end=*/false);
}

Status BytesStage::flush(bool at_end) {
  std::string out;
  std::string_view rest = bytes_;
  while (!rest.empty()) {
    const std::size_t valid = valid_utf8_prefix(rest);
    out += rest.substr(0, valid);
    rest.remove_prefix(valid);
    if (rest.empty()) break;
    const InvalidUtf8 invalid = invalid_utf8_at(rest, 0);
    if (invalid.open && !at_end) break;
    out += kReplacement;
    rest.remove_prefix(invalid.bytes);
  }
  bytes_.erase(0, bytes_.size() - rest.size());
  return out.empty() ? Status() : next_.text(out);
}

Status BytesStage::finish() {
  QUIRE_TRY(flush(/*at_end=*/true));
  QUIRE_TRY(next_.end_token());
  return next_.finish();
}

Status ByteFallbackStage::whole(std::string_view token) {
  if (const auto byte = fallback_byte(token)) {
    bytes_ += *byte;
    return {};
  }
  QUIRE_TRY(flush());
  return emit(token);
}

Status ByteFallbackStage::flush() {
  if (bytes_.empty()) return {};
  const std::string run = std::exchange(bytes_, {});
  if (valid_utf8_prefix(run) == run.size()) return emit(run);
  for (std::size_t i = 0; i < run.size(); ++i) QUIRE_TRY(emit(kReplacement));
  return {};
}

Status ByteFallbackStage::finish() {
  QUIRE_TRY(flush());
  return next_.finish();
}

StripStage::StripStage(DecodeSink& next, char32_t content, std::size_t start, std::size_t stop)
    : next_(next), start_(start), stop_(stop) {
  append_utf8(content_, content);
}

Status StripStage::text(std::string_view part) {
  std::string out;
  while (!part.empty()) {
    const std::string_view c = part.substr(0, utf8_at(part, 0).bytes);
    part.remove_prefix(c.size());
    const bool strippable = c == content_;
    if (strippable && in_front_ && dropped_ < start_) {
      ++dropped_;
      continue;
    }
    in_front_ = false;
    if (strippable && stop_ > 0) {
      ++held_;
      if (held_ > stop_) {
        out += content_;
        --held_;
      }
      continue;
    }
    for (; held_ > 0; --held_) out += content_;
    out += c;
  }
  return out.empty() ? Status() : next_.text(out);
}

Status StripStage::end_token() {
  held_ = 0;
  dropped_ = 0;
  in_front_ = true;
  return next_.end_token();
}

Status RegexReplaceStage::whole(std::string_view token) {
  std::vector<Match> matches;
  QUIRE_TRY(regex_.find_all(token, matches));
  std::string out;
  for (const Match& match : matches) {
    out += match.matched ? std::string_view(content_)
                         : token.substr(match.begin, match.end - match.begin);
  }
  return emit(out);
}

Status LiteralReplaceStage::text(std::string_view part) {
  held_ += part;
  std::string out;
  std::size_t at = 0;
  for (;;) {
    const std::size_t found = held_.find(pattern_, at);
    if (found == std::string::npos) break;
    out.append(held_, at, found - at).append(content_);
    at = found + pattern_.size();
  }
  // Keep the longest end that starts the pattern.
  std::size_t keep = std::min(held_.size() - at, pattern_.size() - 1);
  while (keep > 0 && !std::string_view(pattern_).starts_with(
                         std::string_view(held_).substr(held_.size() - keep))) {
    --keep;
  }
  out.append(held_, at, held_.size() - keep - at);
  held_.erase(0, held_.size() - keep);
  return out.empty() ? Status() : next_.text(out);
}

Status LiteralReplaceStage::end_token() {
  if (!held_.empty()) QUIRE_TRY(next_.text(std::exchange(held_, {})));
  return next_.end_token();
}

MetaspaceStage::MetaspaceStage(DecodeSink& next, char32_t replacement, bool drops_first)
    : next_(next), drops_(drops_first) {
  append_utf8(replacement_, replacement);
}

Status MetaspaceStage::text(std::string_view part) {
  const std::string out = replace_all(part, replacement_, drops_ ? "" : " ");
  return out.empty() ? Status() : next_.text(out);
}

Status MetaspaceStage::end_token() {
  drops_ = false;
  return next_.end_token();
}

Status WordPieceStage::whole(std::string_view token) {
  std::string out;
  if (!first_) {
    if (token.starts_with(prefix_)) {
      token.remove_prefix(prefix_.size());
    } else {
      out += ' ';
    }
  }
  out += token;
  first_ = false;
  return emit(cleanup_ ? clean_up_token(out) : out);
}

Status CtcStage::whole(std::string_view token) {
  if (any_ && token == last_) return {};
  any_ = true;
  last_ = token;
  std::string out = replace_all(token, pad_, "");
  if (cleanup_) out = replace_all(clean_up_token(out), delimiter_, " ");
  return out.empty() ? Status() : emit(out);
}

Status BpeSuffixStage::whole(std::string_view token) {
  if (any_) QUIRE_TRY(emit(replace_all(last_, suffix_, " ")));
  any_ = true;
  last_ = token;
  return {};
}

Status BpeSuffixStage::finish() {
  if (any_) QUIRE_TRY(emit(replace_all(last_, suffix_, "")));
  return next_.finish();
}

Status JoinStage::start() {
  if (started_) return {};
  started_ = true;
  if (!any_) return {};
  return next_.text(" ");
}

Status JoinStage::text(std::string_view part) {
  QUIRE_TRY(start());
  return next_.text(part);
}

Status JoinStage::end_token() {
  QUIRE_TRY(start());
  any_ = true;
  started_ = false;
  return next_.end_token();
}

}  // namespace quire::text
