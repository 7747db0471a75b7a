// Reading a component's members; the names in messages are paths into the file.
#include "models/text/spec.h"

#include "models/text/unicode.h"

namespace quire::text {

const Json* SpecReader::member(std::string_view key) const {
  const Json* found = find_member(json_, key);
  return found != nullptr && found->is_null() ? nullptr : found;
}

Result<std::string> SpecReader::string(std::string_view key) const {
  const Json* found = member(key);
  if (found == nullptr) return fail(ErrorCode::kInvalid, "{} is missing", name_of(key));
  return json_string(*found, name_of(key));
}

Result<std::string> SpecReader::string(std::string_view key, std::string_view fallback) const {
  if (member(key) == nullptr) return std::string(fallback);
  return string(key);
}

Result<bool> SpecReader::boolean(std::string_view key) const {
  const Json* found = member(key);
  if (found == nullptr) return fail(ErrorCode::kInvalid, "{} is missing", name_of(key));
  return json_bool(*found, name_of(key));
}

Result<bool> SpecReader::boolean(std::string_view key, bool fallback) const {
  if (member(key) == nullptr) return fallback;
  return boolean(key);
}

Result<std::int64_t> SpecReader::integer(std::string_view key, std::int64_t min,
                                         std::int64_t max) const {
  const Json* found = member(key);
  if (found == nullptr) return fail(ErrorCode::kInvalid, "{} is missing", name_of(key));
  return json_integer(*found, name_of(key), min, max);
}

Result<char32_t> SpecReader::character(std::string_view key) const {
  QUIRE_ASSIGN(const std::string text, string(key));
  if (count_chars(text) != 1) {
    return fail(ErrorCode::kInvalid, "{} must be one character, got \"{}\"", name_of(key),
                text.substr(0, 64));
  }
  return utf8_at(text, 0).code;
}

Result<SpecPattern> SpecReader::pattern(std::string_view key) const {
  const Json* found = member(key);
  if (found == nullptr || !found->is_object() || found->size() != 1) {
    return fail(ErrorCode::kInvalid, "{} must be {{\"String\": ...}} or {{\"Regex\": ...}}",
                name_of(key));
  }
  const auto entry = found->items().begin();
  QUIRE_ASSIGN(std::string text, json_string(entry.value(), name_of(key)));
  if (entry.key() != "String" && entry.key() != "Regex") return refuse(key, entry.key());
  return SpecPattern{std::move(text), entry.key() == "Regex"};
}

Result<MetaspaceSpec> SpecReader::metaspace() const {
  QUIRE_ASSIGN(const char32_t replacement, character("replacement"));
  QUIRE_ASSIGN(const bool prefix, boolean("add_prefix_space", true));
  QUIRE_ASSIGN(const std::string name, string("prepend_scheme", "always"));
  QUIRE_ASSIGN(const bool split, boolean("split", true));
  PrependScheme scheme = PrependScheme::kAlways;
  if (name == "first") {
    scheme = PrependScheme::kFirst;
  } else if (name == "never") {
    scheme = PrependScheme::kNever;
  } else if (name != "always") {
    return refuse("prepend_scheme", name);
  }
  if (!prefix) {
    // The reference refuses the pair; files that only have the old key mean "never".
    if (member("prepend_scheme") != nullptr && scheme != PrependScheme::kNever) {
      return fail(ErrorCode::kInvalid, "{} is false but {} is \"{}\"", name_of("add_prefix_space"),
                  name_of("prepend_scheme"), name);
    }
    scheme = PrependScheme::kNever;
  }
  return MetaspaceSpec{replacement, scheme, split};
}

Status SpecReader::each(std::string_view key,
                        const std::function<Status(const SpecReader&)>& use) const {
  const Json* found = member(key);
  if (found == nullptr || !found->is_array()) {
    return fail(ErrorCode::kInvalid, "{} must be a list", name_of(key));
  }
  std::size_t idx = 0;
  for (const Json& child : *found) {
    QUIRE_TRY(use(SpecReader(child, fmt::format("{}[{}]", name_of(key), idx++))));
  }
  return {};
}

tl::unexpected<Error> SpecReader::refuse(std::string_view key, std::string_view value) const {
  return fail(ErrorCode::kUnsupported, "{} \"{}\" is not known", name_of(key), value.substr(0, 64));
}

}  // namespace quire::text
