// The functions that every chat template has.
#include "models/text/jinja/arguments.h"
#include "models/text/jinja/builtins.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/strftime.h"

namespace quire::text::jinja {
namespace {

Int range_argument(const Value& value) {
  require_defined(value);
  if (!value.is_integral()) {
    raise("'{}' object cannot be interpreted as an integer", type_name(value));
  }
  const Int number = value.as_int();
  constexpr Int kLimit = Int{1} << 62;
  if (number > kLimit || number < -kLimit) raise("range() argument {} is too large", number);
  return number;
}

Value call_range(Interpreter&, const Arguments& arguments) {
  const Bound bound("range", arguments, {"/start", "/stop", "/step"}, 1);
  const Int first = range_argument(bound.at(0));
  const Int start = bound.has(1) ? first : 0;
  const Int stop = bound.has(1) ? range_argument(bound.at(1)) : first;
  const Int step = bound.has(2) ? range_argument(bound.at(2)) : 1;
  if (step == 0) raise("range() arg 3 must not be zero");
  auto range = std::make_shared<Range>(start, stop, step);
  const Budget* budget = Budget::current();
  const std::int64_t limit =
      budget != nullptr ? budget->limits().range_items : TemplateLimits{}.range_items;
  if (*range->length() > static_cast<std::size_t>(limit)) {
    raise("a range of {} items exceeds the limit of {}", *range->length(), limit);
  }
  return Value::object(std::move(range));
}

// The entries that Python's dict(...) would hold.
std::shared_ptr<DictData> dict_from(const Arguments& arguments) {
  auto data = std::make_shared<DictData>();
  if (arguments.positional.size() > 1) {
    raise("dict expected at most 1 argument, got {}", arguments.positional.size());
  }
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is(Kind::kDict)) {
      for (const auto& [key, value] : source.as_dict().entries()) data->set(key, value);
    } else {
      const auto cursor = iterate(source);
      for (Value item; cursor->next(item);) {
        spend(1);
        const Values pair = to_vector(item);
        if (pair.size() != 2) {
          raise("dictionary update sequence element has length {}; 2 is required", pair.size());
        }
        data->set(pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) data->set(Value::string(name), value);
  return data;
}

class DictType final : public Object {
 public:
  std::string type() const override { return "TemplateDict"; }
  bool callable() const override { return true; }
  Value call(Interpreter&, const Arguments& arguments) override {
    return Value::dict(dict_from(arguments));
  }
  std::optional<Value> attribute(std::string_view name) override {
    if (name != "fromkeys") return std::nullopt;
    return make_function("fromkeys", [](Interpreter& interpreter, const Arguments& arguments) {
      const Value empty = Value::dict(std::make_shared<DictData>());
      return find_method(empty, "fromkeys")(interpreter, empty, arguments);
    });
  }
};

Value call_namespace(Interpreter& interpreter, const Arguments& arguments) {
  auto fresh = std::make_shared<Namespace>();
  const auto initial = dict_from(arguments);
  for (const auto& [key, value] : initial->entries()) {
    if (!key.is_string()) continue;  // unreachable as an attribute
    fresh->set(key.as_string(), value);
  }
  return interpreter.make_namespace(std::move(fresh));
}

Value call_joiner(Interpreter&, const Arguments& arguments) {
  const Bound bound("joiner", arguments, {"sep"});
  return Value::object(std::make_shared<Joiner>(bound.get(0, Value::string(", "))));
}

Value call_cycler(Interpreter&, const Arguments& arguments) {
  if (!arguments.named.empty()) raise("cycler() takes no keyword arguments");
  if (arguments.positional.empty()) raise("at least one item has to be provided");
  return Value::object(std::make_shared<Cycler>(arguments.positional));
}

Value call_raise_exception(Interpreter&, const Arguments& arguments) {
  const Bound bound("raise_exception", arguments, {"message"}, 1);
  raise("{}", to_text(bound.at(0)));
}

Value call_strftime_now(Interpreter& interpreter, const Arguments& arguments) {
  const Bound bound("strftime_now", arguments, {"format"}, 1);
  return Value::string(strftime_utc(bound.text(0, ""), interpreter.now_unix()));
}

Value call_lipsum(Interpreter&, const Arguments&) {
  raise("lipsum() is random and not supported in chat templates");
}

}  // namespace

std::optional<Value> make_global(std::string_view name) {
  static const std::unordered_map<std::string_view, Value (*)(Interpreter&, const Arguments&)>
      kFunctions = {
          {"range", call_range},
          {"namespace", call_namespace},
          {"joiner", call_joiner},
          {"cycler", call_cycler},
          {"raise_exception", call_raise_exception},
          {"strftime_now", call_strftime_now},
          {"lipsum", call_lipsum},
      };
  if (name == "dict") return Value::object(std::make_shared<DictType>());
  const auto found = kFunctions.find(name);
  if (found == kFunctions.end()) return std::nullopt;
  return make_function(std::string(name), found->second);
}

}  // namespace quire::text::jinja
