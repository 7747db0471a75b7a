// What may stand behind `is`.
#include "models/text/jinja/arguments.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

using TestTable = std::unordered_map<std::string_view, TestFunction>;

void no_arguments(const char* name, const Arguments& arguments) {
  const Bound bound(name, arguments, {});
}

template <Kind kind>
bool test_kind(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("test", arguments);
  return subject.is(kind);
}

bool test_defined(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("defined", arguments);
  return !subject.is_undefined();
}

template <bool truth>
bool test_boolean_value(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("true", arguments);
  return subject.is(Kind::kBool) && subject.as_bool() == truth;
}

bool test_number(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("number", arguments);
  return subject.is_numeric();
}

bool test_sequence(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("sequence", arguments);
  // What has a length and items: not the views of a dict and not generators.
  if (!subject.is(Kind::kObject)) return length_of(subject).has_value();
  return dynamic_cast<const Range*>(&subject.as_object()) != nullptr;
}

bool test_iterable(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("iterable", arguments);
  return try_iterate(subject) != nullptr;
}

bool test_callable(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("callable", arguments);
  // Jinja's undefined values have a __call__, which raises.
  return subject.is_undefined() || (subject.is(Kind::kObject) && subject.as_object().callable());
}

bool test_divisible(Interpreter&, const Value& subject, const Arguments& arguments) {
  const Bound bound("divisibleby", arguments, {"num"}, 1);
  return equal(apply(Operator::kModulo, subject, bound.at(0)), Value::integer(0));
}

template <int remainder>
bool test_parity(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments(remainder == 1 ? "odd" : "even", arguments);
  return equal(apply(Operator::kModulo, subject, Value::integer(2)), Value::integer(remainder));
}

bool test_lower(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("lower", arguments);
  return has_only_lower(to_text(subject));
}

bool test_upper(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("upper", arguments);
  return has_only_upper(to_text(subject));
}

bool test_sameas(Interpreter&, const Value& subject, const Arguments& arguments) {
  const Bound bound("sameas", arguments, {"other"}, 1);
  return subject.same_as(bound.at(0));
}

bool test_escaped(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("escaped", arguments);
  return subject.is_markup();
}

bool test_filter(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("filter", arguments);
  hash_value(subject);  // a look-up in Python's table of filters refuses lists and dicts
  return subject.is_string() && find_filter(subject.as_string()) != nullptr;
}

bool test_test(Interpreter&, const Value& subject, const Arguments& arguments) {
  no_arguments("test", arguments);
  hash_value(subject);
  return subject.is_string() && find_test(subject.as_string()) != nullptr;
}

template <Comparison op>
bool test_comparison(Interpreter&, const Value& subject, const Arguments& arguments) {
  const Bound bound("comparison", arguments, {"/other"}, 1);
  return compare(op, subject, bound.at(0));
}

bool test_in(Interpreter&, const Value& subject, const Arguments& arguments) {
  const Bound bound("in", arguments, {"seq"}, 1);
  return contains(bound.at(0), subject);
}

const TestTable& all_tests() {
  static const TestTable kTable = {
      {"odd", test_parity<1>},
      {"even", test_parity<0>},
      {"divisibleby", test_divisible},
      {"defined", test_defined},
      {"undefined", test_kind<Kind::kUndefined>},
      {"filter", test_filter},
      {"test", test_test},
      {"none", test_kind<Kind::kNone>},
      {"boolean", test_kind<Kind::kBool>},
      {"false", test_boolean_value<false>},
      {"true", test_boolean_value<true>},
      {"integer", test_kind<Kind::kInt>},
      {"float", test_kind<Kind::kFloat>},
      {"lower", test_lower},
      {"upper", test_upper},
      {"string", test_kind<Kind::kString>},
      {"mapping", test_kind<Kind::kDict>},
      {"number", test_number},
      {"sequence", test_sequence},
      {"iterable", test_iterable},
      {"callable", test_callable},
      {"sameas", test_sameas},
      {"escaped", test_escaped},
      {"in", test_in},
      {"==", test_comparison<Comparison::kEqual>},
      {"eq", test_comparison<Comparison::kEqual>},
      {"equalto", test_comparison<Comparison::kEqual>},
      {"!=", test_comparison<Comparison::kNotEqual>},
      {"ne", test_comparison<Comparison::kNotEqual>},
      {">", test_comparison<Comparison::kGreater>},
      {"gt", test_comparison<Comparison::kGreater>},
      {"greaterthan", test_comparison<Comparison::kGreater>},
      {"ge", test_comparison<Comparison::kGreaterEqual>},
      {">=", test_comparison<Comparison::kGreaterEqual>},
      {"<", test_comparison<Comparison::kLess>},
      {"lt", test_comparison<Comparison::kLess>},
      {"lessthan", test_comparison<Comparison::kLess>},
      {"<=", test_comparison<Comparison::kLessEqual>},
      {"le", test_comparison<Comparison::kLessEqual>},
  };
  return kTable;
}

}  // namespace

TestFunction find_test(std::string_view name) {
  const auto found = all_tests().find(name);
  return found == all_tests().end() ? nullptr : found->second;
}

}  // namespace quire::text::jinja
