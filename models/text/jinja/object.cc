// Ranges, views, generators, namespaces and the helpers joiner() and cycler().
#include "models/text/jinja/object.h"

#include <algorithm>

#include "models/text/jinja/arguments.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

// Walks a vector that `owner` keeps alive.
class VectorCursor final : public Cursor {
 public:
  VectorCursor(Value owner, const Values& items) : owner_(std::move(owner)), items_(items) {}
  bool next(Value& item) override {
    if (at_ == items_.size()) return false;
    item = items_[at_++];
    return true;
  }

 private:
  Value owner_;
  const Values& items_;
  std::size_t at_ = 0;
};

class TextCursor final : public Cursor {
 public:
  explicit TextCursor(Value text) : text_(std::move(text)) {}
  bool next(Value& item) override {
    const std::string& text = text_.as_string();
    if (at_ == text.size()) return false;
    const std::size_t start = at_;
    next_code_point(text, at_);
    item = Value::string(text.substr(start, at_ - start));
    return true;
  }

 private:
  Value text_;
  std::size_t at_ = 0;
};

Value view_item(const Pair& entry, ViewKind kind) {
  switch (kind) {
    case ViewKind::kKeys:
      return entry.first;
    case ViewKind::kValues:
      return entry.second;
    case ViewKind::kItems:
      return Value::tuple({entry.first, entry.second});
  }
  return {};
}

class DictCursor final : public Cursor {
 public:
  DictCursor(Value dict, ViewKind kind) : dict_(std::move(dict)), kind_(kind) {}
  bool next(Value& item) override {
    const auto& entries = dict_.as_dict().entries();
    if (at_ == entries.size()) return false;
    item = view_item(entries[at_++], kind_);
    return true;
  }

 private:
  Value dict_;
  ViewKind kind_;
  std::size_t at_ = 0;
};

class RangeCursor final : public Cursor {
 public:
  RangeCursor(const Range& range) : at_(range.start), step_(range.step), left_(*range.length()) {}
  bool next(Value& item) override {
    if (left_ == 0) return false;
    --left_;
    item = Value::integer(at_);
    at_ += step_;
    return true;
  }

 private:
  Int at_;
  Int step_;
  std::size_t left_;
};

class SharedCursor final : public Cursor {
 public:
  explicit SharedCursor(std::shared_ptr<Cursor> cursor) : cursor_(std::move(cursor)) {}
  bool next(Value& item) override { return cursor_->next(item); }

 private:
  std::shared_ptr<Cursor> cursor_;
};

class EmptyCursor final : public Cursor {
 public:
  bool next(Value&) override { return false; }
};

class FunctionCursor final : public Cursor {
 public:
  explicit FunctionCursor(Advance advance) : advance_(std::move(advance)) {}
  bool next(Value& item) override { return advance_(item); }

 private:
  Advance advance_;
};

}  // namespace

const Value* Arguments::find(std::string_view name) const {
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string Object::repr() const { return fmt::format("<{} object>", type()); }

Value Object::call(Interpreter&, const Arguments&) { raise("'{}' object is not callable", type()); }

std::optional<Value> Object::attribute(std::string_view) { return std::nullopt; }

int checked_nesting(int owned) {
  if (owned >= kMaxValueDepth) raise("values nest deeper than {}", kMaxValueDepth);
  return owned + 1;
}

int nesting_of(const Arguments& arguments) {
  int deepest = 0;
  for (const Value& value : arguments.positional) deepest = std::max(deepest, value.nesting());
  for (const auto& [name, value] : arguments.named) deepest = std::max(deepest, value.nesting());
  return deepest;
}

Value make_function(std::string name, Function::Body body, int owned_nesting) {
  return Value::object(std::make_shared<Function>(std::move(name), std::move(body), owned_nesting));
}

Range::Range(Int start_value, Int stop_value, Int step_value)
    : start(start_value), stop(stop_value), step(step_value) {
  const Int span = step > 0 ? stop - start : start - stop;
  const Int stride = step > 0 ? step : -step;
  size_ = span > 0 ? (span - 1) / stride + 1 : 0;
}

std::string Range::repr() const {
  if (step == 1) return fmt::format("range({}, {})", start, stop);
  return fmt::format("range({}, {}, {})", start, stop, step);
}

std::unique_ptr<Cursor> Range::iterate() { return std::make_unique<RangeCursor>(*this); }

std::optional<Value> Range::attribute(std::string_view name) {
  if (name == "start") return Value::integer(start);
  if (name == "stop") return Value::integer(stop);
  if (name == "step") return Value::integer(step);
  if (name != "index" && name != "count") return std::nullopt;
  const Value items = Value::object(shared_from_this());
  const bool wants_index = name == "index";
  return make_function(std::string(name), [=](Interpreter&, const Arguments& arguments) {
    const Bound bound("range method", arguments, {"/value"}, 1);
    // A float that equals a member is none here.
    const bool found = bound.at(0).is_integral() && contains(items, bound.at(0));
    if (!wants_index) return Value::integer(found ? 1 : 0);
    if (!found) raise("{} is not in range", jinja::repr(bound.at(0)));
    const auto& range = static_cast<const Range&>(items.as_object());
    return Value::integer((bound.at(0).as_int() - range.start) / range.step);
  });
}

std::string DictView::type() const {
  return kind_ == ViewKind::kKeys ? "dict_keys"
                                  : (kind_ == ViewKind::kValues ? "dict_values" : "dict_items");
}

Values DictView::collect() const {
  Values items;
  for (const Pair& entry : dict_.as_dict().entries()) items.push_back(view_item(entry, kind_));
  return items;
}

std::string DictView::repr() const {
  return fmt::format("{}({})", type(), jinja::repr(Value::list(collect())));
}

std::unique_ptr<Cursor> DictView::iterate() { return std::make_unique<DictCursor>(dict_, kind_); }

std::unique_ptr<Cursor> Generator::iterate() { return std::make_unique<SharedCursor>(cursor_); }

Value make_generator(std::string type, Advance advance, int owned_nesting) {
  return Value::object(std::make_shared<Generator>(
      std::move(type), std::make_unique<FunctionCursor>(std::move(advance)), owned_nesting));
}

std::string Namespace::repr() const {
  auto data = std::make_shared<DictData>();
  for (const auto& [name, value] : attributes_) data->set(Value::string(name), value);
  return fmt::format("<Namespace {}>", jinja::repr(Value::dict(std::move(data))));
}

std::optional<Value> Namespace::attribute(std::string_view name) {
  for (const auto& [key, value] : attributes_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void Namespace::set(const std::string& name, Value value) {
  if (name.starts_with('_')) {
    raise("a namespace cannot hold the underscore-prefixed attribute '{}'; rename it", name);
  }
  for (auto& [key, old] : attributes_) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  spend(static_cast<std::int64_t>(attributes_.size()));
  attributes_.emplace_back(name, std::move(value));
}

Value Joiner::call(Interpreter&, const Arguments&) {
  if (used_) return separator_;
  used_ = true;
  return Value::string("");
}

std::optional<Value> Cycler::attribute(std::string_view name) {
  if (name == "current") return items_[position_];
  if (name == "items") return Value::tuple(items_);
  if (name == "pos") return Value::integer(static_cast<Int>(position_));
  const auto self = shared_from_this();
  if (name == "next") {
    return make_function(
        "next",
        [self](Interpreter&, const Arguments&) {
          Value item = self->items_[self->position_];
          self->position_ = (self->position_ + 1) % self->items_.size();
          return item;
        },
        nesting_);
  }
  if (name == "reset") {
    return make_function(
        "reset",
        [self](Interpreter&, const Arguments&) {
          self->position_ = 0;
          return Value();
        },
        nesting_);
  }
  return std::nullopt;
}

std::unique_ptr<Cursor> try_iterate(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::make_unique<EmptyCursor>();
    case Kind::kString:
      return std::make_unique<TextCursor>(value);
    case Kind::kList:
    case Kind::kTuple:
      return std::make_unique<VectorCursor>(value, value.items());
    case Kind::kDict:
      return std::make_unique<DictCursor>(value, ViewKind::kKeys);
    case Kind::kObject:
      return value.as_object().iterate();
    default:
      return nullptr;
  }
}

std::unique_ptr<Cursor> iterate(const Value& value) {
  auto cursor = try_iterate(value);
  if (cursor == nullptr) raise("'{}' object is not iterable", type_name(value));
  return cursor;
}

Values to_vector(const Value& value) {
  if (value.is_list_or_tuple()) return value.items();
  Values items;
  const auto cursor = iterate(value);
  for (Value item; cursor->next(item);) {
    spend(1);
    items.push_back(std::move(item));
  }
  return items;
}

std::optional<std::size_t> length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return value.code_points();
    case Kind::kList:
    case Kind::kTuple:
      return value.items().size();
    case Kind::kDict:
      return value.as_dict().size();
    case Kind::kObject:
      return value.as_object().length();
    default:
      return std::nullopt;
  }
}

}  // namespace quire::text::jinja
