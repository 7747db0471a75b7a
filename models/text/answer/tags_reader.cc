// Calls that spell each argument as a tag with bare text, typed by the function's schema.
#include <array>

#include "models/text/answer/call_reader.h"
#include "models/text/answer/marker_scan.h"

namespace quire::text {
namespace {

constexpr std::size_t kKeyBytesMax = 1024;

class TagsReader final : public CallReader {
 public:
  TagsReader(const ToolFormat& format, const Json& tools) : format_(format), tools_(tools) {}

  ReadState feed(char c) override {
    switch (step_) {
      case Step::kName:
        return feed_name(c);
      case Step::kBetween:
        return feed_between(c);
      case Step::kKey: {
        if (scan_.feed(c, std::array{format_.key_end}, key_) < 0) {
          return key_.size() > kKeyBytesMax ? ReadState::kBroken : ReadState::kMore;
        }
        step_ = format_.value_begin.empty() ? Step::kValue : Step::kValueBegin;
        return ReadState::kMore;
      }
      case Step::kValueBegin: {
        std::string skipped;
        if (scan_.feed(c, std::array{format_.value_begin}, skipped) == 0) step_ = Step::kValue;
        return only_blanks(skipped) ? ReadState::kMore : ReadState::kBroken;
      }
      case Step::kValue:
        if (scan_.feed(c, std::array{format_.value_end}, value_) == 0) end_value();
        return ReadState::kMore;
    }
    return ReadState::kBroken;
  }

 private:
  enum class Step { kName, kBetween, kKey, kValueBegin, kValue };

  static bool only_blanks(std::string_view text) {
    for (const char c : text) {
      if (!is_blank(c)) return false;
    }
    return true;
  }

  ReadState end_name() {
    while (!name.empty() && is_blank(name.back())) name.pop_back();
    if (name.empty()) return ReadState::kBroken;
    name_known = true;
    arguments = "{";
    step_ = Step::kBetween;
    return ReadState::kMore;
  }

  // Without a marker of its own the name ends at a blank or at the next tag.
  ReadState feed_name(char c) {
    if (!format_.name_end.empty()) {
      if (scan_.feed(c, std::array{format_.name_end}, name) == 0) return end_name();
    } else if (c == '<' || is_blank(c)) {
      if (name.empty() && is_blank(c)) return ReadState::kMore;
      const ReadState state = end_name();
      return state == ReadState::kMore ? feed_between(c) : state;
    } else {
      name += c;
    }
    const bool strange = name.find_first_of("{}\"\n<>") != std::string::npos;
    return strange || name.size() > kCallNameBytesMax ? ReadState::kBroken : ReadState::kMore;
  }

  ReadState feed_between(char c) {
    if (!scan_.holds() && is_blank(c)) return ReadState::kMore;
    std::string skipped;
    const int found = scan_.feed(c, std::array{format_.key_begin, format_.call_end}, skipped);
    if (!skipped.empty()) return ReadState::kBroken;
    if (found == 0) {
      key_.clear();
      value_.clear();
      step_ = Step::kKey;
    }
    if (found != 1) return ReadState::kMore;
    arguments += '}';
    arguments_done = true;
    return ReadState::kDone;
  }

  void end_value() {
    if (format_.strips_newlines) {
      if (value_.starts_with('\n')) value_.erase(0, 1);
      if (value_.ends_with('\n')) value_.pop_back();
    }
    Json value;
    if (format_.typed_values) {
      // name" string="true"
      const std::size_t quote = std::min(key_.find('"'), key_.size());
      const bool text = key_.find("string=\"false\"", quote) == std::string::npos;
      key_.resize(quote);
      auto parsed = text ? Result<Json>(Json(value_)) : parse_json(value_);
      value = parsed ? std::move(*parsed) : Json(value_);
    } else {
      value = typed_value(value_, parameter_schema(tools_, name, key_));
    }
    if (arguments.size() > 1) arguments += ", ";
    arguments += dump_json(Json(key_)) + ": " + dump_json(value);
    step_ = Step::kBetween;
  }

  const ToolFormat& format_;
  const Json& tools_;
  Step step_ = Step::kName;
  MarkerScan scan_;
  std::string key_, value_;
};

bool allows_type(const Json& schema, std::string_view wanted) {
  if (const Json* type = find_member(schema, "type")) {
    if (type->is_string()) return type->get_ref<const std::string&>() == wanted;
    for (const Json& each : *type) {
      if (each.is_string() && each.get_ref<const std::string&>() == wanted) return true;
    }
    return false;
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    const Json* branches = find_member(schema, key);
    if (branches == nullptr || !branches->is_array()) continue;
    for (const Json& branch : *branches) {
      if (allows_type(branch, wanted)) return true;
    }
    return false;
  }
  const Json* values = find_member(schema, "enum");
  if (values == nullptr || !values->is_array()) return true;
  for (const Json& value : *values) {
    if (wanted == value.type_name() || (wanted == "integer" && value.is_number_integer())) {
      return true;
    }
  }
  return false;
}

// The JSON value that the text spells, as JSON or as a word of Python.
Result<Json> parse_value(const std::string& text) {
  if (text == "True") return Json(true);
  if (text == "False") return Json(false);
  if (text == "None") return Json(nullptr);
  return parse_json(text);
}

}  // namespace

const Json* parameter_schema(const Json& tools, std::string_view function, std::string_view name) {
  if (!tools.is_array()) return nullptr;
  for (const Json& tool : tools) {
    const Json* inner = find_member(tool, "function");
    const Json& described = inner != nullptr ? *inner : tool;
    const Json* called = find_member(described, "name");
    if (called == nullptr || *called != function) continue;
    const Json* parameters = find_member(described, "parameters");
    const Json* properties =
        parameters == nullptr ? nullptr : find_member(*parameters, "properties");
    return properties == nullptr ? nullptr : find_member(*properties, name);
  }
  return nullptr;
}

Json typed_value(const std::string& text, const Json* schema) {
  static const Json kAny = Json::object();
  const Json& wanted = schema != nullptr ? *schema : kAny;
  auto value = parse_value(text);
  const bool fits = value && !value->is_string() &&
                    (allows_type(wanted, value->type_name()) ||
                     (value->is_number_integer() && allows_type(wanted, "integer")));
  if (fits) return *std::move(value);
  if (!value || allows_type(wanted, "string")) return Json(text);
  return *std::move(value);
}

std::unique_ptr<CallReader> make_tags_reader(const ToolFormat& format, const Json& tools) {
  return std::make_unique<TagsReader>(format, tools);
}

}  // namespace quire::text
