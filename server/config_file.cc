// Config files: JSON objects, and the part of YAML that flat settings need.
#include <string>

#include "models/load/json.h"
#include "server/flags.h"

namespace quire::server {
namespace {

std::string scalar_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

Result<ConfigPairs> parse_json_config(std::string_view text) {
  QUIRE_ASSIGN(const Json root, parse_json(text));
  ConfigPairs pairs;
  for (const auto& [key, value] : root.items()) {
    if (value.is_object() || value.is_null()) {
      return fail(ErrorCode::kInvalid, "{} must be a text, a number, true, false or a list", key);
    }
    if (!value.is_array()) {
      pairs.emplace_back(key, scalar_text(value));
      continue;
    }
    for (const Json& item : value) pairs.emplace_back(key, scalar_text(item));
  }
  return pairs;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

// A plain or quoted scalar; what follows # behind a blank is a comment.
Result<std::string> parse_scalar(std::string_view text, int line) {
  text = trim(text);
  if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
    const std::size_t end = text.find(text.front(), 1);
    const std::string_view rest = end == std::string_view::npos ? "" : trim(text.substr(end + 1));
    if (end == std::string_view::npos || (!rest.empty() && rest.front() != '#')) {
      return fail(ErrorCode::kInvalid, "line {}: the quote is not closed at the end", line);
    }
    return std::string(text.substr(1, end - 1));
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) {
      text = trim(text.substr(0, i));
      break;
    }
  }
  if (!text.empty() && (text.front() == '{' || text.front() == '[' || text.front() == '|' ||
                        text.front() == '>' || text.front() == '&')) {
    return fail(ErrorCode::kUnsupported,
                "line {}: only \"key: value\" and \"- item\" lines are understood", line);
  }
  return std::string(text);
}

}  // namespace

Result<ConfigPairs> parse_config_text(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return parse_json_config(text);
  ConfigPairs pairs;
  std::string list_key;  // of the items that may follow
  int line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    if (line.empty() || line.front() == '#' || line == "---") continue;
    if (line.starts_with("- ") && !list_key.empty()) {
      QUIRE_ASSIGN(std::string item, parse_scalar(line.substr(2), line_number));
      pairs.emplace_back(list_key, std::move(item));
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 ||
        (colon + 1 < line.size() && line[colon + 1] != ' ')) {
      return fail(ErrorCode::kInvalid, "line {}: \"{}\" is not \"key: value\"", line_number,
                  line.substr(0, 60));
    }
    const std::string key(trim(line.substr(0, colon)));
    QUIRE_ASSIGN(std::string value, parse_scalar(line.substr(colon + 1), line_number));
    list_key = value.empty() ? key : "";
    if (!value.empty()) pairs.emplace_back(key, std::move(value));
  }
  return pairs;
}

}  // namespace quire::server
