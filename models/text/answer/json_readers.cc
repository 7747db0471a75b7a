// Calls whose arguments are JSON: inside an object with the name, or behind the name.
#include <array>

#include "models/text/answer/call_reader.h"
#include "models/text/answer/marker_scan.h"

namespace quire::text {
namespace {

constexpr std::size_t kDepthMax = 64;

std::string decoded(const std::string& quoted) {
  const auto value = parse_json(quoted);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

// {"name": "f", "arguments": {...}} with its keys in any order, or {"f": {...}}.
class JsonCallReader final : public CallReader {
 public:
  explicit JsonCallReader(const ToolFormat& format) : format_(format) {}

  ReadState feed(char c) override {
    switch (step_) {
      case Step::kOpen:
        if (is_blank(c)) return ReadState::kMore;
        if (c != '{') return ReadState::kBroken;
        step_ = Step::kKeyBegin;
        return ReadState::kMore;
      case Step::kKeyBegin:
        if (is_blank(c)) return ReadState::kMore;
        if (c != '"') return ReadState::kBroken;
        key_ = c;
        scan_.reset();
        scan_.feed(c);
        step_ = Step::kKey;
        return ReadState::kMore;
      case Step::kKey:
        key_ += c;
        if (scan_.feed(c) == ReadState::kDone) step_ = Step::kColon;
        return ReadState::kMore;
      case Step::kColon:
        if (is_blank(c)) return ReadState::kMore;
        if (c != ':') return ReadState::kBroken;
        begin_value();
        return ReadState::kMore;
      case Step::kValue:
        return feed_value(c);
      case Step::kBehindValue:
        return behind_value(c);
    }
    return ReadState::kBroken;
  }

 private:
  enum class Step { kOpen, kKeyBegin, kKey, kColon, kValue, kBehindValue };
  enum class Role { kName, kArguments, kOther };

  void begin_value() {
    const std::string key = decoded(key_);
    role_ = Role::kOther;
    if (format_.name_is_key) {
      role_ = Role::kArguments;
      name = key;
      name_known = !key.empty();
    } else if (key == format_.name_key) {
      role_ = Role::kName;
    } else if (key == format_.arguments_key || key == "arguments" || key == "parameters") {
      role_ = Role::kArguments;
    }
    value_.clear();
    scan_.reset();
    step_ = Step::kValue;
  }

  ReadState feed_value(char c) {
    if (value_.empty() && is_blank(c)) return ReadState::kMore;
    const ReadState state = scan_.feed(c);
    if (state == ReadState::kBroken) return state;
    if (state != ReadState::kDoneBefore) value_ += c;
    // Arguments that are an object are shown as they grow; a quoted text is decoded at its end.
    if (role_ == Role::kArguments && value_.front() == '{') arguments = value_;
    if (state == ReadState::kMore) return state;
    if (!end_value()) return ReadState::kBroken;
    step_ = Step::kBehindValue;
    return state == ReadState::kDoneBefore ? behind_value(c) : ReadState::kMore;
  }

  bool end_value() {
    if (role_ == Role::kName) {
      name = decoded(value_);
      name_known = !name.empty() && name.size() <= kCallNameBytesMax;
      return name_known;
    }
    if (role_ != Role::kArguments) return true;
    arguments_done = true;
    if (value_ == "null") arguments = "{}";
    if (value_.front() == '"') arguments = decoded(value_);
    return !arguments.empty();
  }

  ReadState behind_value(char c) {
    if (is_blank(c)) return ReadState::kMore;
    if (c == ',') {
      step_ = Step::kKeyBegin;
      return ReadState::kMore;
    }
    if (c != '}' || !name_known) return ReadState::kBroken;
    if (!arguments_done) arguments = "{}";
    arguments_done = true;
    return ReadState::kDone;
  }

  const ToolFormat& format_;
  Step step_ = Step::kOpen;
  Role role_ = Role::kOther;
  JsonValueScan scan_;
  std::string key_, value_;
};

// NAME, the name's end, JSON, and perhaps an end of its own.
class NamedJsonReader final : public CallReader {
 public:
  explicit NamedJsonReader(const ToolFormat& format) : format_(format) {}

  ReadState feed(char c) override {
    if (!name_known) return feed_name(c);
    if (arguments.empty()) {
      if (is_blank(c)) return ReadState::kMore;
      if (c != '{') return ReadState::kBroken;
    }
    const ReadState state = json_.feed(c);
    if (state == ReadState::kBroken || state == ReadState::kDoneBefore) return ReadState::kBroken;
    arguments += c;
    arguments_done = state == ReadState::kDone;
    return state;
  }

 private:
  ReadState feed_name(char c) {
    const std::array<std::string_view, 2> markers = {format_.name_end, format_.id_begin};
    const int found = scan_.feed(c, markers, in_id_ ? native_id : name);
    if (found == 1) in_id_ = true;
    if (found != 0) {
      const bool strange = name.find_first_of("{}\"<>[](),") != std::string::npos;
      return strange || name.size() + native_id.size() > 2 * kCallNameBytesMax ? ReadState::kBroken
                                                                               : ReadState::kMore;
    }
    trim(name);
    if (format_.native_ids) native_id = name;
    if (name.starts_with(format_.name_prefix)) name.erase(0, format_.name_prefix.size());
    // Kimi numbers its calls: functions.f:0.
    if (format_.native_ids) name.erase(std::min(name.rfind(':'), name.size()));
    name_known = !name.empty() && name.size() <= kCallNameBytesMax;
    return name_known ? ReadState::kMore : ReadState::kBroken;
  }

  static void trim(std::string& text) {
    while (!text.empty() && is_blank(text.back())) text.pop_back();
    std::size_t begin = 0;
    while (begin < text.size() && is_blank(text[begin])) ++begin;
    text.erase(0, begin);
  }

  const ToolFormat& format_;
  MarkerScan scan_;
  JsonValueScan json_;
  bool in_id_ = false;
};

}  // namespace

ReadState JsonValueScan::feed(char c) {
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      if (open_.empty()) return ReadState::kDone;
    }
    return ReadState::kMore;
  }
  const bool closes = c == '}' || c == ']';
  if (in_word_ && open_.empty()) {
    if (is_blank(c) || c == ',' || closes) return ReadState::kDoneBefore;
    return c == '"' || c == '{' || c == '[' ? ReadState::kBroken : ReadState::kMore;
  }
  if (is_blank(c)) return ReadState::kMore;
  if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    if (open_.size() >= kDepthMax) return ReadState::kBroken;
    open_ += c;
  } else if (closes) {
    if (open_.empty() || (open_.back() == '{') != (c == '}')) return ReadState::kBroken;
    open_.pop_back();
    if (open_.empty()) return ReadState::kDone;
  } else {
    in_word_ = open_.empty();
  }
  return ReadState::kMore;
}

std::unique_ptr<CallReader> make_json_call_reader(const ToolFormat& format) {
  return std::make_unique<JsonCallReader>(format);
}

std::unique_ptr<CallReader> make_named_json_reader(const ToolFormat& format) {
  return std::make_unique<NamedJsonReader>(format);
}

}  // namespace quire::text
