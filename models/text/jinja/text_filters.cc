// Filters on text.
#include <algorithm>

#include "models/text/jinja/arguments.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/text_operations.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

// soft_str(): a string stays what it is, markup included.
Value soft_text(const Value& value) {
  return value.is_string() ? value : Value::string(to_text(value));
}

template <std::string (*Map)(std::string_view)>
Value map_text(const char* name, const Value& input, const Arguments& arguments) {
  const Bound bound(name, arguments, {});
  const Value text = soft_text(input);
  return like(text, Map(text.as_string()));
}

Value filter_upper(Interpreter&, const Value& input, const Arguments& arguments) {
  return map_text<to_upper>("upper", input, arguments);
}
Value filter_lower(Interpreter&, const Value& input, const Arguments& arguments) {
  return map_text<to_lower>("lower", input, arguments);
}
Value filter_capitalize(Interpreter&, const Value& input, const Arguments& arguments) {
  return map_text<to_capitalized>("capitalize", input, arguments);
}

// Words begin behind "-", white space and opening brackets; unlike str.title().
Value filter_title(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("title", arguments, {});
  const std::string text = to_text(input);
  std::string out;
  std::size_t word = 0;
  const auto flush = [&](std::size_t end) {
    if (end == word) return;
    std::size_t rest = word;
    next_code_point(text, rest);
    out += to_upper(std::string_view(text).substr(word, rest - word));
    out += to_lower(std::string_view(text).substr(rest, end - rest));
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t c = next_code_point(text, at);
    if (c != '-' && c != '(' && c != '{' && c != '[' && c != '<' && !is_space(c)) continue;
    flush(start);
    out += text.substr(start, at - start);
    word = at;
  }
  flush(text.size());
  return Value::string(std::move(out));
}

Value filter_string(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("string", arguments, {});
  return soft_text(input);
}

Value filter_trim(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("trim", arguments, {"chars"});
  const Value text = soft_text(input);
  return like(text, strip_argument(text.as_string(), bound.get(0), Side::kBoth));
}

Value filter_replace(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"}, 2);
  return Value::string(replace_text(to_text(input), to_text(bound.at(0)), to_text(bound.at(1)),
                                    bound.integer_or_none(2, -1)));
}

Value filter_format(Interpreter&, const Value& input, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    raise("can't handle positional and keyword arguments at the same time");
  }
  const Value text = soft_text(input);
  if (arguments.named.empty()) return format_percent(text, Value::tuple(arguments.positional));
  auto named = std::make_shared<DictData>();
  for (const auto& [name, value] : arguments.named) named->set(Value::string(name), value);
  return format_percent(text, Value::dict(std::move(named)));
}

Value filter_indent(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("indent", arguments, {"width", "first", "blank"});
  require_defined(input);
  if (!input.is_string())
    raise("unsupported operand type(s) for +=: '{}' and 'str'", type_name(input));
  std::string indention;
  if (bound.has(0) && bound.at(0).is_string()) {
    indention = bound.text(0, "");
  } else {
    const auto width = static_cast<std::size_t>(std::max<std::int64_t>(0, bound.integer(0, 4)));
    check_repeated_bytes(width);
    indention.assign(width, ' ');
  }
  const bool blank = bound.flag(2, false);
  const std::string text = input.as_string() + "\n";
  std::string out;
  bool first_line = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!first_line) out += '\n';
    if (!first_line && (blank || !line.empty())) out += indention;
    out += line;
    check_built_bytes(out.size());
    first_line = false;
  }
  return like(input, bound.flag(1, false) ? indention + out : out);
}

Value filter_wordcount(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("wordcount", arguments, {});
  const std::string text = to_text(input);
  Int words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const bool word = is_word(next_code_point(text, at));
    words += word && !inside;
    inside = word;
  }
  return Value::integer(words);
}

Value filter_center(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Bound bound("center", arguments, {"width"});
  const Value text = soft_text(input);
  return find_method(text, "center")(interpreter, text, {{bound.get(0, Value::integer(80))}, {}});
}

Value filter_truncate(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const auto size = length_of(input);
  if (!size) raise("object of type '{}' has no len()", type_name(input));
  const std::int64_t length = bound.integer(0, 255);
  const std::string end = bound.text(2, "...");
  const std::int64_t leeway = bound.integer_or_none(3, 5);
  const auto end_length = static_cast<std::int64_t>(count_code_points(end));
  if (length < end_length) raise("expected length >= {}, got {}", end_length, length);
  if (leeway < 0) raise("expected leeway >= 0, got {}", leeway);
  if (static_cast<std::int64_t>(*size) - leeway <= length) return input;
  if (!input.is_string()) raise("'{}' object cannot be truncated", type_name(input));
  const std::string& text = input.as_string();
  std::string_view cut = std::string_view(text).substr(
      0, offset_of(text, static_cast<std::size_t>(length - end_length)));
  if (!bound.flag(1, false)) cut = cut.substr(0, cut.rfind(' '));
  return like(input, std::string(cut) + end);
}

}  // namespace

const FilterTable& text_filters() {
  static const FilterTable kTable = {
      {"upper", filter_upper},         {"lower", filter_lower},   {"capitalize", filter_capitalize},
      {"title", filter_title},         {"string", filter_string}, {"trim", filter_trim},
      {"replace", filter_replace},     {"format", filter_format}, {"indent", filter_indent},
      {"wordcount", filter_wordcount}, {"center", filter_center}, {"truncate", filter_truncate},
  };
  return kTable;
}

}  // namespace quire::text::jinja
