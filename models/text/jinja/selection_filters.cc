// Filters that choose, order and group items: map, select, sort, unique, groupby, min ...
#include <algorithm>
#include <unordered_map>

#include "models/text/jinja/arguments.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

Value empty_generator() {
  return make_generator(
      "generator", [](Value&) { return false; }, 0);
}

std::string filter_name(const Value& value) {
  if (!value.is_string()) raise("No filter named {} found.", type_name(value));
  return value.as_string();
}

Value filter_map(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  if (!truthy(input)) return empty_generator();
  std::shared_ptr<Cursor> cursor;  // opened at the first use, as Python's generator does
  Arguments rest = arguments;
  if (arguments.positional.empty() && arguments.find("attribute") != nullptr) {
    const Bound bound("map", arguments, {"attribute", "default"}, 1);
    const Value path = bound.at(0);
    const Value fallback = bound.get(1);
    return make_generator(
        "generator",
        [=, &interpreter](Value& item) mutable {
          if (cursor == nullptr) cursor = iterate(input);
          if (!cursor->next(item)) return false;
          spend(1);
          item = interpreter.get_path(std::move(item), path, &fallback);
          return true;
        },
        std::max(input.nesting(), nesting_of(arguments)));
  }
  if (rest.positional.empty()) raise("map requires a filter argument");
  const std::string name = filter_name(rest.positional.front());
  rest.positional.erase(rest.positional.begin());
  return make_generator(
      "generator",
      [=, &interpreter](Value& item) mutable {
        if (cursor == nullptr) cursor = iterate(input);
        if (!cursor->next(item)) return false;
        spend(1);
        item = interpreter.apply_filter(name, item, rest);
        return true;
      },
      std::max(input.nesting(), nesting_of(arguments)));
}

enum class Choice : std::uint8_t { kSelect, kReject };
enum class Subject : std::uint8_t { kItem, kAttribute };

template <Choice choice, Subject subject>
Value filter_select(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  if (!truthy(input)) return empty_generator();
  Arguments rest = arguments;
  const auto shift = [&] {
    Value first = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return first;
  };
  Value path;
  if (subject == Subject::kAttribute) {
    if (rest.positional.empty()) raise("Missing parameter for attribute name");
    path = shift();
  }
  const bool has_test = !rest.positional.empty();
  const Value test = has_test ? shift() : Value();
  if (has_test && !test.is_string()) raise("No test named {} found.", type_name(test));
  std::shared_ptr<Cursor> cursor;
  return make_generator(
      "generator",
      [=, &interpreter](Value& item) mutable {
        if (cursor == nullptr) cursor = iterate(input);
        while (cursor->next(item)) {
          spend(1);
          const Value tested = interpreter.get_path(item, path);
          const bool passes =
              has_test ? interpreter.apply_test(test.as_string(), tested, rest) : truthy(tested);
          if (passes == (choice == Choice::kSelect)) return true;
        }
        return false;
      },
      std::max(input.nesting(), nesting_of(arguments)));
}

// The value that sorting and grouping compare: lower case unless case matters.
Value sort_key(Value value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  return Value::string(to_lower(value.as_string()));
}

struct Keyed {
  Value key;
  Value item;
};

void sort_by_key(std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [reverse](const Keyed& a, const Keyed& b) {
    return reverse ? less(b.key, a.key) : less(a.key, b.key);
  });
}

Value items_of(std::vector<Keyed> keyed) {
  Values items;
  items.reserve(keyed.size());
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return Value::list(std::move(items));
}

// attribute="a,b.c" sorts by several values.
Value multi_key(Interpreter& interpreter, const Value& item, const Value& path,
                bool case_sensitive) {
  Values keys;
  const auto add = [&](const Value& part) {
    keys.push_back(sort_key(interpreter.get_path(item, part), case_sensitive));
  };
  if (!path.is_string()) {
    add(path);
    return Value::list(std::move(keys));
  }
  const std::string& text = path.as_string();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    add(Value::string(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return Value::list(std::move(keys));
}

Value filter_sort(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<Keyed> keyed;
  for (Value& item : to_vector(input)) {
    Value key = multi_key(interpreter, item, bound.get(2), bound.flag(1, false));
    keyed.push_back({std::move(key), std::move(item)});
  }
  sort_by_key(keyed, bound.flag(0, false));
  return items_of(std::move(keyed));
}

Value filter_dictsort(Interpreter&, const Value& input, const Arguments& arguments) {
  const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = bound.text(1, "key");
  if (by != "key" && by != "value") raise("You can only sort by either \"key\" or \"value\"");
  require_defined(input);
  if (!input.is(Kind::kDict)) raise("'{}' object has no attribute 'items'", type_name(input));
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : input.as_dict().entries()) {
    keyed.push_back(
        {sort_key(by == "key" ? key : value, bound.flag(0, false)), Value::tuple({key, value})});
  }
  sort_by_key(keyed, bound.flag(2, false));
  return items_of(std::move(keyed));
}

Value filter_unique(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Bound bound("unique", arguments, {"case_sensitive", "attribute"});
  const bool case_sensitive = bound.flag(0, false);
  const Value path = bound.get(1);
  auto seen = std::make_shared<DictData>();
  std::shared_ptr<Cursor> cursor;
  return make_generator(
      "generator",
      [=, &interpreter](Value& item) mutable {
        if (cursor == nullptr) cursor = iterate(input);
        while (cursor->next(item)) {
          spend(1);
          const Value key = sort_key(interpreter.get_path(item, path), case_sensitive);
          if (seen->find(key) != nullptr) continue;
          seen->set(key, {});
          return true;
        }
        return false;
      },
      std::max(input.nesting(), nesting_of(arguments)));
}

enum class Extreme : std::uint8_t { kMin, kMax };

template <Extreme extreme>
Value filter_extreme(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Bound bound(extreme == Extreme::kMin ? "min" : "max", arguments,
                    {"case_sensitive", "attribute"});
  const auto cursor = iterate(input);
  Value best;
  if (!cursor->next(best)) return Value::undefined("No aggregated item, sequence was empty.");
  const auto key_of = [&](const Value& item) {
    return sort_key(interpreter.get_path(item, bound.get(1)), bound.flag(0, false));
  };
  Value best_key = key_of(best);
  for (Value item; cursor->next(item);) {
    spend(1);
    Value key = key_of(item);
    if (extreme == Extreme::kMin ? less(key, best_key) : less(best_key, key)) {
      best = std::move(item);
      best_key = std::move(key);
    }
  }
  return best;
}

Value filter_groupby(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Bound bound("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const Value fallback = bound.get(1);
  const bool case_sensitive = bound.flag(2, false);
  std::vector<Keyed> keyed;
  for (Value& item : to_vector(input)) {
    Value key = sort_key(interpreter.get_path(item, bound.at(0), &fallback), case_sensitive);
    keyed.push_back({std::move(key), std::move(item)});
  }
  sort_by_key(keyed, false);
  Values groups;
  for (std::size_t begin = 0; begin < keyed.size();) {
    Values items;
    std::size_t end = begin;
    while (end < keyed.size() && equal(keyed[end].key, keyed[begin].key)) {
      items.push_back(keyed[end++].item);
    }
    Value name =
        case_sensitive ? keyed[begin].key : interpreter.get_path(items[0], bound.at(0), &fallback);
    groups.push_back(Value::group({std::move(name), Value::list(std::move(items))}));
    begin = end;
  }
  return Value::list(std::move(groups));
}

Value filter_sum(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Bound bound("sum", arguments, {"attribute", "start"});
  Value total = bound.get(1, Value::integer(0));
  if (total.is_string()) raise("sum() can't sum strings [use ''.join(seq) instead]");
  const auto cursor = iterate(input);
  for (Value item; cursor->next(item);) {
    spend(1);
    total = apply(Operator::kAdd, total, interpreter.get_path(item, bound.get(0)));
  }
  return total;
}

}  // namespace

const FilterTable& selection_filters() {
  static const FilterTable kTable = {
      {"map", filter_map},
      {"select", filter_select<Choice::kSelect, Subject::kItem>},
      {"reject", filter_select<Choice::kReject, Subject::kItem>},
      {"selectattr", filter_select<Choice::kSelect, Subject::kAttribute>},
      {"rejectattr", filter_select<Choice::kReject, Subject::kAttribute>},
      {"sort", filter_sort},
      {"dictsort", filter_dictsort},
      {"unique", filter_unique},
      {"min", filter_extreme<Extreme::kMin>},
      {"max", filter_extreme<Extreme::kMax>},
      {"groupby", filter_groupby},
      {"sum", filter_sum},
  };
  return kTable;
}

}  // namespace quire::text::jinja
