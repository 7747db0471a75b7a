// A SAX pass that enforces the limits while it builds the document: nlohmann-json 3.11.2 copies and
// prints recursively (crashes at depth 100,000) and takes 29 times the input for "{},{},...".
#include "models/load/json.h"

#include <cmath>
#include <limits>
#include <unordered_set>
#include <vector>

namespace quire {
namespace {

class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    if (!std::isfinite(value)) return refuse(fmt::format("number {} does not fit a double", text));
    return add(value);
  }
  bool string(string_t& value) override {
    if (value.size() > limits_.string_bytes) return refuse_string(value.size());
    if (limits_.allow_non_finite && !value.empty() && value[0] == '\0') {
      return add(value == std::string_view("\0I", 2)    ? std::numeric_limits<double>::infinity()
                 : value == std::string_view("\0-I", 3) ? -std::numeric_limits<double>::infinity()
                                                        : std::nan(""));
    }
    return add(std::move(value));
  }
  bool binary(binary_t&) override { return refuse("binary value"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override {
    keys_.pop_back();
    return close();
  }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    if (value.size() > limits_.string_bytes) return refuse_string(value.size());
    if (!keys_.back().insert(value).second) {
      return refuse(fmt::format("duplicate key \"{}\"", value.substr(0, 64)));
    }
    key_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    std::string what = error.what();
    if (const auto at = what.find("syntax error"); at != std::string::npos) what = what.substr(at);
    return refuse(fmt::format("at byte {}: {}", position, what));
  }

  std::string& error() { return error_; }
  Json take() { return std::move(root_); }

 private:
  bool refuse(std::string message) {
    if (error_.empty()) error_ = std::move(message);
    return false;
  }
  bool refuse_string(std::size_t bytes) {
    return refuse(fmt::format("string of {} bytes exceeds {}", bytes, limits_.string_bytes));
  }

  // Appends to the open container and returns where the value now lies, null when refused.
  Json* place(Json value) {
    if (++nodes_ > limits_.nodes) {
      refuse(fmt::format("more than {} values", limits_.nodes));
      return nullptr;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& container = *open_.back();
    if (container.is_array()) {
      container.push_back(std::move(value));
      return &container.back();
    }
    // The ordered map is a vector: appending past its linear duplicate search keeps this linear.
    auto& members =
        static_cast<std::vector<Json::object_t::value_type>&>(container.get_ref<Json::object_t&>());
    members.emplace_back(std::move(key_), std::move(value));
    return &members.back().second;
  }
  bool add(Json value) { return place(std::move(value)) != nullptr; }

  bool open(Json container) {
    if (static_cast<int>(open_.size()) >= limits_.depth) {
      return refuse(fmt::format("nesting exceeds {}", limits_.depth));
    }
    if (container.is_object()) keys_.emplace_back();
    Json* placed = place(std::move(container));
    if (placed == nullptr) return false;
    open_.push_back(placed);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  JsonLimits limits_;
  std::string error_;
  Json root_;
  std::vector<Json*> open_;  // stable: a parent does not grow while a child is open
  std::vector<std::unordered_set<std::string>> keys_;
  std::string key_;
  std::size_t nodes_ = 0;
};

// Bare Infinity, -Infinity and NaN outside strings become marked strings ("\u0000I") that the
// builder turns into numbers; a file's own string cannot begin that way unless it contains NUL.
std::string mark_non_finite(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_string = false;
  for (std::size_t i = 0; i < text.size();) {
    const auto starts = [&](std::string_view word) { return text.substr(i, word.size()) == word; };
    if (in_string) {
      if (text[i] == '\\' && i + 1 < text.size())
        out += text[i++];
      else if (text[i] == '"')
        in_string = false;
    } else if (text[i] == '"') {
      in_string = true;
    } else if (starts("-Infinity")) {
      out += "\"\\u0000-I\"";
      i += 9;
      continue;
    } else if (starts("Infinity")) {
      out += "\"\\u0000I\"";
      i += 8;
      continue;
    } else if (starts("NaN")) {
      out += "\"\\u0000N\"";
      i += 3;
      continue;
    }
    out += text[i++];
  }
  return out;
}

template <class... Args>
tl::unexpected<Error> wrong(std::string_view name, const Json& value,
                            fmt::format_string<Args...> wanted, Args&&... args) {
  std::string got = value.is_structured() ? value.type_name() : dump_json(value);
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    got = fmt::format("{}", value.get<double>());  // JSON has no word for it
  }
  if (got.size() > 80) got = got.substr(0, 80) + "...";
  return fail_at(std::string(name), ErrorCode::kInvalid, "{} must be {}, got {}", name,
                 fmt::format(wanted, std::forward<Args>(args)...), got);
}

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    // The library takes a NUL for the end of the text and would not see what follows.
    return fail(ErrorCode::kInvalid, "invalid JSON: NUL at byte {}", nul);
  }
  Builder builder(limits);
  bool good = false;
  try {
    if (limits.allow_non_finite) {
      const std::string marked = mark_non_finite(text);
      good = Json::sax_parse(marked, &builder);
    } else {
      good = Json::sax_parse(text, &builder);
    }
  } catch (const std::exception& error) {
    builder.error() = error.what();
  }
  if (!good) {
    return fail(ErrorCode::kInvalid, "invalid JSON: {}",
                builder.error().empty() ? "unreadable" : builder.error());
  }
  return builder.take();
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json* find_member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

Result<std::int64_t> json_integer(const Json& value, std::string_view name, std::int64_t min,
                                  std::int64_t max) {
  std::int64_t number = 0;
  if (value.is_number_unsigned()) {
    const auto wide = value.get<std::uint64_t>();
    if (wide > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return wrong(name, value, "an integer from {} to {}", min, max);
    }
    number = static_cast<std::int64_t>(wide);
  } else if (value.is_number_integer()) {
    number = value.get<std::int64_t>();
  } else if (value.is_number_float()) {  // 16.0 is an integer in JSON's sense
    const double wide = value.get<double>();
    if (wide != std::floor(wide) || std::abs(wide) > 0x1p53) {
      return wrong(name, value, "an integer from {} to {}", min, max);
    }
    number = static_cast<std::int64_t>(wide);
  } else {
    return wrong(name, value, "an integer from {} to {}", min, max);
  }
  if (number < min || number > max) return wrong(name, value, "an integer from {} to {}", min, max);
  return number;
}

Result<double> json_number(const Json& value, std::string_view name, double min, double max) {
  if (!value.is_number()) return wrong(name, value, "a number from {} to {}", min, max);
  const double number = value.get<double>();
  if (!(number >= min && number <= max)) {
    return wrong(name, value, "a number from {} to {}", min, max);
  }
  return number;
}

Result<bool> json_bool(const Json& value, std::string_view name) {
  if (!value.is_boolean()) return wrong(name, value, "true or false");
  return value.get<bool>();
}

Result<std::string> json_string(const Json& value, std::string_view name) {
  if (!value.is_string()) return wrong(name, value, "a string");
  return value.get<std::string>();
}

}  // namespace quire
