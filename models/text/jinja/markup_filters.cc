// Filters on HTML and URLs, and the ones that are refused.
#include <algorithm>

#include "models/text/jinja/arguments.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

Value filter_safe(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("safe", arguments, {});
  return Value::markup(to_text(input));
}

Value filter_escape(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("escape", arguments, {});
  return escape_value(input);
}

Value filter_forceescape(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("forceescape", arguments, {});
  return Value::markup(escape_html(to_text(input)));
}

std::string quote_url(std::string_view text, std::string_view safe) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos ||
                       safe.find(c) != std::string_view::npos;
    plain ? out += c : out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string quote_query(const Value& value) {
  const std::string quoted = quote_url(to_text(value), "");
  std::string out;
  for (std::size_t at = 0; at < quoted.size(); ++at) {
    const bool space = quoted.compare(at, 3, "%20") == 0;
    out += space ? '+' : quoted[at];
    if (space) at += 2;
  }
  return out;
}

Value filter_urlencode(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("urlencode", arguments, {});
  if (input.is_string() || try_iterate(input) == nullptr) {
    return Value::string(quote_url(to_text(input), "/"));
  }
  const Value pairs = input.is(Kind::kDict)
                          ? Value::object(std::make_shared<DictView>(input, ViewKind::kItems))
                          : input;
  std::string out;
  for (const Value& pair : to_vector(pairs)) {
    const Values parts = to_vector(pair);
    if (parts.size() != 2) raise("urlencode() needs pairs");
    if (!out.empty()) out += '&';
    out += fmt::format("{}={}", quote_query(parts[0]), quote_query(parts[1]));
  }
  return Value::string(std::move(out));
}

Value filter_xmlattr(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("xmlattr", arguments, {"autospace"});
  require_defined(input);
  if (!input.is(Kind::kDict)) raise("'{}' object has no attribute 'items'", type_name(input));
  std::string out;
  for (const auto& [key, value] : input.as_dict().entries()) {
    if (value.is_none() || value.is_undefined()) continue;
    if (!key.is_string()) raise("expected string or bytes-like object, got '{}'", type_name(key));
    if (key.as_string().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      raise("Invalid character in attribute name: {}", repr(key));
    }
    if (!out.empty()) out += ' ';
    out += fmt::format("{}=\"{}\"", escape_value(key).as_string(), escape_value(value).as_string());
  }
  if (!out.empty() && bound.flag(0, true)) out.insert(out.begin(), ' ');
  return Value::string(std::move(out));
}

template <char const* name>
Value filter_refused(Interpreter&, const Value&, const Arguments&) {
  raise("the filter '{}' is not supported in chat templates", name);
}

constexpr char kRandom[] = "random";
constexpr char kPprint[] = "pprint";
constexpr char kUrlize[] = "urlize";
constexpr char kWordwrap[] = "wordwrap";
constexpr char kStriptags[] = "striptags";

}  // namespace

const FilterTable& markup_filters() {
  static const FilterTable kTable = {
      {"safe", filter_safe},
      {"escape", filter_escape},
      {"e", filter_escape},
      {"forceescape", filter_forceescape},
      {"urlencode", filter_urlencode},
      {"xmlattr", filter_xmlattr},
      {kRandom, filter_refused<kRandom>},
      {kPprint, filter_refused<kPprint>},
      {kUrlize, filter_refused<kUrlize>},
      {kWordwrap, filter_refused<kWordwrap>},
      {kStriptags, filter_refused<kStriptags>},
  };
  return kTable;
}

FilterFunction find_filter(std::string_view name) {
  static const FilterTable kAll = [] {
    FilterTable all = text_filters();
    for (const auto* part :
         {&sequence_filters(), &selection_filters(), &number_filters(), &markup_filters()}) {
      all.insert(part->begin(), part->end());
    }
    return all;
  }();
  const auto found = kAll.find(name);
  return found == kAll.end() ? nullptr : found->second;
}

}  // namespace quire::text::jinja
