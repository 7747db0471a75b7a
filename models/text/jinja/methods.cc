// The methods of dict, list, tuple and numbers, and what the sandbox withholds.
#include <algorithm>
#include <cmath>

#include "models/text/jinja/arguments.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"

namespace quire::text::jinja {
namespace {

template <ViewKind kind>
Value method_view(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("dict view", arguments, {});
  return Value::object(std::make_shared<DictView>(self, kind));
}

Value method_get(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("get", arguments, {"/key", "/default"}, 1);
  const Value* found = self.as_dict().find(bound.at(0));
  return found != nullptr ? *found : bound.get(1);
}

Value method_copy(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("copy", arguments, {});
  return self;
}

Value method_fromkeys(Interpreter&, const Value&, const Arguments& arguments) {
  const Bound bound("fromkeys", arguments, {"/iterable", "/value"}, 1);
  auto data = std::make_shared<DictData>();
  for (const Value& key : to_vector(bound.at(0))) data->set(key, bound.get(1));
  return Value::dict(std::move(data));
}

Value method_index(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("index", arguments, {"/value", "/start", "/stop"}, 1);
  const Values& items = self.items();
  const auto size = static_cast<std::int64_t>(items.size());
  const auto resolve = [&](std::size_t idx, std::int64_t fallback) {
    const std::int64_t value = bound.integer(idx, fallback);
    return std::clamp<std::int64_t>(value < 0 ? value + size : value, 0, size);
  };
  const std::int64_t stop = resolve(2, size);
  for (std::int64_t i = resolve(1, 0); i < stop; ++i) {
    if (equal(items[static_cast<std::size_t>(i)], bound.at(0))) return Value::integer(i);
  }
  raise("{} is not in list", repr(bound.at(0)));
}

Value method_count(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("count", arguments, {"/value"}, 1);
  Int count = 0;
  for (const Value& item : self.items()) count += equal(item, bound.at(0));
  return Value::integer(count);
}

Value method_bit_length(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("bit_length", arguments, {});
  Int rest = self.as_int() < 0 ? -(self.as_int() + 1) + 1 : self.as_int();
  Int bits = 0;
  for (; rest != 0; rest /= 2) ++bits;
  return Value::integer(bits);
}

Value method_is_integer(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("is_integer", arguments, {});
  const double number = self.as_double();
  return Value::boolean(std::isfinite(number) && number == std::floor(number));
}

Value method_conjugate(Interpreter&, const Value& self, const Arguments& arguments) {
  const Bound bound("conjugate", arguments, {});
  return self.is(Kind::kFloat) ? self : Value::integer(self.as_int());
}

const MethodTable& dict_methods() {
  static const MethodTable kTable = {
      {"keys", method_view<ViewKind::kKeys>},
      {"values", method_view<ViewKind::kValues>},
      {"items", method_view<ViewKind::kItems>},
      {"get", method_get},
      {"copy", method_copy},
      {"fromkeys", method_fromkeys},
  };
  return kTable;
}

const MethodTable& list_methods() {
  static const MethodTable kTable = {
      {"index", method_index}, {"count", method_count}, {"copy", method_copy}};
  return kTable;
}

const MethodTable& tuple_methods() {
  static const MethodTable kTable = {{"index", method_index}, {"count", method_count}};
  return kTable;
}

const MethodTable& int_methods() {
  static const MethodTable kTable = {{"bit_length", method_bit_length},
                                     {"conjugate", method_conjugate}};
  return kTable;
}

const MethodTable& float_methods() {
  static const MethodTable kTable = {{"is_integer", method_is_integer},
                                     {"conjugate", method_conjugate}};
  return kTable;
}

MethodFunction find_in(const MethodTable& table, std::string_view name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

template <std::size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace

MethodFunction find_method(const Value& value, std::string_view name) {
  switch (value.kind()) {
    case Kind::kString:
      if (const MethodFunction method = find_in(text_methods(), name)) return method;
      return find_in(text_test_methods(), name);
    case Kind::kDict:
      return find_in(dict_methods(), name);
    case Kind::kList:
      return find_in(list_methods(), name);
    case Kind::kTuple:
      return find_in(tuple_methods(), name);
    case Kind::kBool:
    case Kind::kInt:
      return find_in(int_methods(), name);
    case Kind::kFloat:
      return find_in(float_methods(), name);
    default:
      return nullptr;
  }
}

bool is_withheld(const Value& value, std::string_view name) {
  static constexpr std::string_view kOfDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  static constexpr std::string_view kOfList[] = {"append", "clear", "pop",    "reverse",
                                                 "insert", "sort",  "extend", "remove"};
  static constexpr std::string_view kOfAny[] = {
      "__class__",        "__doc__",      "__init__",
      "__new__",          "__repr__",     "__str__",
      "__hash__",         "__eq__",       "__ne__",
      "__lt__",           "__le__",       "__gt__",
      "__ge__",           "__dir__",      "__format__",
      "__reduce__",       "__sizeof__",   "__getattribute__",
      "__setattr__",      "__delattr__",  "__init_subclass__",
      "__subclasshook__", "__reduce_ex__"};
  static constexpr std::string_view kOfContainer[] = {"__len__", "__contains__", "__getitem__",
                                                      "__iter__"};
  if (value.is(Kind::kDict) && is_one_of(name, kOfDict)) return true;
  if (value.is(Kind::kList) && is_one_of(name, kOfList)) return true;
  if (!name.starts_with("__")) return false;
  const bool container = value.is(Kind::kDict) || value.is_list_or_tuple() || value.is_string();
  return is_one_of(name, kOfAny) || (container && is_one_of(name, kOfContainer));
}

}  // namespace quire::text::jinja
