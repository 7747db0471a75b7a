// What `loop` knows about the loop it stands in.
#include "models/text/jinja/arguments.h"
#include "models/text/jinja/guards.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"

namespace quire::text::jinja {
namespace {

class BufferedCursor final : public Cursor {
 public:
  explicit BufferedCursor(Values items) : items_(std::move(items)) {}
  bool next(Value& item) override {
    if (at_ == items_.size()) return false;
    item = items_[at_++];
    return true;
  }

 private:
  Values items_;
  std::size_t at_ = 0;
};

}  // namespace

void Loop::set_source(const Value& iterable, std::optional<std::size_t> length) {
  nesting_ = checked_nesting(iterable.nesting());
  length_ = length;
}

bool Loop::advance(Value& item) {
  if (after_) {
    item = *std::exchange(after_, std::nullopt);
  } else if (exhausted_ || !cursor_->next(item)) {
    return false;
  }
  ++index0_;
  before_ = std::exchange(current_, item);
  return true;
}

const std::optional<Value>& Loop::peek() {
  Value item;
  if (!after_ && !exhausted_) {
    if (cursor_->next(item)) {
      after_ = std::move(item);
    } else {
      exhausted_ = true;
    }
  }
  return after_;
}

std::optional<std::size_t> Loop::length() const {
  if (!length_) {
    Values rest;
    for (Value item; cursor_->next(item);) rest.push_back(std::move(item));
    length_ = rest.size() + static_cast<std::size_t>(index0_ + 1) + (after_ ? 1 : 0);
    cursor_ = std::make_unique<BufferedCursor>(std::move(rest));
  }
  return length_;
}

std::string Loop::repr() const {
  return fmt::format("<LoopContext {}/{}>", index0_ + 1, *length());
}

Value Loop::changed(const Arguments& arguments) {
  const auto same = [&] {
    return equal(Value::tuple(*last_changed_), Value::tuple(arguments.positional));
  };
  if (last_changed_ && same()) return Value::boolean(false);
  last_changed_ = arguments.positional;
  return Value::boolean(true);
}

std::optional<Value> Loop::attribute(std::string_view name) {
  if (name == "index") return Value::integer(index0_ + 1);
  if (name == "index0") return Value::integer(index0_);
  if (name == "first") return Value::boolean(index0_ == 0);
  if (name == "last") return Value::boolean(!peek().has_value());
  if (name == "depth") return Value::integer(depth_ + 1);
  if (name == "depth0") return Value::integer(depth_);
  if (name == "previtem") {
    return index0_ == 0 ? Value::undefined("there is no previous item") : *before_;
  }
  if (name == "nextitem") {
    return peek() ? *peek() : Value::undefined("there is no next item");
  }
  if (name == "cycle" || name == "changed") {
    const bool is_cycle = name == "cycle";
    const auto self = shared_from_this();
    return make_function(
        std::string(name),
        [self, is_cycle](Interpreter&, const Arguments& arguments) {
          if (!is_cycle) return self->changed(arguments);
          if (arguments.positional.empty()) raise("no items for cycling given");
          return arguments
              .positional[static_cast<std::size_t>(self->index0_) % arguments.positional.size()];
        },
        nesting_);
  }
  if (name == "length") return Value::integer(static_cast<Int>(*length()));
  if (name == "revindex") return Value::integer(static_cast<Int>(*length()) - index0_);
  if (name == "revindex0") return Value::integer(static_cast<Int>(*length()) - index0_ - 1);
  return std::nullopt;
}

Value Loop::call(Interpreter& interpreter, const Arguments& arguments) {
  if (!node_.recursive) {
    raise("The loop must have the 'recursive' marker to be called recursively.");
  }
  const Bound bound("loop", arguments, {"iterable"}, 1);
  return Value::string(
      interpreter.run_recursive(node_, scope_.shared_from_this(), bound.at(0), depth_ + 1));
}

}  // namespace quire::text::jinja
