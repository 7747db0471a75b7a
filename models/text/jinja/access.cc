// Attributes, items and slices, as Jinja's sandbox hands them out.
#include <algorithm>
#include <charconv>

#include "models/text/jinja/builtins.h"
#include "models/text/jinja/guards.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

// "None" or "dict object", for messages.
std::string described_type(const Value& value) {
  return value.is_none() ? "None" : type_name(value) + " object";
}

Value missing_attribute(const Value& object, std::string_view name) {
  return Value::undefined(fmt::format("'{}' has no attribute '{}'", described_type(object), name));
}

Value code_point_at(const Value& text, std::size_t idx) {
  const std::string& bytes = text.as_string();
  const std::size_t start = text.code_points() == bytes.size() ? idx : offset_of(bytes, idx);
  spend_scanned_bytes(start);
  std::size_t end = start;
  next_code_point(bytes, end);
  std::string one = bytes.substr(start, end - start);
  return text.is_markup() ? Value::markup(std::move(one)) : Value::string(std::move(one));
}

// The element of a sequence; nothing when it is none or has no such element.
std::optional<Value> element_at(const Value& object, Int idx) {
  const auto* range =
      object.is(Kind::kObject) ? dynamic_cast<const Range*>(&object.as_object()) : nullptr;
  if (!object.is_string() && !object.is_list_or_tuple() && range == nullptr) return std::nullopt;
  const auto length = static_cast<Int>(*length_of(object));
  if (idx < 0) idx += length;
  if (idx < 0 || idx >= length) return std::nullopt;
  if (range != nullptr) return range->at(idx);
  const auto at = static_cast<std::size_t>(idx);
  return object.is_string() ? code_point_at(object, at) : object.items()[at];
}

struct SliceBounds {
  Int start;
  Int step;
  Int count;
};

// Python's slice.indices().
SliceBounds resolve_slice(Int length, const std::optional<Int>& start,
                          const std::optional<Int>& stop, Int step) {
  const auto clamp = [&](const std::optional<Int>& bound, Int fallback) {
    if (!bound) return fallback;
    Int value = *bound < 0 ? *bound + length : *bound;
    const Int low = step < 0 ? -1 : 0;
    const Int high = step < 0 ? length - 1 : length;
    return std::clamp(value, low, std::max(low, high));
  };
  const Int first = clamp(start, step < 0 ? length - 1 : 0);
  const Int last = clamp(stop, step < 0 ? -1 : length);
  const Int span = step < 0 ? first - last : last - first;
  const Int stride = step < 0 ? -step : step;
  return {first, step, span > 0 ? (span - 1) / stride + 1 : 0};
}

Value slice_text(const Value& text, const SliceBounds& bounds) {
  const std::string& bytes = text.as_string();
  const bool ascii = text.code_points() == bytes.size();
  std::string out;
  spend_scanned_bytes(bytes.size());
  if (bounds.step == 1) {
    const auto first = static_cast<std::size_t>(bounds.start);
    const auto last = static_cast<std::size_t>(bounds.start + bounds.count);
    const std::size_t begin = ascii ? first : offset_of(bytes, first);
    const std::size_t end =
        ascii ? last : begin + offset_of(std::string_view(bytes).substr(begin), last - first);
    if (bounds.count > 0) out = bytes.substr(begin, end - begin);
  } else {
    std::vector<std::size_t> starts;  // byte offsets of the code points
    for (std::size_t at = 0; at < bytes.size(); next_code_point(bytes, at)) starts.push_back(at);
    starts.push_back(bytes.size());
    for (Int i = 0; i < bounds.count; ++i) {
      const auto idx = static_cast<std::size_t>(bounds.start + i * bounds.step);
      out += bytes.substr(starts[idx], starts[idx + 1] - starts[idx]);
    }
  }
  return text.is_markup() ? Value::markup(std::move(out)) : Value::string(std::move(out));
}

Value bind_method(const Value& self, const std::string& name, MethodFunction method) {
  return make_function(
      name,
      [self, method](Interpreter& interpreter, const Arguments& arguments) {
        return method(interpreter, self, arguments);
      },
      self.nesting());
}

}  // namespace

// What Python's getattr() finds; nothing when it raises AttributeError.
std::optional<Value> Interpreter::attribute_of(const Value& object, const std::string& name) {
  if (is_withheld(object, name)) {
    return Value::undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(object)));
  }
  if (const MethodFunction method = find_method(object, name)) {
    return bind_method(object, name, method);
  }
  if (object.is(Kind::kObject)) return object.as_object().attribute(name);
  if (object.is_group() && (name == "grouper" || name == "list")) {
    return object.items()[name == "list"];
  }
  if (object.is_numeric() && (name == "real" || name == "imag")) {
    if (object.is(Kind::kFloat)) return name == "real" ? object : Value::number(0);
    return Value::integer(name == "real" ? object.as_int() : 0);
  }
  if (object.is_integral() && (name == "numerator" || name == "denominator")) {
    return Value::integer(name == "numerator" ? object.as_int() : 1);
  }
  return std::nullopt;
}

Value Interpreter::get_attribute(const Value& object, const std::string& name) {
  require_defined(object);
  if (auto attribute = attribute_of(object, name)) return *std::move(attribute);
  if (object.is(Kind::kDict)) {
    if (const Value* member = object.as_dict().find(std::string_view(name))) return *member;
  }
  return missing_attribute(object, name);
}

Value Interpreter::get_item(const Value& object, const Value& key) {
  require_defined(object);
  if (object.is(Kind::kDict)) {
    const bool hashable = !key.is(Kind::kList) && !key.is(Kind::kDict);
    if (const Value* member = hashable ? object.as_dict().find(key) : nullptr) return *member;
  } else if (key.is_integral()) {
    if (auto element = element_at(object, key.as_int())) return *std::move(element);
  }
  if (key.is_string()) {
    if (auto attribute = attribute_of(object, key.as_string())) return *std::move(attribute);
    return missing_attribute(object, key.as_string());
  }
  return Value::undefined(fmt::format("{} has no element {}", described_type(object), repr(key)));
}

Value Interpreter::get_path(Value item, const Value& path, const Value* fallback) {
  if (path.is_none()) return item;
  const auto step = [&](const Value& key) {
    item = get_item(item, key);
    if (fallback != nullptr && !fallback->is_none() && item.is_undefined()) item = *fallback;
  };
  if (!path.is_string()) {
    step(path);
    return item;
  }
  const std::string_view text = path.as_string();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    std::int64_t number = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), number);
    const bool is_number = !part.empty() && part.front() != '-' && parsed.ec == std::errc() &&
                           parsed.ptr == part.data() + part.size();
    step(is_number ? Value::integer(number) : Value::string(std::string(part)));
    begin = end + 1;
  }
  return item;
}

Value Interpreter::get_slice(const Value& object, const Slice& slice) {
  const auto bound = [&](const ExpressionPtr& expression) -> std::optional<Int> {
    if (expression == nullptr) return std::nullopt;
    const Value value = evaluate(*expression);
    if (value.is_none()) return std::nullopt;
    return to_index(value, "a slice index");
  };
  const std::optional<Int> start = bound(slice.start);
  const std::optional<Int> stop = bound(slice.stop);
  const Int step = bound(slice.step).value_or(1);
  require_defined(object);
  if (step == 0) raise("slice step cannot be zero");
  const auto* range =
      object.is(Kind::kObject) ? dynamic_cast<const Range*>(&object.as_object()) : nullptr;
  if (!object.is_string() && !object.is_list_or_tuple() && range == nullptr) {
    raise("'{}' object cannot be sliced", type_name(object));
  }
  const auto length = static_cast<Int>(*length_of(object));
  const SliceBounds bounds = resolve_slice(length, start, stop, step);
  if (object.is_string()) return slice_text(object, bounds);
  if (range != nullptr) {
    const Int first = range->start + bounds.start * range->step;
    const Int last = step < 0 && !stop ? Int{-1} : bounds.start + bounds.count * bounds.step;
    return Value::object(
        std::make_shared<Range>(first, range->start + last * range->step, range->step * step));
  }
  Values items;
  for (Int i = 0; i < bounds.count; ++i) {
    items.push_back(object.items()[static_cast<std::size_t>(bounds.start + i * bounds.step)]);
  }
  return object.is(Kind::kList) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

}  // namespace quire::text::jinja
