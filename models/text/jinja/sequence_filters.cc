// Filters that take sequences apart and put them together.
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

Value filter_length(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("length", arguments, {});
  const auto length = length_of(input);
  if (!length) raise("object of type '{}' has no len()", type_name(input));
  return Value::integer(static_cast<Int>(*length));
}

Value filter_list(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("list", arguments, {});
  return Value::list(to_vector(input));
}

Value filter_first(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("first", arguments, {});
  const auto cursor = iterate(input);
  Value first;
  if (cursor->next(first)) return first;
  return Value::undefined("No first item, sequence was empty.");
}

bool is_reversible(const Value& value) {
  if (value.is(Kind::kObject)) {
    return dynamic_cast<const Range*>(&value.as_object()) != nullptr ||
           dynamic_cast<const DictView*>(&value.as_object()) != nullptr;
  }
  return try_iterate(value) != nullptr;
}

Value filter_last(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("last", arguments, {});
  if (!is_reversible(input)) raise("'{}' object is not reversible", type_name(input));
  Values items = to_vector(input);
  if (items.empty()) return Value::undefined("No last item, sequence was empty.");
  return std::move(items.back());
}

std::string reverse_text(std::string_view text) {
  std::string out(text.size(), '\0');
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    next_code_point(text, at);
    std::copy(text.begin() + static_cast<std::ptrdiff_t>(start),
              text.begin() + static_cast<std::ptrdiff_t>(at),
              out.begin() + static_cast<std::ptrdiff_t>(text.size() - at));
  }
  return out;
}

Value filter_reverse(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("reverse", arguments, {});
  if (input.is_string()) return like(input, reverse_text(input.as_string()));
  if (try_iterate(input) == nullptr) raise("argument must be iterable");
  const bool lazy = is_reversible(input);
  Values items = to_vector(input);
  std::reverse(items.begin(), items.end());
  if (!lazy) return Value::list(std::move(items));
  const int nesting = input.nesting();
  std::size_t at = 0;
  return make_generator(
      "reversed",
      [items = std::move(items), at](Value& item) mutable {
        if (at == items.size()) return false;
        item = items[at++];
        return true;
      },
      nesting);
}

Value filter_join(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Bound bound("join", arguments, {"d", "attribute"});
  const std::string separator = bound.has(0) ? to_text(bound.at(0)) : "";
  const Value path = bound.get(1);
  const auto cursor = iterate(input);
  std::string out;
  bool first = true;
  for (Value item; cursor->next(item); first = false) {
    spend(1);
    if (!first) out += separator;
    out += to_text(interpreter.get_path(item, path));
    check_built_bytes(out.size());
  }
  return Value::string(std::move(out));
}

Value filter_items(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("items", arguments, {});
  if (input.is_undefined())
    return make_generator(
        "generator", [](Value&) { return false; }, 0);
  if (!input.is(Kind::kDict)) {
    // Python finds this out when the generator is first used; so does this.
    return make_generator(
        "generator", [](Value&) -> bool { raise("Can only get item pairs from a mapping."); }, 0);
  }
  std::size_t at = 0;
  return make_generator(
      "generator",
      [input, at](Value& item) mutable {
        const auto& entries = input.as_dict().entries();
        if (at == entries.size()) return false;
        item = Value::tuple({entries[at].first, entries[at].second});
        ++at;
        return true;
      },
      input.nesting());
}

Value filter_batch(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("batch", arguments, {"linecount", "fill_with"}, 1);
  const Value size_value = bound.at(0);
  const Value fill = bound.get(1);
  std::shared_ptr<Cursor> cursor;  // opened at the first use
  std::optional<Value> pending;
  return make_generator(
      "generator",
      [=](Value& batch) mutable {
        if (cursor == nullptr) cursor = iterate(input);
        Values items;
        const auto matches = [&] {
          return equal(Value::integer(static_cast<Int>(items.size())), size_value);
        };
        if (pending) items.push_back(*std::exchange(pending, std::nullopt));
        for (Value item; cursor->next(item);) {
          spend(1);
          if (matches()) {
            pending = std::move(item);
            batch = Value::list(std::move(items));
            return true;
          }
          items.push_back(std::move(item));
        }
        if (items.empty()) return false;
        const std::int64_t size = fill.is_none() ? 0 : to_index(size_value, "batch size");
        while (static_cast<std::int64_t>(items.size()) < size) {
          spend(1);
          items.push_back(fill);
        }
        batch = Value::list(std::move(items));
        return true;
      },
      std::max(input.nesting(), nesting_of(arguments)));
}

Values slice_evenly(const Values& items, std::int64_t slices, const Value& fill) {
  if (slices == 0) raise("integer division or modulo by zero");
  const auto length = static_cast<std::int64_t>(items.size());
  const auto per_slice = static_cast<std::int64_t>(floor_divide(length, slices));
  const auto with_extra = static_cast<std::int64_t>(floor_modulo(length, slices));
  Values out;
  std::int64_t offset = 0;
  for (std::int64_t number = 0; number < slices; ++number) {
    const std::int64_t start = offset + number * per_slice;
    if (number < with_extra) ++offset;
    const std::int64_t end = offset + (number + 1) * per_slice;
    Values part(items.begin() + start, items.begin() + end);
    if (!fill.is_none() && number >= with_extra) part.push_back(fill);
    spend(1);
    out.push_back(Value::list(std::move(part)));
  }
  return out;
}

Value filter_slice(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("slice", arguments, {"slices", "fill_with"}, 1);
  const Value slices = bound.at(0);
  const Value fill = bound.get(1);
  std::optional<Values> parts;  // made at the first use, as Python's generator does
  std::size_t at = 0;
  return make_generator(
      "generator",
      [=](Value& item) mutable {
        if (!parts) parts = slice_evenly(to_vector(input), to_index(slices, "slices"), fill);
        if (at == parts->size()) return false;
        item = (*parts)[at++];
        return true;
      },
      std::max(input.nesting(), fill.nesting()) + 1);
}

Value filter_default(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("default", arguments, {"default_value", "boolean"});
  if (input.is_undefined() || (bound.flag(1, false) && !truthy(input))) {
    return bound.has(0) ? bound.at(0) : Value::string("");
  }
  return input;
}

Value filter_tojson(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii_only = bound.flag(0, false);
  style.sort_keys = bound.flag(3, false);
  if (bound.has(1) && !bound.at(1).is_none()) {
    if (bound.at(1).is_string()) {
      style.indent = bound.at(1).as_string();
    } else {
      const auto width = static_cast<std::size_t>(std::max<std::int64_t>(0, bound.integer(1, 0)));
      check_repeated_bytes(width);
      style.indent = std::string(width, ' ');
    }
    style.item_separator.resize(1);  // no space behind the comma
  }
  if (bound.has(2) && !bound.at(2).is_none()) {
    const Values separators = to_vector(bound.at(2));
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string()) {
      raise("tojson() separators must be two strings");
    }
    style.item_separator = separators[0].as_string();
    style.key_separator = separators[1].as_string();
  }
  return Value::string(to_json(input, style));
}

Value filter_attr(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Bound bound("attr", arguments, {"name"}, 1);
  const std::string name = bound.text(0, "");
  require_defined(input);
  // Unlike a dot, the filter does not fall back to the items of a dict.
  if (input.is(Kind::kDict) && find_method(input, name) == nullptr && !is_withheld(input, name)) {
    return Value::undefined(fmt::format("'dict object' has no attribute '{}'", name));
  }
  return interpreter.get_attribute(input, name);
}

}  // namespace

const FilterTable& sequence_filters() {
  static const FilterTable kTable = {
      {"length", filter_length}, {"count", filter_length},    {"list", filter_list},
      {"first", filter_first},   {"last", filter_last},       {"reverse", filter_reverse},
      {"join", filter_join},     {"items", filter_items},     {"batch", filter_batch},
      {"slice", filter_slice},   {"default", filter_default}, {"d", filter_default},
      {"tojson", filter_tojson}, {"attr", filter_attr},
  };
  return kTable;
}

}  // namespace quire::text::jinja
