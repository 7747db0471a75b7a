// Building, hashing and looking at values.
#include "models/text/jinja/value.h"

#include <cmath>
#include <limits>

#include "base/check.h"
#include "models/text/jinja/object.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

constexpr std::size_t kIndexFrom = 9;  // entries; a shorter dict is searched

std::size_t mix(std::size_t seed, std::size_t value) {
  return seed ^ (value + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2));
}

std::size_t hash_int(Int value) {
  return mix(static_cast<std::size_t>(value), static_cast<std::size_t>(value >> 64) * 0x85ebca6b);
}

int nesting_around(const Values& items) {
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.nesting());
  if (deepest >= kMaxValueDepth) raise("values nest deeper than {}", kMaxValueDepth);
  return deepest + 1;
}

std::shared_ptr<ListData> make_list(Values items) {
  spend(static_cast<std::int64_t>(items.size()));
  auto data = std::make_shared<ListData>();
  data->nesting = nesting_around(items);
  data->items = std::move(items);
  return data;
}

std::shared_ptr<StringData> make_string(std::string text) {
  spend_built_bytes(text.size());
  auto data = std::make_shared<StringData>();
  data->code_points = count_code_points(text);
  data->text = std::move(text);
  return data;
}

}  // namespace

Value Value::boolean(bool value) {
  Value result(Kind::kBool, nullptr);
  result.scalar_.truth = value;
  return result;
}

Value Value::integer(Int value) {
  Value result(Kind::kInt, nullptr);
  result.scalar_.integer = value;
  return result;
}

Value Value::number(double value) {
  Value result(Kind::kFloat, nullptr);
  result.scalar_.number = value;
  return result;
}

Value Value::string(std::string text) { return {Kind::kString, make_string(std::move(text))}; }

Value Value::markup(std::string text) {
  auto data = make_string(std::move(text));
  data->markup = true;
  return {Kind::kString, std::move(data)};
}

Value Value::list(Values items) { return {Kind::kList, make_list(std::move(items))}; }

Value Value::tuple(Values items) { return {Kind::kTuple, make_list(std::move(items))}; }

Value Value::group(Values items) {
  auto data = make_list(std::move(items));
  data->group = true;
  return {Kind::kTuple, std::move(data)};
}

Value Value::dict(std::shared_ptr<const DictData> data) {
  spend(static_cast<std::int64_t>(data->size()));
  return {Kind::kDict, std::const_pointer_cast<DictData>(std::move(data))};
}

Value Value::object(std::shared_ptr<Object> object) { return {Kind::kObject, std::move(object)}; }

Value Value::undefined(std::string message) {
  auto data = std::make_shared<UndefinedData>();
  data->message = std::move(message);
  return {Kind::kUndefined, std::move(data)};
}

bool Value::is_markup() const {
  return is_string() && static_cast<const StringData&>(*data_).markup;
}

Int Value::as_int() const {
  CHECK(is_integral());
  return kind_ == Kind::kBool ? Int{scalar_.truth} : scalar_.integer;
}

double Value::as_double() const {
  return kind_ == Kind::kFloat ? scalar_.number : static_cast<double>(as_int());
}

const std::string& Value::as_string() const {
  CHECK(is_string());
  return static_cast<const StringData&>(*data_).text;
}

std::size_t Value::code_points() const {
  CHECK(is_string());
  return static_cast<const StringData&>(*data_).code_points;
}

const Values& Value::items() const {
  CHECK(is_list_or_tuple());
  return static_cast<const ListData&>(*data_).items;
}

bool Value::is_group() const {
  return kind_ == Kind::kTuple && static_cast<const ListData&>(*data_).group;
}

const DictData& Value::as_dict() const {
  CHECK(is(Kind::kDict));
  return static_cast<const DictData&>(*data_);
}

Object& Value::as_object() const {
  CHECK(is(Kind::kObject));
  return static_cast<Object&>(*data_);
}

std::shared_ptr<Object> Value::share_object() const {
  CHECK(is(Kind::kObject));
  return std::static_pointer_cast<Object>(data_);
}

const std::string& Value::undefined_message() const {
  CHECK(is_undefined());
  return static_cast<const UndefinedData&>(*data_).message;
}

bool Value::same_as(const Value& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::kNone:
      return true;
    case Kind::kBool:
      return as_bool() == other.as_bool();
    case Kind::kInt:
      return as_int() == other.as_int();
    case Kind::kFloat:
      return false;
    default:
      return data_ == other.data_;
  }
}

int Value::nesting() const {
  if (is_list_or_tuple()) return static_cast<const ListData&>(*data_).nesting;
  if (is(Kind::kDict)) return as_dict().nesting();
  return is(Kind::kObject) ? as_object().nesting() : 0;
}

std::size_t DictData::locate(const Value& key, std::size_t hash) const {
  if (index_.empty()) {
    std::size_t idx = 0;
    while (idx < entries_.size() && !equal(entries_[idx].first, key)) ++idx;
    return idx;
  }
  const auto [begin, end] = index_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (equal(entries_[it->second].first, key)) return it->second;
  }
  return entries_.size();
}

void DictData::set(const Value& key, Value value) {
  const std::size_t hash = hash_value(key);
  nesting_ = std::max(nesting_, value.nesting() + 1);
  if (nesting_ > kMaxValueDepth) raise("values nest deeper than {}", kMaxValueDepth);
  if (const std::size_t idx = locate(key, hash); idx < entries_.size()) {
    entries_[idx].second = std::move(value);
    return;
  }
  entries_.emplace_back(key, std::move(value));
  if (entries_.size() < kIndexFrom) return;
  if (!index_.empty()) {
    index_.emplace(hash, entries_.size() - 1);
    return;
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    index_.emplace(hash_value(entries_[i].first), i);
  }
}

const Value* DictData::find(const Value& key) const {
  const std::size_t hash = hash_value(key);
  const std::size_t idx = locate(key, hash);
  return idx < entries_.size() ? &entries_[idx].second : nullptr;
}

const Value* DictData::find(std::string_view key) const {
  const auto matches = [&](const Pair& entry) {
    return entry.first.is_string() && entry.first.as_string() == key;
  };
  if (index_.empty()) {
    for (const Pair& entry : entries_) {
      if (matches(entry)) return &entry.second;
    }
    return nullptr;
  }
  const auto [begin, end] = index_.equal_range(hash_text(key));
  for (auto it = begin; it != end; ++it) {
    if (matches(entries_[it->second])) return &entries_[it->second].second;
  }
  return nullptr;
}

std::size_t hash_text(std::string_view text) { return std::hash<std::string_view>{}(text); }

std::size_t hash_value(const Value& value) {
  switch (value.kind()) {
    case Kind::kNone:
      return 0x6e6f6e65;
    case Kind::kUndefined:
      return 0x756e6466;
    case Kind::kBool:
    case Kind::kInt:
      return hash_int(value.as_int());
    case Kind::kFloat: {
      const double number = value.as_double();
      if (number == std::floor(number) && std::abs(number) < 0x1p126) {
        return hash_int(static_cast<Int>(number));
      }
      return std::hash<double>{}(number);
    }
    case Kind::kString:
      spend_scanned_bytes(value.as_string().size());
      return hash_text(value.as_string());
    case Kind::kTuple: {
      std::size_t hash = 0x7475706c;
      for (const Value& item : value.items()) {
        spend(1);
        hash = mix(hash, hash_value(item));
      }
      return hash;
    }
    case Kind::kObject:
      return std::hash<const void*>{}(value.identity());
    default:
      raise("unhashable type: '{}'", type_name(value));
  }
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.as_bool();
    case Kind::kInt:
      return value.as_int() != 0;
    case Kind::kFloat:
      return value.as_double() != 0;
    case Kind::kString:
      return !value.as_string().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.items().empty();
    case Kind::kDict:
      return value.as_dict().size() > 0;
    case Kind::kObject:
      return value.as_object().truth();
  }
  return false;
}

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.is_markup() ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kObject:
      return value.as_object().type();
  }
  return "object";
}

}  // namespace quire::text::jinja
