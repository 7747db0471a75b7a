// The closed set of filters, tests, functions and methods.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>

#include "models/text/jinja/object.h"

namespace quire::text::jinja {

using FilterFunction = Value (*)(Interpreter&, const Value& input, const Arguments&);
using TestFunction = bool (*)(Interpreter&, const Value& subject, const Arguments&);
using MethodFunction = Value (*)(Interpreter&, const Value& self, const Arguments&);
using FilterTable = std::unordered_map<std::string_view, FilterFunction>;
using MethodTable = std::unordered_map<std::string_view, MethodFunction>;

// Null when there is none of that name.
FilterFunction find_filter(std::string_view name);
TestFunction find_test(std::string_view name);
// The method of the value's type; null when there is none, or a template may not call it.
MethodFunction find_method(const Value& value, std::string_view name);
// True for what Python has but the sandbox withholds: "__class__", "append" of a list.
bool is_withheld(const Value& value, std::string_view name);

// range, dict, namespace ...; the same objects for one rendering.
std::optional<Value> make_global(std::string_view name);

// The parts of the tables, one file each.
const FilterTable& text_filters();
const FilterTable& sequence_filters();
const FilterTable& selection_filters();
const FilterTable& number_filters();
const FilterTable& markup_filters();
const MethodTable& text_methods();
const MethodTable& text_test_methods();

}  // namespace quire::text::jinja
