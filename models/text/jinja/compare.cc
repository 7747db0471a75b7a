// Equality, order and membership with Python's rules.
#include <cmath>

#include "models/text/jinja/object.h"
#include "models/text/jinja/operators.h"

namespace quire::text::jinja {
namespace {

constexpr double kExactIntLimit = 0x1p126;

bool equal_items(const Values& left, const Values& right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!equal(left[i], right[i])) return false;
  }
  return true;
}

bool equal_dicts(const DictData& left, const DictData& right) {
  if (left.size() != right.size()) return false;
  for (const auto& [key, value] : left.entries()) {
    const Value* other = right.find(key);
    if (other == nullptr || !equal(value, *other)) return false;
  }
  return true;
}

bool equal_numbers(const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) return left.as_int() == right.as_int();
  if (left.is(Kind::kFloat) && right.is(Kind::kFloat)) return left.as_double() == right.as_double();
  const double number = (left.is(Kind::kFloat) ? left : right).as_double();
  const Int integer = (left.is(Kind::kFloat) ? right : left).as_int();
  return number == std::floor(number) && std::abs(number) < kExactIntLimit &&
         static_cast<Int>(number) == integer;
}

// -1, 0 or 1; 2 when one of them is NaN.
int order_numbers(const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) {
    return left.as_int() < right.as_int() ? -1 : left.as_int() > right.as_int();
  }
  if (left.is_integral()) {
    const int order = order_numbers(right, left);
    return order == 2 ? 2 : -order;
  }
  const double number = left.as_double();
  if (std::isnan(number)) return 2;
  if (right.is(Kind::kFloat)) {
    const double other = right.as_double();
    if (std::isnan(other)) return 2;
    return number < other ? -1 : number > other;
  }
  if (std::abs(number) >= kExactIntLimit) return number < 0 ? -1 : 1;
  const Int whole = static_cast<Int>(std::floor(number));
  if (whole != right.as_int()) return whole < right.as_int() ? -1 : 1;
  return number > std::floor(number) ? 1 : 0;
}

[[noreturn]] void raise_unordered(Comparison op, const Value& left, const Value& right) {
  static constexpr const char* kSymbols[] = {"==", "!=", "<", "<=", ">", ">="};
  raise("'{}' not supported between instances of '{}' and '{}'", kSymbols[static_cast<int>(op)],
        type_name(left), type_name(right));
}

template <class T>
bool decide(Comparison op, const T& left, const T& right) {
  switch (op) {
    case Comparison::kLess:
      return left < right;
    case Comparison::kLessEqual:
      return left <= right;
    case Comparison::kGreater:
      return left > right;
    default:
      return left >= right;
  }
}

bool ordered(Comparison op, const Value& left, const Value& right) {
  spend(1);
  require_defined(left);
  require_defined(right);
  if (left.is_numeric() && right.is_numeric()) {
    const int order = order_numbers(left, right);
    return order != 2 && decide(op, order, 0);
  }
  if (left.is_string() && right.is_string()) {
    spend_scanned_bytes(std::min(left.as_string().size(), right.as_string().size()));
    return decide(op, left.as_string().compare(right.as_string()), 0);
  }
  if (left.is_list_or_tuple() && left.kind() == right.kind()) {
    const Values& a = left.items();
    const Values& b = right.items();
    std::size_t i = 0;
    while (i < a.size() && i < b.size() && equal(a[i], b[i])) ++i;
    if (i == a.size() || i == b.size()) return decide(op, a.size(), b.size());
    return ordered(op, a[i], b[i]);
  }
  raise_unordered(op, left, right);
}

bool range_contains(const Range& range, const Value& item) {
  if (!item.is_integral()) return false;
  const Int value = item.as_int();
  if (!range.truth()) return false;
  const Int last = range.start + (static_cast<Int>(*range.length()) - 1) * range.step;
  const Int low = range.step > 0 ? range.start : last;
  const Int high = range.step > 0 ? last : range.start;
  return value >= low && value <= high && (value - range.start) % range.step == 0;
}

}  // namespace

bool equal(const Value& left, const Value& right) {
  spend(1);
  if (left.is_numeric() && right.is_numeric()) return equal_numbers(left, right);
  if (left.kind() != right.kind()) return false;
  if (left.same_as(right)) return true;
  switch (left.kind()) {
    case Kind::kUndefined:
      return true;
    case Kind::kString:
      spend_scanned_bytes(std::min(left.as_string().size(), right.as_string().size()));
      return left.as_string() == right.as_string();
    case Kind::kList:
    case Kind::kTuple:
      return equal_items(left.items(), right.items());
    case Kind::kDict:
      return equal_dicts(left.as_dict(), right.as_dict());
    case Kind::kObject: {
      const auto* a = dynamic_cast<const Range*>(&left.as_object());
      const auto* b = dynamic_cast<const Range*>(&right.as_object());
      return a != nullptr && b != nullptr && a->length() == b->length() &&
             (a->length() == 0u || a->start == b->start) &&
             (a->length() <= 1u || a->step == b->step);
    }
    default:
      return false;
  }
}

bool less(const Value& left, const Value& right) { return ordered(Comparison::kLess, left, right); }

bool contains(const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      raise("'in <string>' requires string as left operand, not {}", type_name(item));
    }
    spend_scanned_bytes(container.as_string().size());
    return container.as_string().find(item.as_string()) != std::string::npos;
  }
  if (container.is(Kind::kDict)) return container.as_dict().find(item) != nullptr;
  if (container.is(Kind::kObject)) {
    if (const auto* range = dynamic_cast<const Range*>(&container.as_object());
        range != nullptr && item.is_integral()) {
      return range_contains(*range, item);
    }
  }
  const auto cursor = try_iterate(container);
  if (cursor == nullptr) raise("argument of type '{}' is not iterable", type_name(container));
  for (Value candidate; cursor->next(candidate);) {
    if (equal(candidate, item)) return true;
  }
  return false;
}

bool compare(Comparison op, const Value& left, const Value& right) {
  switch (op) {
    case Comparison::kEqual:
      return equal(left, right);
    case Comparison::kNotEqual:
      return !equal(left, right);
    case Comparison::kIn:
      return contains(right, left);
    case Comparison::kNotIn:
      return !contains(right, left);
    default:
      return ordered(op, left, right);
  }
}

}  // namespace quire::text::jinja
