// Checked access to one component's JSON; every error names the component and the key.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "models/load/json.h"
#include "models/text/pre_tokenizer_steps.h"

namespace quire::text {

struct SpecPattern {
  std::string text;
  bool is_regex;
};

struct MetaspaceSpec {
  char32_t replacement;
  PrependScheme scheme;
  bool split;
};

class SpecReader {
 public:
  SpecReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  Result<std::string> type() const { return string("type"); }
  // The member, null when absent or null.
  const Json* member(std::string_view key) const;

  Result<std::string> string(std::string_view key) const;
  Result<std::string> string(std::string_view key, std::string_view fallback) const;
  Result<bool> boolean(std::string_view key) const;
  Result<bool> boolean(std::string_view key, bool fallback) const;
  Result<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max) const;
  // A string of exactly one character.
  Result<char32_t> character(std::string_view key) const;
  // {"String": ...} or {"Regex": ...}
  Result<SpecPattern> pattern(std::string_view key) const;
  Result<MetaspaceSpec> metaspace() const;
  Status each(std::string_view key, const std::function<Status(const SpecReader&)>& use) const;

  const Json& json() const { return json_; }
  const std::string& where() const { return where_; }
  std::string name_of(std::string_view key) const { return fmt::format("{}.{}", where_, key); }
  tl::unexpected<Error> refuse(std::string_view key, std::string_view value) const;
  // Puts the component's name before the message of a failure.
  template <class T>
  Result<T> at(Result<T> result) const {
    if (result) return result;
    return fail(result.error().code, "{}: {}", where_, result.error().message);
  }

 private:
  const Json& json_;
  std::string where_;
};

}  // namespace quire::text
