// unevaluatedProperties and unevaluatedItems said by other keywords: a schema as a choice of
// branches, in each of which it is known what is evaluated.
#include <algorithm>
#include <set>

#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

constexpr std::size_t kBranchesMax = 64;
constexpr int kDepthMax = 16;
// Branches of anyOf of which every combination is a branch of its own; of more, each one alone and
// all together. That only leaves texts out: where more is valid, more is evaluated.
constexpr std::size_t kCombinedMax = 3;

// Keywords whose subschemas speak of the same value.
constexpr const char* kApplicators[] = {"$ref", "allOf", "anyOf", "oneOf",
                                        "if",   "then",  "else",  "dependentSchemas"};
constexpr const char* kUnevaluated[] = {"unevaluatedProperties", "unevaluatedItems"};
constexpr const char* kEvaluating[] = {
    "properties",  "patternProperties", "additionalProperties",  "items",
    "prefixItems", "contains",          "unevaluatedProperties", "unevaluatedItems"};

// Schemas that all hold, and what they evaluate.
struct Branch {
  std::vector<Json> all;
  std::set<std::string> names, patterns;
  std::size_t prefix = 0;       // elements at the beginning
  std::vector<Json> contained;  // elements that one of these allows
  bool every_property = false, every_item = false;
};
using Branches = std::vector<Branch>;

Branch together(const Branch& a, const Branch& b) {
  Branch out = a;
  out.all.insert(out.all.end(), b.all.begin(), b.all.end());
  out.names.insert(b.names.begin(), b.names.end());
  out.patterns.insert(b.patterns.begin(), b.patterns.end());
  out.prefix = std::max(a.prefix, b.prefix);
  out.contained.insert(out.contained.end(), b.contained.begin(), b.contained.end());
  out.every_property |= b.every_property;
  out.every_item |= b.every_item;
  return out;
}

// A schema of which nothing counts as evaluated.
Branch plain(Json schema) {
  Branch out;
  out.all.push_back(std::move(schema));
  return out;
}

class Expansion {
 public:
  explicit Expansion(const Json& root) : root_(root) {}

  Result<Branches> run(const Json& schema, const std::string& path, int depth) {
    if (depth > kDepthMax) return schema_error(path, "unevaluated keywords nest too deep");
    QUIRE_TRY(check_shape(schema, path));
    if (schema.is_boolean()) return schema.get<bool>() ? Branches(1) : Branches();
    Branches out = {own(schema)};
    if (const Json* reference = find_member(schema, "$ref")) {
      QUIRE_ASSIGN(const std::string target, json_string(*reference, path + "/$ref"));
      QUIRE_ASSIGN(const Json* found, resolve_pointer(root_, target, path));
      QUIRE_TRY(also(out, run(*found, target, depth + 1), path));
    }
    if (const Json* all = find_member(schema, "allOf")) {
      if (!all->is_array()) return schema_error(path + "/allOf", "must be an array");
      for (std::size_t i = 0; i < all->size(); ++i) {
        QUIRE_TRY(also(out, run((*all)[i], fmt::format("{}/allOf/{}", path, i), depth + 1), path));
      }
    }
    for (const char* key : {"anyOf", "oneOf", "if", "dependentSchemas"}) {
      if (schema.contains(key)) QUIRE_TRY(also(out, chosen(schema, key, path, depth), path));
    }
    for (Branch& branch : out) close(schema, branch);
    return out;
  }

 private:
  static Branch own(const Json& schema) {
    Branch out;
    Json rest = schema;
    for (const char* key : kApplicators) rest.erase(key);
    for (const char* key : kUnevaluated) rest.erase(key);
    for (const char* key : {"properties", "patternProperties"}) {
      const Json* members = find_member(rest, key);
      if (members == nullptr) continue;
      for (const auto& [name, member] : members->items()) {
        (key[1] == 'r' ? out.names : out.patterns).insert(name);
      }
    }
    if (const Json* prefix = find_member(rest, "prefixItems")) out.prefix = prefix->size();
    if (const Json* contains = find_member(rest, "contains")) out.contained.push_back(*contains);
    out.every_property = rest.contains("additionalProperties");
    out.every_item = rest.contains("items");
    if (!rest.empty()) out.all.push_back(std::move(rest));
    return out;
  }

  // Every branch of the one with every branch of the other.
  static Status also(Branches& out, const Result<Branches>& more, const std::string& path) {
    if (!more) return tl::unexpected<Error>(more.error());
    if (out.size() * more->size() > kBranchesMax) {
      return schema_error(path, "unevaluated keywords over more than {} branches", kBranchesMax);
    }
    Branches next;
    for (const Branch& a : out) {
      for (const Branch& b : *more) next.push_back(together(a, b));
    }
    out = std::move(next);
    return {};
  }

  // Something in it, or in what it applies to the same value, counts as evaluated.
  bool evaluates(const Json& schema, int depth) const {
    if (depth > kDepthMax) return true;
    if (schema.is_array()) {
      return std::any_of(schema.begin(), schema.end(),
                         [&](const Json& one) { return evaluates(one, depth + 1); });
    }
    if (!schema.is_object()) return false;
    for (const char* key : kEvaluating) {
      if (schema.contains(key)) return true;
    }
    for (const char* key : kApplicators) {
      const Json* inner = find_member(schema, key);
      if (inner == nullptr) continue;
      if (inner->is_string()) {
        const auto found = resolve_pointer(root_, inner->get<std::string>(), "");
        if (!found || evaluates(**found, depth + 1)) return true;
      } else if (std::string_view(key) == "dependentSchemas") {
        for (const Json& one : *inner) {
          if (evaluates(one, depth + 1)) return true;
        }
      } else if (evaluates(*inner, depth + 1)) {
        return true;
      }
    }
    return false;
  }

  // A keyword that stands for a choice.
  Result<Branches> chosen(const Json& schema, const std::string& key, const std::string& path,
                          int depth) {
    Json alone = Json::object();
    alone[key] = schema[key];
    for (const char* part : {"then", "else"}) {
      if (key == "if" && schema.contains(part)) alone[part] = schema[part];
    }
    if (!evaluates(alone, depth)) return Branches{plain(std::move(alone))};
    const std::string here = path + "/" + key;
    if (key == "if") return conditional(alone, here, depth);
    if (key == "dependentSchemas") return dependent(schema[key], here, depth);
    const Json& list = schema[key];
    if (!list.is_array() || list.empty()) return schema_error(here, "must be a non-empty array");
    return key == "anyOf" ? some_of(list, here, depth) : one_of(list, here, depth);
  }

  Result<Branches> some_of(const Json& list, const std::string& here, int depth) {
    std::vector<Branches> parts;
    for (std::size_t i = 0; i < list.size(); ++i) {
      QUIRE_ASSIGN(Branches part, run(list[i], fmt::format("{}/{}", here, i), depth + 1));
      parts.push_back(std::move(part));
    }
    Branches out;
    const auto add = [&](const auto& taken) -> Status {
      Branches all(1);
      for (std::size_t i = 0; i < parts.size(); ++i) {
        if (taken(i)) QUIRE_TRY(also(all, parts[i], here));
      }
      out.insert(out.end(), all.begin(), all.end());
      if (out.size() <= kBranchesMax) return {};
      return schema_error(here, "unevaluated keywords over more than {} branches", kBranchesMax);
    };
    if (parts.size() <= kCombinedMax) {
      for (unsigned set = 1; set < 1u << parts.size(); ++set) {
        QUIRE_TRY(add([&](std::size_t i) { return (set >> i & 1) != 0; }));
      }
      return out;
    }
    for (std::size_t only = 0; only < parts.size(); ++only) {
      QUIRE_TRY(add([&](std::size_t i) { return i == only; }));
    }
    return out;
  }

  Result<Branches> one_of(const Json& list, const std::string& here, int depth) {
    const std::vector<Json> whole(list.begin(), list.end());
    QUIRE_ASSIGN(const std::vector<Json> apart, exclusions(root_, list, whole, here));
    Branches out;
    for (std::size_t i = 0; i < list.size(); ++i) {
      Branches one = {plain(apart[i])};
      QUIRE_TRY(also(one, run(list[i], fmt::format("{}/{}", here, i), depth + 1), here));
      out.insert(out.end(), one.begin(), one.end());
    }
    return out;
  }

  Result<Branches> conditional(const Json& schema, const std::string& here, int depth) {
    const Json* then_in = find_member(schema, "then");
    const Json* else_in = find_member(schema, "else");
    QUIRE_ASSIGN(Branches out, run(schema["if"], here, depth + 1));
    if (then_in != nullptr) QUIRE_TRY(also(out, run(*then_in, here, depth + 1), here));
    // Where the condition decides nothing, a value that meets it may as well count as one that
    // does not: then less is evaluated.
    Branches otherwise(1);
    if (then_in != nullptr || else_in != nullptr) {
      QUIRE_ASSIGN(Json others, negation_of(root_, schema["if"], here));
      otherwise[0] = plain(std::move(others));
    }
    if (else_in != nullptr) QUIRE_TRY(also(otherwise, run(*else_in, here, depth + 1), here));
    out.insert(out.end(), otherwise.begin(), otherwise.end());
    return out;
  }

  Result<Branches> dependent(const Json& conditions, const std::string& here, int depth) {
    Branches out(1);
    for (const auto& [name, schema] : conditions.items()) {
      Branches both = {plain({{"type", "object"}, {"required", Json::array({name})}})};
      QUIRE_TRY(also(both, run(schema, here + "/" + name, depth + 1), here));
      both.push_back(plain({{"properties", {{name, false}}}}));
      QUIRE_TRY(also(out, both, here));
    }
    return out;
  }

  // The schema's own unevaluated keywords, now that it is known what they are about.
  static void close(const Json& schema, Branch& branch) {
    if (const Json* others = find_member(schema, "unevaluatedProperties")) {
      if (!branch.every_property && *others != Json(true)) {
        Json rest = {{"additionalProperties", *others}};
        for (const std::string& name : branch.names) rest["properties"][name] = true;
        for (const std::string& find : branch.patterns) rest["patternProperties"][find] = true;
        branch.all.push_back(std::move(rest));
      }
      branch.every_property = true;
    }
    if (const Json* others = find_member(schema, "unevaluatedItems")) {
      if (!branch.every_item && *others != Json(true)) {
        Json rest = {{"items", *others}};
        if (!branch.contained.empty()) {
          Json any = branch.contained;
          if (*others != Json(false)) any.push_back(*others);
          rest["items"] = {{"anyOf", std::move(any)}};
        }
        if (branch.prefix > 0) rest["prefixItems"] = std::vector<Json>(branch.prefix, true);
        branch.all.push_back(std::move(rest));
      }
      branch.every_item = true;
    }
  }

  const Json& root_;
};

}  // namespace

Result<Json> without_unevaluated(const Json& root, const Json& schema, const std::string& path) {
  QUIRE_ASSIGN(Branches branches, Expansion(root).run(schema, path, 0));
  if (branches.empty()) return Json(false);
  Json any = Json::array();
  for (Branch& branch : branches) any.push_back(all_of(std::move(branch.all)));
  if (any.size() == 1) return std::move(any[0]);
  return Json{{"anyOf", std::move(any)}};
}

}  // namespace quire::grammar
