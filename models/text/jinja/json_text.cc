// json.dumps with the options that chat templates pass to tojson.
#include <algorithm>
#include <cmath>

#include "models/text/jinja/operators.h"
#include "models/text/jinja/repr.h"
#include "models/text/jinja/unicode.h"

namespace quire::text::jinja {
namespace {

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  void write(const Value& value) {
    spend(1);
    switch (value.kind()) {
      case Kind::kNone:
        out_ += "null";
        break;
      case Kind::kBool:
        out_ += value.as_bool() ? "true" : "false";
        break;
      case Kind::kInt:
        out_ += repr_int(value.as_int());
        break;
      case Kind::kFloat:
        out_ += number(value.as_double());
        break;
      case Kind::kString:
        write_string(value.as_string());
        break;
      case Kind::kList:
      case Kind::kTuple:
        write_list(value.items());
        break;
      case Kind::kDict:
        write_dict(value.as_dict());
        break;
      default:
        raise("Object of type {} is not JSON serializable", type_name(value));
    }
    check_built_bytes(out_.size());
  }
  std::string take() { return std::move(out_); }

 private:
  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return repr_float(value);
  }

  void write_unit(unsigned unit) { out_ += fmt::format("\\u{:04x}", unit); }

  void write_string(std::string_view text) {
    out_ += '"';
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      const char32_t c = next_code_point(text, at);
      if (const char escaped = short_escape(c); escaped != 0) {
        out_ += '\\';
        out_ += escaped;
      } else if (c < 0x20 || (style_.ascii_only && c >= 0x7F && c <= 0xFFFF)) {
        write_unit(c);
      } else if (style_.ascii_only && c > 0xFFFF) {
        write_unit(0xD800 + ((c - 0x10000) >> 10));
        write_unit(0xDC00 + ((c - 0x10000) & 0x3FF));
      } else {
        out_ += text.substr(start, at - start);
      }
    }
    out_ += '"';
  }

  static char short_escape(char32_t c) {
    switch (c) {
      case '"':
      case '\\':
        return static_cast<char>(c);
      case '\n':
        return 'n';
      case '\r':
        return 'r';
      case '\t':
        return 't';
      case '\f':
        return 'f';
      case '\b':
        return 'b';
      default:
        return 0;
    }
  }

  void new_line() {
    if (!style_.indent) return;
    out_ += '\n';
    check_built_bytes(out_.size() + style_.indent->size() * static_cast<std::size_t>(level_));
    for (int i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  template <class Write>
  void write_members(char open, char close, std::size_t count, Write write_member) {
    out_ += open;
    if (count > 0) {
      ++level_;
      new_line();
      for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) {
          out_ += style_.item_separator;
          new_line();
        }
        write_member(i);
      }
      --level_;
      new_line();
    }
    out_ += close;
  }

  void write_list(const Values& items) {
    write_members('[', ']', items.size(), [&](std::size_t i) { write(items[i]); });
  }

  static std::string key_text(const Value& key) {
    switch (key.kind()) {
      case Kind::kString:
        return key.as_string();
      case Kind::kBool:
        return key.as_bool() ? "true" : "false";
      case Kind::kNone:
        return "null";
      case Kind::kInt:
        return repr_int(key.as_int());
      case Kind::kFloat:
        return number(key.as_double());
      default:
        raise("keys must be str, int, float, bool or None, not {}", type_name(key));
    }
  }

  void write_dict(const DictData& dict) {
    std::vector<const Pair*> entries;
    for (const Pair& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const Pair* a, const Pair* b) { return less(a->first, b->first); });
    }
    write_members('{', '}', entries.size(), [&](std::size_t i) {
      write_string(key_text(entries[i]->first));
      out_ += style_.key_separator;
      write(entries[i]->second);
    });
  }

  const JsonStyle& style_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

std::string to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  writer.write(value);
  return writer.take();
}

}  // namespace quire::text::jinja
