// JSON Schema as text: references, types, merging, and what no grammar can enforce.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "models/load/json.h"

namespace quire::grammar {

// An error whose message begins with the path of the keyword.
template <class... Args>
tl::unexpected<Error> schema_error(const std::string& path, fmt::format_string<Args...> format,
                                   Args&&... args) {
  return fail(ErrorCode::kInvalid, "json_schema at {}: {}", path,
              fmt::format(format, std::forward<Args>(args)...));
}

// Keywords without effect on validity (title, default ...), and those that only hold schemas.
bool is_annotation(std::string_view key);
// Names the first keyword that a grammar cannot enforce.
Status refuse_unenforceable(const Json& schema, const std::string& path);

// An object or a boolean, and objects in it where schemas or lists are kept by name.
Status check_shape(const Json& schema, const std::string& path);
// "type" as a list; all six JSON types (number covering integer) when absent.
Result<std::vector<std::string>> types_of(const Json& schema, const std::string& path);
// As JSON Schema compares: 1 is 1.0, and members have no order.
bool same_value(const Json& a, const Json& b);
// Equal for equal schemas only, with our own keywords in them, too.
std::string key_of(const Json& schema);
// All of them as one schema.
Json all_of(std::vector<Json> schemas);
bool has_type(const Json& value, const std::vector<std::string>& types);
// The same schema with each reference ($ref, $dynamicRef, to addresses, anchors, pointers) as a
// $ref from the root ("#/$defs/a"); one that names nothing becomes kBrokenReference and the reason.
// Where a $dynamicRef means several schemas, those that lead there are copied for each.
Result<Json> with_local_references(const Json& schema);
inline constexpr char kBrokenReference = '\xFE';
// The schema that a reference from the root ("#", "#/$defs/a") names.
Result<const Json*> resolve_pointer(const Json& root, const std::string& reference,
                                    const std::string& path);
// Both schemas in one (see schema_merge.cc); refused where two keywords contest.
Result<Json> merge_schemas(const Json& root, const Json& a, const Json& b, const std::string& path);
// The schema without $ref, allOf and unevaluated* at its top.
Result<Json> plain_schema(const Json& root, const Json& schema, const std::string& path);
// Values that the schema refuses, not always all of them; an error where none can be told.
Result<Json> negation_of(const Json& root, const Json& schema, const std::string& path);
// The same texts, or some of them, without unevaluatedProperties and unevaluatedItems; without
// `not`; without `if`; without the dependent keywords.
Result<Json> without_unevaluated(const Json& root, const Json& schema, const std::string& path);
Result<Json> without_not(const Json& root, const Json& schema, const std::string& path);
Result<Json> without_if(const Json& root, const Json& schema, const std::string& path);
Result<Json> without_dependencies(const Json& schema, const std::string& path);
// No value can be valid under two of them: other types, or a required property with other
// constants.
Status check_disjoint(const Json& root, const std::vector<Json>& branches, const std::string& path);
// What must hold beside each branch of a oneOf, so that no value is valid under two: nothing, a
// property whose constants tell the branches apart, or what the others refuse. `whole`: the
// branches with what stands beside the oneOf.
Result<std::vector<Json>> exclusions(const Json& root, const Json& branches,
                                     const std::vector<Json>& whole, const std::string& path);
// The search pattern of every text.
inline constexpr std::string_view kAnyText = "^";
// A search pattern for a "format", empty when it is not known.
std::string_view format_pattern(std::string_view format);

}  // namespace quire::grammar
