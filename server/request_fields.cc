// Walks a request's members along the table of fields.
#include "server/request_fields.h"

#include <algorithm>
#include <cmath>

#include "base/edit_distance.h"

namespace quire::server {
namespace {

constexpr std::size_t kTypingMistake = 2;  // edits
constexpr std::size_t kMembersMax = 512;

Status check_type(const FieldSpec& spec, const Json& value) {
  switch (spec.type) {
    case FieldType::kAny:
      return {};
    case FieldType::kBool:
      return json_bool(value, spec.name).map([](bool) {});
    case FieldType::kInteger: {
      const auto bound = [](double limit) {
        if (limit >= 9.2e18) return std::numeric_limits<std::int64_t>::max();
        if (limit <= -9.2e18) return std::numeric_limits<std::int64_t>::min();
        return static_cast<std::int64_t>(limit);
      };
      return json_integer(value, spec.name, bound(spec.min), bound(spec.max)).map([](std::int64_t) {
      });
    }
    case FieldType::kNumber:
      return json_number(value, spec.name, spec.min, spec.max).map([](double) {});
    case FieldType::kString:
      return json_string(value, spec.name).map([](const std::string&) {});
    case FieldType::kObject:
      if (value.is_object()) return {};
      break;
    case FieldType::kArray:
      if (value.is_array()) return {};
      break;
  }
  return fail_at(std::string(spec.name), ErrorCode::kInvalid, "{} must be {}, got {}", spec.name,
                 spec.type == FieldType::kObject ? "an object" : "an array", value.type_name());
}

// Is it one of the values that leave the output as it is? 0 and 0.0 are the same.
bool is_neutral(const FieldSpec& spec, const Json& value) {
  const std::string text = dump_json(value);
  for (std::size_t begin = 0; begin < spec.neutral.size();) {
    const std::size_t end = std::min(spec.neutral.find(' ', begin), spec.neutral.size());
    const std::string_view neutral = spec.neutral.substr(begin, end - begin);
    if (text == neutral) return true;
    if (value.is_number() && neutral.ends_with(".0") &&
        text == neutral.substr(0, neutral.size() - 2)) {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

std::string_view closest_field(std::string_view name, Endpoint endpoint) {
  std::string_view best;
  std::size_t best_distance = kTypingMistake + 1;
  for (const FieldSpec& spec : field_specs()) {
    if ((spec.endpoints & endpoint) == 0) continue;
    // As many edits as the lengths differ by at least; names come from outside and may be long.
    const auto [shorter, longer] = std::minmax({name.size(), spec.name.size()});
    if (longer - shorter > kTypingMistake) continue;
    const auto distance = static_cast<std::size_t>(edit_distance(name, spec.name));
    // A name that would have to change in every letter is another word.
    const bool same_word = distance < shorter;
    if (distance >= best_distance || !same_word) continue;
    best_distance = distance;
    best = spec.name;
  }
  return best;
}

// At most this much of a client's own name is repeated to it.
std::string shown(const std::string& name) {
  constexpr std::size_t kShown = 64;
  return name.size() <= kShown ? name : name.substr(0, kShown) + "...";
}

}  // namespace

const FieldSpec* find_field(std::string_view name, Endpoint endpoint) {
  for (const FieldSpec& spec : field_specs()) {
    if (spec.name == name && (spec.endpoints & endpoint) != 0) return &spec;
  }
  return nullptr;
}

tl::expected<std::vector<std::string>, ApiError> check_fields(const Json& body, Endpoint endpoint,
                                                              bool strict) {
  constexpr std::size_t kWarningsMax = 16;
  if (!body.is_object()) {
    return api_fail(kBadRequest, "", "the body must be a JSON object, got {}", body.type_name());
  }
  if (body.size() > kMembersMax) {
    return api_fail(kBadRequest, "", "the body has {} fields, the limit is {}", body.size(),
                    kMembersMax);
  }
  std::vector<std::string> warnings;
  for (const auto& [name, value] : body.items()) {
    const FieldSpec* spec = find_field(name, endpoint);
    if (spec == nullptr) {
      const std::string_view closest = closest_field(name, endpoint);
      if (!closest.empty()) {
        return api_fail(kUnknownField, shown(name), "unknown field \"{}\"; did you mean \"{}\"?",
                        shown(name), closest);
      }
      if (strict) {
        return api_fail(kUnknownField, shown(name), "unknown field \"{}\"", shown(name));
      }
      if (warnings.size() < kWarningsMax) {
        warnings.push_back(fmt::format("unknown field \"{}\" was ignored", shown(name)));
      }
      continue;
    }
    if (value.is_null() || spec->state == FieldState::kIgnored) continue;
    if (spec->state == FieldState::kRefused) {
      if (is_neutral(*spec, value)) continue;
      return api_fail(kUnsupportedField, name, "{} is not supported here", name);
    }
    if (const Status good = check_type(*spec, value); !good) {
      return tl::unexpected(api_error(good.error()));
    }
  }
  for (const FieldSpec& spec : field_specs()) {
    if ((spec.required_by & endpoint) == 0) continue;
    const Json* value = find_member(body, spec.name);
    if (value == nullptr || value->is_null()) {
      return api_fail(kBadRequest, std::string(spec.name), "{} is missing", spec.name);
    }
  }
  return warnings;
}

const Json* Fields::get(std::string_view name) const {
  const Json* value = find_member(*body_, name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Fields::flag(std::string_view name, bool fallback) const {
  const Json* value = get(name);
  return value == nullptr ? fallback : value->get<bool>();
}

std::int64_t Fields::integer(std::string_view name, std::int64_t fallback) const {
  const Json* value = get(name);
  if (value == nullptr) return fallback;
  return json_integer(*value, name, std::numeric_limits<std::int64_t>::min(),
                      std::numeric_limits<std::int64_t>::max())
      .value_or(fallback);
}

double Fields::number(std::string_view name, double fallback) const {
  const Json* value = get(name);
  return value == nullptr ? fallback : value->get<double>();
}

std::string Fields::text(std::string_view name, std::string fallback) const {
  const Json* value = get(name);
  return value == nullptr ? std::move(fallback) : value->get<std::string>();
}

}  // namespace quire::server
