// Values with behaviour: what is neither data nor a literal.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/text/jinja/value.h"

namespace quire::text::jinja {

class Interpreter;

struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;

  const Value* find(std::string_view name) const;
};

// Yields items once; shared, so that two users of one iterator share its position.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool next(Value& item) = 0;
};

// One more than what is owned; raises beyond kMaxValueDepth.
int checked_nesting(int owned);
int nesting_of(const Arguments& arguments);

class Object : public HeapData {
 public:
  virtual std::string type() const = 0;
  virtual std::string repr() const;
  virtual bool truth() const { return true; }
  virtual std::optional<std::size_t> length() const { return std::nullopt; }
  // Null when it cannot be iterated.
  virtual std::unique_ptr<Cursor> iterate() { return nullptr; }
  virtual bool callable() const { return false; }
  virtual Value call(Interpreter& interpreter, const Arguments& arguments);
  // An attribute as Python has it; nothing when there is none.
  virtual std::optional<Value> attribute(std::string_view name);
  // Of the values it owns, so that no chain of owners grows without bound.
  virtual int nesting() const { return 0; }
};

// `call` gets the interpreter and the arguments.
class Function final : public Object {
 public:
  using Body = std::function<Value(Interpreter&, const Arguments&)>;
  // `owned_nesting`: of what the body captures.
  Function(std::string name, Body body, int owned_nesting = 0)
      : name_(std::move(name)), body_(std::move(body)), nesting_(checked_nesting(owned_nesting)) {}
  std::string type() const override { return "builtin_function_or_method"; }
  std::string repr() const override { return fmt::format("<built-in function {}>", name_); }
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override {
    return body_(interpreter, arguments);
  }
  int nesting() const override { return nesting_; }

 private:
  std::string name_;
  Body body_;
  int nesting_;
};

Value make_function(std::string name, Function::Body body, int owned_nesting = 0);

class Range final : public Object, public std::enable_shared_from_this<Range> {
 public:
  Range(Int start, Int stop, Int step);
  std::string type() const override { return "range"; }
  std::string repr() const override;
  bool truth() const override { return size_ > 0; }
  std::optional<std::size_t> length() const override { return static_cast<std::size_t>(size_); }
  std::unique_ptr<Cursor> iterate() override;
  std::optional<Value> attribute(std::string_view name) override;
  Value at(Int idx) const { return Value::integer(start + idx * step); }

  Int start, stop, step;

 private:
  Int size_;
};

enum class ViewKind : std::uint8_t { kKeys, kValues, kItems };

class DictView final : public Object {
 public:
  DictView(Value dict, ViewKind kind) : dict_(std::move(dict)), kind_(kind) {}
  std::string type() const override;
  std::string repr() const override;
  bool truth() const override { return length() > 0u; }
  std::optional<std::size_t> length() const override { return dict_.as_dict().size(); }
  std::unique_ptr<Cursor> iterate() override;
  int nesting() const override { return dict_.nesting(); }
  Values collect() const;

 private:
  Value dict_;
  ViewKind kind_;
};

// Python's generators and reversed(): consumed once, always true, without a length.
class Generator final : public Object {
 public:
  Generator(std::string type, std::unique_ptr<Cursor> cursor, int owned_nesting)
      : type_(std::move(type)),
        cursor_(std::move(cursor)),
        nesting_(checked_nesting(owned_nesting)) {}
  std::string type() const override { return type_; }
  std::unique_ptr<Cursor> iterate() override;
  int nesting() const override { return nesting_; }

 private:
  std::string type_;
  std::shared_ptr<Cursor> cursor_;
  int nesting_;
};

// A generator whose items `advance` produces until it returns false.
using Advance = std::function<bool(Value&)>;
Value make_generator(std::string type, Advance advance, int owned_nesting);

class Namespace final : public Object {
 public:
  std::string type() const override { return "Namespace"; }
  std::string repr() const override;
  std::optional<Value> attribute(std::string_view name) override;
  void set(const std::string& name, Value value);  // refuses names that begin with "_"
  void clear() { attributes_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
};

class Joiner final : public Object {
 public:
  explicit Joiner(Value separator)
      : separator_(std::move(separator)), nesting_(checked_nesting(separator_.nesting())) {}
  int nesting() const override { return nesting_; }
  std::string type() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override;

 private:
  Value separator_;
  int nesting_;
  bool used_ = false;
};

class Cycler final : public Object, public std::enable_shared_from_this<Cycler> {
 public:
  explicit Cycler(Values items)
      : items_(std::move(items)), nesting_(Value::tuple(items_).nesting()) {}
  int nesting() const override { return nesting_; }
  std::string type() const override { return "Cycler"; }
  std::optional<Value> attribute(std::string_view name) override;

 private:
  Values items_;
  int nesting_;
  std::size_t position_ = 0;
};

// Null when the value cannot be iterated. Strings yield their code points.
std::unique_ptr<Cursor> try_iterate(const Value& value);
// Raises "'int' object is not iterable".
std::unique_ptr<Cursor> iterate(const Value& value);
Values to_vector(const Value& value);
// len(): nothing when the type has none.
std::optional<std::size_t> length_of(const Value& value);

}  // namespace quire::text::jinja
