// The values a template computes with: Python's, as far as templates can tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/text/jinja/budget.h"

namespace quire::text::jinja {

// Python's integers have no bound; these have 127 bits, and an overflow is an error.
using Int = __int128;

enum class Kind : std::uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kObject,  // functions, macros, namespaces, iterators, views: see object.h
};

struct HeapData {
  virtual ~HeapData() = default;
};
struct StringData;
struct ListData;
struct DictData;
struct UndefinedData;
class Object;

class Value;
using Values = std::vector<Value>;
using Pair = std::pair<Value, Value>;

// A cheap handle; strings, lists and dicts behind it are immutable and shared.
class Value {
 public:
  Value() = default;  // None
  static Value boolean(bool value);
  static Value integer(Int value);
  static Value number(double value);
  static Value string(std::string text);
  // Python's Markup: a string that operations with plain strings escape those for HTML.
  static Value markup(std::string text);
  static Value list(Values items);
  static Value tuple(Values items);
  // groupby's pairs, which also answer to .grouper and .list.
  static Value group(Values items);
  static Value dict(std::shared_ptr<const DictData> data);
  static Value object(std::shared_ptr<Object> object);
  // `message` is what any use but printing, testing and iterating raises.
  static Value undefined(std::string message);
  static Value from_json(const nlohmann::ordered_json& json);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_list_or_tuple() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_numeric() const { return is_integral() || kind_ == Kind::kFloat; }
  bool is_markup() const;

  // Each requires the kind it names.
  bool as_bool() const { return scalar_.truth; }
  Int as_int() const;        // ints and bools
  double as_double() const;  // any number
  const std::string& as_string() const;
  std::size_t code_points() const;  // of a string
  const Values& items() const;      // of a list or tuple
  bool is_group() const;
  const DictData& as_dict() const;
  Object& as_object() const;
  std::shared_ptr<Object> share_object() const;
  const std::string& undefined_message() const;

  // The same storage: Python's `is` for shared values; equal for None, booleans and small numbers.
  bool same_as(const Value& other) const;
  // How deeply lists, tuples and dicts nest here; a scalar has 0. At most kMaxValueDepth.
  int nesting() const;
  const void* identity() const { return data_.get(); }

 private:
  Value(Kind kind, std::shared_ptr<HeapData> data) : kind_(kind), data_(std::move(data)) {}

  union Scalar {
    bool truth;
    double number;
    Int integer;
  };
  Kind kind_ = Kind::kNone;
  Scalar scalar_ = {.integer = 0};
  std::shared_ptr<HeapData> data_;
};

// Destruction, printing and comparison recurse this deep at most.
constexpr int kMaxValueDepth = 200;

struct StringData final : HeapData {
  std::string text;
  std::size_t code_points = 0;
  bool markup = false;
};

struct ListData final : HeapData {
  Values items;
  int nesting = 1;
  bool group = false;
};

struct UndefinedData final : HeapData {
  std::string message;
};

// Keeps the order of insertion. Built once, then shared as const.
struct DictData final : HeapData {
 public:
  const std::vector<Pair>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  int nesting() const { return nesting_; }
  const Value* find(const Value& key) const;  // raises when the key is unhashable
  const Value* find(std::string_view key) const;
  // Replaces the value of an equal key, which keeps its place.
  void set(const Value& key, Value value);

 private:
  std::size_t locate(const Value& key, std::size_t hash) const;  // npos when absent

  std::vector<Pair> entries_;
  std::unordered_multimap<std::size_t, std::size_t> index_;  // empty while small
  int nesting_ = 1;
};

std::size_t hash_value(const Value& value);  // raises "unhashable type"
std::size_t hash_text(std::string_view text);

bool truthy(const Value& value);
// Python's name of the type: "str", "NoneType", "Undefined".
std::string type_name(const Value& value);

}  // namespace quire::text::jinja
