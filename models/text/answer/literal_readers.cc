// Calls written as program text: Python's f(a=1, b="x") and Gemma's f{a:1,b:<|"|>x<|"|>}. The
// call's end is found byte by byte; its values are then read at once.
#include <charconv>
#include <optional>

#include "models/text/answer/call_reader.h"
#include "models/text/answer/marker_scan.h"

namespace quire::text {
namespace {

constexpr int kDepthMax = 64;

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

// Values of either language: quoted texts, numbers, words, lists, and objects in braces.
class LiteralParser {
 public:
  // quote: stands at both ends of a text and is not escaped inside; empty: Python's quotes.
  LiteralParser(std::string_view text, std::string_view quote) : text_(text), quote_(quote) {}

  // name SEPARATOR value, ... up to the end of the text.
  std::optional<Json> members(char separator) {
    Json out = Json::object();
    skip();
    while (at_ < text_.size()) {
      const auto key = name();
      skip();
      if (!key || !eat(separator)) return std::nullopt;
      auto member = value(0);
      if (!member) return std::nullopt;
      out[*key] = std::move(*member);
      skip();
      if (at_ < text_.size() && !eat(',')) return std::nullopt;
      skip();
    }
    return out;
  }

 private:
  void skip() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  bool eat(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool eat(std::string_view words) {
    if (words.empty() || text_.substr(at_, words.size()) != words) return false;
    at_ += words.size();
    return true;
  }
  std::optional<std::string> name() {
    if (!quote_.empty() && text_.substr(at_, quote_.size()) == quote_) return quoted();
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_byte(text_[at_])) ++at_;
    return at_ > begin ? std::optional(std::string(text_.substr(begin, at_ - begin)))
                       : std::nullopt;
  }

  std::optional<std::string> quoted() {
    if (!quote_.empty()) {
      if (!eat(quote_)) return std::nullopt;
      const std::size_t end = text_.find(quote_, at_);
      if (end == std::string_view::npos) return std::nullopt;
      std::string out(text_.substr(at_, end - at_));
      at_ = end + quote_.size();
      return out;
    }
    const char mark = at_ < text_.size() ? text_[at_] : '\0';
    if (mark != '"' && mark != '\'') return std::nullopt;
    std::string out;
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == mark) {
        ++at_;
        return out;
      }
      if (c == '\\' && at_ + 1 < text_.size()) {
        if (!escape(out)) return std::nullopt;
        continue;
      }
      out += c;
    }
    return std::nullopt;
  }

  // Python's escapes that models write; \u goes through JSON. Stops on the escape's last byte.
  bool escape(std::string& out) {
    const char c = text_[++at_];
    constexpr std::string_view kLetters = "nrtbf0\\'\"", kBytes = {"\n\r\t\b\f\0\\'\"", 9};
    if (const std::size_t known = kLetters.find(c); known != std::string_view::npos) {
      out += kBytes[known];
      return true;
    }
    if (c != 'u') {
      out += '\\';
      out += c;
      return true;
    }
    const bool pair = text_.substr(at_ + 5, 2) == "\\u";
    for (const std::size_t size : {pair ? std::size_t{11} : std::size_t{5}, std::size_t{5}}) {
      const auto code = parse_json("\"\\" + std::string(text_.substr(at_, size)) + "\"");
      if (!code || !code->is_string()) continue;
      out += code->get<std::string>();
      at_ += size - 1;
      return true;
    }
    return false;
  }

  std::optional<Json> value(int depth) {
    skip();
    if (at_ >= text_.size() || depth > kDepthMax) return std::nullopt;
    const char c = text_[at_];
    if (c == '[' || c == '(') return list(c == '[' ? ']' : ')', depth);
    if (c == '{') return object(depth);
    const bool opens =
        quote_.empty() ? c == '"' || c == '\'' : text_.substr(at_, quote_.size()) == quote_;
    if (opens) {
      auto text = quoted();
      if (!text) return std::nullopt;
      return Json(std::move(*text));
    }
    return word();
  }

  std::optional<Json> list(char close, int depth) {
    ++at_;
    Json out = Json::array();
    for (skip(); !eat(close); skip()) {
      auto element = value(depth + 1);
      if (!element) return std::nullopt;
      out.push_back(std::move(*element));
      skip();
      if (!eat(',') && (at_ >= text_.size() || text_[at_] != close)) return std::nullopt;
    }
    return out;
  }

  std::optional<Json> object(int depth) {
    ++at_;
    Json out = Json::object();
    for (skip(); !eat('}'); skip()) {
      const auto key = quote_.empty() ? quoted() : name();
      skip();
      if (!key || !eat(':')) return std::nullopt;
      auto member = value(depth + 1);
      if (!member) return std::nullopt;
      out[*key] = std::move(*member);
      skip();
      if (!eat(',') && (at_ >= text_.size() || text_[at_] != '}')) return std::nullopt;
    }
    return out;
  }

  std::optional<Json> word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_name_byte(text_[at_]) || text_[at_] == '+')) ++at_;
    const std::string_view found = text_.substr(begin, at_ - begin);
    if (found == "True" || found == "true") return Json(true);
    if (found == "False" || found == "false") return Json(false);
    if (found == "None" || found == "null") return Json(nullptr);
    auto number = parse_json(found);
    if (!number || !number->is_number()) return std::nullopt;
    return std::move(*number);
  }

  std::string_view text_, quote_;
  std::size_t at_ = 0;
};

// Counts the brackets of a growing call outside its quoted texts.
class LiteralReader final : public CallReader {
 public:
  LiteralReader(char open, char close, std::string_view quote)
      : open_(open), close_(close), quote_(quote) {}

  ReadState feed(char c) override {
    if (!name_known) {
      if (c == open_) {
        name_known = !name.empty() && name.size() <= kCallNameBytesMax;
        return name_known ? ReadState::kMore : ReadState::kBroken;
      }
      if (is_blank(c) && name.empty()) return ReadState::kMore;
      name += c;
      return is_name_byte(c) ? ReadState::kMore : ReadState::kBroken;
    }
    if (inside_quotes(c)) {
      body_ += c;
      return ReadState::kMore;
    }
    const bool opens = c == '(' || c == '[' || c == '{';
    const bool closes = c == ')' || c == ']' || c == '}';
    if (closes && depth_ == 0) return c == close_ ? end() : ReadState::kBroken;
    depth_ += opens - closes;
    body_ += c;
    return ReadState::kMore;
  }

 private:
  // Follows the quotes; true for every byte of a quoted text and its quotes.
  bool inside_quotes(char c) {
    if (!quote_.empty()) {
      std::string ignored;
      const bool held = scan_.holds();
      const bool marker = scan_.feed(c, std::span(&quote_, 1), ignored) == 0;
      if (marker) quoted_ = !quoted_;
      return quoted_ || marker || (held && ignored.empty()) || scan_.holds();
    }
    if (mark_ == '\0') {
      if (c != '"' && c != '\'') return false;
      mark_ = c;
    } else if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == mark_) {
      mark_ = '\0';
    }
    return true;
  }

  ReadState end() {
    const auto values = LiteralParser(body_, quote_).members(open_ == '(' ? '=' : ':');
    if (!values) return ReadState::kBroken;
    arguments = dump_json(*values);
    arguments_done = true;
    return ReadState::kDone;
  }

  const char open_, close_;
  const std::string_view quote_;
  std::string body_;
  MarkerScan scan_;
  int depth_ = 0;
  bool quoted_ = false, escaped_ = false;
  char mark_ = '\0';
};

}  // namespace

std::unique_ptr<CallReader> make_python_reader() {
  return std::make_unique<LiteralReader>('(', ')', "");
}

std::unique_ptr<CallReader> make_literal_reader(const ToolFormat& format) {
  return std::make_unique<LiteralReader>('{', '}', format.quote);
}

std::unique_ptr<CallReader> make_call_reader(const ToolFormat& format, const Json& tools) {
  switch (format.shape) {
    case CallShape::kJsonObject:
    case CallShape::kJsonArray:
      return make_json_call_reader(format);
    case CallShape::kNamedJson:
      return make_named_json_reader(format);
    case CallShape::kTags:
      return make_tags_reader(format, tools);
    case CallShape::kPython:
      return make_python_reader();
    case CallShape::kLiteral:
      return make_literal_reader(format);
    case CallShape::kHarmony:
      break;
  }
  return nullptr;
}

}  // namespace quire::text
