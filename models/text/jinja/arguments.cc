// Binding of arguments with Python's complaints.
#include "models/text/jinja/arguments.h"

#include <algorithm>

#include "models/text/jinja/operators.h"

namespace quire::text::jinja {

Bound::Bound(std::string_view function, const Arguments& arguments,
             std::initializer_list<std::string_view> parameters, std::size_t required)
    : function_(function), parameters_(parameters), values_(parameters.size(), nullptr) {
  if (arguments.positional.size() > parameters_.size()) {
    raise("{}() takes at most {} arguments ({} given)", function, parameters_.size(),
          arguments.positional.size());
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    values_[i] = &arguments.positional[i];
  }
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(parameters_.begin(), parameters_.end(), name);
    if (found == parameters_.end()) {
      raise("{}() got an unexpected keyword argument '{}'", function, name);
    }
    const auto idx = static_cast<std::size_t>(found - parameters_.begin());
    if (values_[idx] != nullptr)
      raise("{}() got multiple values for argument '{}'", function, name);
    values_[idx] = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (values_[i] == nullptr) {
      raise("{}() missing required argument '{}'", function, parameter_name(i));
    }
  }
}

std::string_view Bound::parameter_name(std::size_t idx) const {
  const std::string_view name = parameters_[idx];
  return name.starts_with('/') ? name.substr(1) : name;
}

Value Bound::get(std::size_t idx, Value fallback) const {
  return has(idx) ? *values_[idx] : std::move(fallback);
}

bool Bound::flag(std::size_t idx, bool fallback) const {
  return has(idx) ? truthy(*values_[idx]) : fallback;
}

std::int64_t Bound::integer(std::size_t idx, std::int64_t fallback) const {
  if (!has(idx)) return fallback;
  return to_index(*values_[idx], fmt::format("{}() argument '{}'", function_, parameter_name(idx)));
}

std::int64_t Bound::integer_or_none(std::size_t idx, std::int64_t fallback) const {
  return has(idx) && values_[idx]->is_none() ? fallback : integer(idx, fallback);
}

std::string Bound::text(std::size_t idx, std::string_view fallback) const {
  if (!has(idx)) return std::string(fallback);
  require_defined(*values_[idx]);
  if (!values_[idx]->is_string()) {
    raise("{}() argument '{}' must be str, not {}", function_, parameter_name(idx),
          type_name(*values_[idx]));
  }
  return values_[idx]->as_string();
}

}  // namespace quire::text::jinja
