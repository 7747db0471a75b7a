// The methods of str.
#include <algorithm>

#include "models/text/jinja/arguments.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/text_operations.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

Values like_all(const Value& self, const std::vector<std::string_view>& parts) {
  Values out;
  out.reserve(parts.size());
  for (const std::string_view part : parts) out.push_back(like(self, std::string(part)));
  return out;
}

std::vector<std::string_view> split_by(std::string_view text, std::string_view separator,
                                       std::int64_t limit) {
  std::vector<std::string_view> parts;
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
    const std::size_t found = text.find(separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(0, found));
    text.remove_prefix(found + separator.size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> split_by_right(std::string_view text, std::string_view separator,
                                             std::int64_t limit) {
  std::vector<std::string_view> parts;
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
    const std::size_t found = text.rfind(separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(found + separator.size()));
    text = text.substr(0, found);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

template <Side side>
Value method_split(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("split", arguments, {"sep", "maxsplit"});
  const std::string& text = self.as_string();
  const std::int64_t limit = bound.integer(1, -1);
  constexpr bool kFromRight = side == Side::kRight;
  spend_scanned_bytes(text.size());
  if (!bound.has(0) || bound.at(0).is_none()) {
    return Value::list(
        like_all(self, kFromRight ? split_space_right(text, limit) : split_space(text, limit)));
  }
  const std::string separator = bound.text(0, "");
  if (separator.empty()) raise("empty separator");
  return Value::list(like_all(self, kFromRight ? split_by_right(text, separator, limit)
                                               : split_by(text, separator, limit)));
}

Value method_splitlines(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("splitlines", arguments, {"keepends"});
  return Value::list(like_all(self, split_lines(self.as_string(), bound.flag(0, false))));
}

template <Side side>
Value method_strip(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("strip", arguments, {"/chars"});
  return like(self, strip_argument(self.as_string(), bound.get(0), side));
}

template <std::string (*Map)(std::string_view)>
Value method_map(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("str method", arguments, {});
  return like(self, Map(self.as_string()));
}

Value method_replace(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"/old", "/new", "/count"}, 2);
  const std::string old = bound.text(0, "");
  std::string fresh = bound.text(1, "");
  if (self.is_markup() && !bound.at(1).is_markup()) fresh = escape_html(fresh);
  return like(self, replace_text(self.as_string(), old, fresh, bound.integer(2, -1)));
}

Value method_join(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("join", arguments, {"/iterable"}, 1);
  if (try_iterate(bound.at(0)) == nullptr) raise("can only join an iterable");
  const auto cursor = iterate(bound.at(0));
  std::string out;
  std::size_t idx = 0;
  for (Value item; cursor->next(item); ++idx) {
    spend(1);
    if (idx > 0) out += self.as_string();
    if (self.is_markup()) {
      out += escape_value(item).as_string();
    } else if (item.is_string()) {
      out += item.as_string();
    } else {
      raise("sequence item {}: expected str instance, {} found", idx, type_name(item));
    }
    check_built_bytes(out.size());
  }
  return like(self, std::move(out));
}

// The part [start, end) of the text that find, count, startswith ... look at, in bytes.
struct Window {
  std::size_t begin;
  std::size_t end;
  bool valid;  // false when start lies behind end or behind the text
};

Window window_of(const Value& self, const Bound& bound) {
  const auto length = static_cast<std::int64_t>(self.code_points());
  const auto resolve = [&](std::size_t idx, std::int64_t fallback) {
    std::int64_t value = bound.integer_or_none(idx, fallback);
    if (value < 0) value = std::max<std::int64_t>(0, value + length);
    return value;
  };
  const std::int64_t start = resolve(1, 0);
  const std::int64_t end = std::min(resolve(2, length), length);
  const std::string& text = self.as_string();
  spend_scanned_bytes(text.size());
  if (start > end) return {0, 0, false};
  return {offset_of(text, static_cast<std::size_t>(start)),
          offset_of(text, static_cast<std::size_t>(end)), true};
}

std::string_view view_of(const Value& self, const Window& window) {
  return std::string_view(self.as_string()).substr(window.begin, window.end - window.begin);
}

Value position_of(const Value& self, const Window& window, std::size_t found) {
  if (found == std::string_view::npos) return Value::integer(-1);
  return Value::integer(static_cast<Int>(
      count_code_points(std::string_view(self.as_string()).substr(0, window.begin + found))));
}

enum class Search : std::uint8_t { kFind, kIndex };

template <Side side, Search search>
Value method_find(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("find", arguments, {"/sub", "/start", "/end"}, 1);
  const std::string wanted = bound.text(0, "");
  const Window window = window_of(self, bound);
  std::size_t found = std::string_view::npos;
  if (window.valid) {
    const std::string_view text = view_of(self, window);
    found = side == Side::kLeft ? text.find(wanted) : text.rfind(wanted);
  }
  if (search == Search::kIndex && found == std::string_view::npos) raise("substring not found");
  return position_of(self, window, found);
}

Value method_count(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("count", arguments, {"/sub", "/start", "/end"}, 1);
  const std::string wanted = bound.text(0, "");
  const Window window = window_of(self, bound);
  if (!window.valid) return Value::integer(0);
  const std::string_view text = view_of(self, window);
  if (wanted.empty()) return Value::integer(static_cast<Int>(count_code_points(text) + 1));
  Int count = 0;
  for (std::size_t at = text.find(wanted); at != std::string_view::npos;
       at = text.find(wanted, at + wanted.size())) {
    ++count;
  }
  return Value::integer(count);
}

template <Side side>
Value method_affix(Interpreter&, const Value& self, const Arguments& arguments) {
  const char* name = side == Side::kLeft ? "startswith" : "endswith";
  const Bound bound(name, arguments, {"/prefix", "/start", "/end"}, 1);
  const Window window = window_of(self, bound);
  const std::string_view text = view_of(self, window);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_string()) {
      raise("{} first arg must be str or a tuple of str, not {}", name, type_name(affix));
    }
    return window.valid && (side == Side::kLeft ? text.starts_with(affix.as_string())
                                                : text.ends_with(affix.as_string()));
  };
  require_defined(bound.at(0));
  if (!bound.at(0).is(Kind::kTuple)) return Value::boolean(matches(bound.at(0)));
  const Values& affixes = bound.at(0).items();
  return Value::boolean(std::any_of(affixes.begin(), affixes.end(), matches));
}

template <Side side>
Value method_remove(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("removeprefix", arguments, {"/affix"}, 1);
  const std::string affix = bound.text(0, "");
  std::string_view text = self.as_string();
  if (side == Side::kLeft && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (side == Side::kRight && text.ends_with(affix)) text.remove_suffix(affix.size());
  return like(self, std::string(text));
}

template <Side side>
Value method_partition(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("partition", arguments, {"/sep"}, 1);
  const std::string separator = bound.text(0, "");
  if (separator.empty()) raise("empty separator");
  const std::string& text = self.as_string();
  const std::size_t found = side == Side::kLeft ? text.find(separator) : text.rfind(separator);
  std::vector<std::string_view> parts = {text, "", ""};
  if (found != std::string::npos) {
    const std::string_view view = text;
    parts = {view.substr(0, found), view.substr(found, separator.size()),
             view.substr(found + separator.size())};
  } else if (side == Side::kRight) {
    parts = {"", "", text};
  }
  return Value::tuple(like_all(self, parts));
}

enum class Align : std::uint8_t { kLeft, kRight, kCenter };

template <Align align>
Value method_justify(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("justify", arguments, {"/width", "/fillchar"}, 1);
  std::string fill = bound.text(1, " ");
  if (count_code_points(fill) != 1) {
    raise("The fill character must be exactly one character long");
  }
  if (self.is_markup()) fill = escape_html(fill);
  const std::int64_t width = bound.integer(0, 0);
  const auto length = static_cast<std::int64_t>(self.code_points());
  const std::int64_t pad = std::max<std::int64_t>(0, width > length ? width - length : 0);
  check_repeated_bytes(static_cast<std::size_t>(pad));
  std::int64_t left = align == Align::kLeft ? 0 : pad;
  if (align == Align::kCenter) left = pad / 2 + (pad & width & 1);
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += fill;
  out += self.as_string();
  for (std::int64_t i = left; i < pad; ++i) out += fill;
  return like(self, std::move(out));
}

Value method_zfill(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("zfill", arguments, {"/width"}, 1);
  const std::int64_t width = bound.integer(0, 0);
  const auto length = static_cast<std::int64_t>(self.code_points());
  if (width <= length) return self;
  check_repeated_bytes(static_cast<std::size_t>(width));
  std::string out = self.as_string();
  const bool has_sign = !out.empty() && (out[0] == '-' || out[0] == '+');
  out.insert(has_sign ? 1 : 0, static_cast<std::size_t>(width - length), '0');
  return like(self, std::move(out));
}

Value method_expandtabs(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("expandtabs", arguments, {"tabsize"});
  const std::int64_t size = bound.integer(0, 8);
  check_repeated_bytes(static_cast<std::size_t>(std::max<std::int64_t>(0, size)));
  const std::string& text = self.as_string();
  std::string out;
  std::int64_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t c = next_code_point(text, at);
    if (c == '\t') {
      const std::int64_t pad = size > 0 ? size - column % size : 0;
      out.append(static_cast<std::size_t>(pad), ' ');
      column += pad;
      check_built_bytes(out.size());
      continue;
    }
    out += text.substr(start, at - start);
    column = c == '\n' || c == '\r' ? 0 : column + 1;
  }
  return like(self, std::move(out));
}

Value method_format(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  return format_braces(interpreter, self, arguments);
}

Value method_format_map(Interpreter& interpreter, const Value& self, const Arguments& arguments) {
  const Bound bound("format_map", arguments, {"/mapping"}, 1);
  if (!bound.at(0).is(Kind::kDict)) raise("format_map() needs a mapping");
  Arguments named;
  for (const auto& [key, value] : bound.at(0).as_dict().entries()) {
    if (key.is_string()) named.named.emplace_back(key.as_string(), value);
  }
  return format_braces(interpreter, self, named);
}

template <bool (*Predicate)(std::string_view)>
Value method_test(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("str method", arguments, {});
  return Value::boolean(Predicate(self.as_string()));
}

}  // namespace

const MethodTable& text_methods() {
  static const MethodTable kTable = {
      {"split", method_split<Side::kLeft>},
      {"rsplit", method_split<Side::kRight>},
      {"splitlines", method_splitlines},
      {"strip", method_strip<Side::kBoth>},
      {"lstrip", method_strip<Side::kLeft>},
      {"rstrip", method_strip<Side::kRight>},
      {"upper", method_map<to_upper>},
      {"lower", method_map<to_lower>},
      {"title", method_map<to_title>},
      {"capitalize", method_map<to_capitalized>},
      {"casefold", method_map<fold_case>},
      {"swapcase", method_map<swap_case>},
      {"replace", method_replace},
      {"join", method_join},
      {"find", method_find<Side::kLeft, Search::kFind>},
      {"rfind", method_find<Side::kRight, Search::kFind>},
      {"index", method_find<Side::kLeft, Search::kIndex>},
      {"rindex", method_find<Side::kRight, Search::kIndex>},
      {"count", method_count},
      {"startswith", method_affix<Side::kLeft>},
      {"endswith", method_affix<Side::kRight>},
      {"removeprefix", method_remove<Side::kLeft>},
      {"removesuffix", method_remove<Side::kRight>},
      {"partition", method_partition<Side::kLeft>},
      {"rpartition", method_partition<Side::kRight>},
      {"ljust", method_justify<Align::kLeft>},
      {"rjust", method_justify<Align::kRight>},
      {"center", method_justify<Align::kCenter>},
      {"zfill", method_zfill},
      {"expandtabs", method_expandtabs},
      {"format", method_format},
      {"format_map", method_format_map},
  };
  return kTable;
}

const MethodTable& text_test_methods() {
  static const MethodTable kTable = {
      {"isalpha", method_test<all_alpha>},         {"isdigit", method_test<all_digit>},
      {"isdecimal", method_test<all_decimal>},     {"isnumeric", method_test<all_numeric>},
      {"isalnum", method_test<all_alnum>},         {"isspace", method_test<all_space>},
      {"isupper", method_test<has_only_upper>},    {"islower", method_test<has_only_lower>},
      {"istitle", method_test<is_titlecased>},     {"isidentifier", method_test<is_identifier>},
      {"isprintable", method_test<all_printable>}, {"isascii", method_test<is_ascii>},
  };
  return kTable;
}

}  // namespace quire::text::jinja
