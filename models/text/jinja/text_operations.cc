// Replacing and stripping.
#include "models/text/jinja/text_operations.h"

#include "models/text/jinja/operators.h"

namespace quire::text::jinja {

Value like(const Value& model, std::string text) {
  return model.is_markup() ? Value::markup(std::move(text)) : Value::string(std::move(text));
}

std::string replace_text(std::string_view text, std::string_view old, std::string_view fresh,
                         std::int64_t limit) {
  spend_scanned_bytes(text.size());
  std::string out;
  std::size_t at = 0;
  const auto room = [&] { return limit < 0 || limit-- > 0; };
  if (old.empty()) {
    while (at < text.size() && room()) {
      const std::size_t start = at;
      next_code_point(text, at);
      out += fresh;
      out += text.substr(start, at - start);
      check_built_bytes(out.size());
    }
    if (at == text.size() && room()) out += fresh;
    out += text.substr(at);
    return out;
  }
  for (std::size_t found = text.find(old); found != std::string_view::npos && room();
       found = text.find(old, at)) {
    out += text.substr(at, found - at);
    out += fresh;
    at = found + old.size();
    check_built_bytes(out.size());
  }
  out += text.substr(at);
  return out;
}

std::string strip_argument(std::string_view text, const Value& chars, Side side) {
  spend_scanned_bytes(text.size());
  if (chars.is_none()) return std::string(strip(text, side));
  require_defined(chars);
  if (!chars.is_string()) raise("strip arg must be None or str");
  return std::string(strip_chars(text, chars.as_string(), side));
}

}  // namespace quire::text::jinja
