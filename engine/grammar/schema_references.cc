// References of a schema ($ref, $dynamicRef, $id, anchors) as plain pointers into one document.
#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "engine/grammar/schema_text.h"
#include "engine/grammar/uri.h"

namespace quire::grammar {
namespace {

constexpr std::size_t kCopiesMax = 200;
constexpr std::size_t kMembersMax = 500'000;
constexpr int kDepthMax = 64;

constexpr std::string_view kOneSchema[] = {"additionalProperties",
                                           "contains",
                                           "contentSchema",
                                           "else",
                                           "if",
                                           "items",
                                           "not",
                                           "propertyNames",
                                           "then",
                                           "unevaluatedItems",
                                           "unevaluatedProperties"};
constexpr std::string_view kSchemaLists[] = {"allOf", "anyOf", "oneOf", "prefixItems"};
constexpr std::string_view kSchemaMaps[] = {"$defs", "definitions", "dependentSchemas",
                                            "patternProperties", "properties"};

bool holds(const auto& list, std::string_view key) {
  return std::find(std::begin(list), std::end(list), key) != std::end(list);
}

std::string escape_pointer(std::string_view token) {
  std::string out;
  for (const char c : token) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

// A pointer as a fragment of a URI: '%' would begin an escape there.
std::string as_fragment(std::string_view pointer) {
  std::string out = "#";
  for (const char c : pointer) out += c == '%' ? "%25" : std::string(1, c);
  return out;
}

bool has_key(const Json& value, std::string_view key) {
  if (!value.is_structured()) return false;
  if (find_member(value, key) != nullptr) return true;
  return std::any_of(value.begin(), value.end(),
                     [&](const Json& one) { return has_key(one, key); });
}

const std::string* text_member(const Json& schema, const char* key) {
  const Json* member = find_member(schema, key);
  return member != nullptr && member->is_string() ? member->get_ptr<const std::string*>() : nullptr;
}

// A schema with an address of its own, which pointers and anchors below it are relative to.
struct Resource {
  std::string address;
  const Json* root = nullptr;
  std::map<std::string, const Json*> anchors, dynamic_anchors;  // null: the name is there twice
};

// By name of a dynamic anchor, the outermost resource of those gone through that has it
// (section 8.2.3.2); empty when nothing refers dynamically.
using Scope = std::map<std::string, std::size_t>;

struct Place {
  std::string pointer;
  std::vector<std::size_t> resources;  // the outermost first
  bool in_place = true;                // its copy in the result lies under the same pointer
};

// Each schema directly inside, with its key or pair of keys as a pointer.
Status each_inside(const Json& schema, const auto& visit) {
  if (!schema.is_object()) return {};
  for (const auto& [key, member] : schema.items()) {
    const std::string here = "/" + escape_pointer(key);
    if (holds(kOneSchema, key)) {
      QUIRE_TRY(visit(member, here));
    } else if (holds(kSchemaLists, key) && member.is_array()) {
      for (std::size_t i = 0; i < member.size(); ++i) {
        QUIRE_TRY(visit(member[i], fmt::format("{}/{}", here, i)));
      }
    } else if (holds(kSchemaMaps, key) && member.is_object()) {
      for (const auto& [name, value] : member.items()) {
        QUIRE_TRY(visit(value, here + "/" + escape_pointer(name)));
      }
    }
  }
  return {};
}

// No schema may apply itself to the very value that it is about: nothing would ever be decided.
class Loops {
 public:
  explicit Loops(const Json& root) : root_(root) {}

  Status check(const Json& schema, const std::string& path) {
    QUIRE_ASSIGN(const int height, height_of(schema, path, 0));
    static_cast<void>(height);
    return each_inside(schema, [&](const Json& inner, const std::string& key) {
      return check(inner, path + key);
    });
  }

 private:
  static constexpr int kHeightMax = 128;  // schemas that apply each other to one value

  static bool is_in_place(std::string_view key) {
    static constexpr std::string_view kInPlace[] = {"allOf", "anyOf", "oneOf", "not",
                                                    "if",    "then",  "else",  "dependentSchemas"};
    return holds(kInPlace, key);
  }

  Result<int> height_of(const Json& schema, const std::string& path, int depth) {
    if (!schema.is_object()) return 0;
    const auto [known, added] = heights_.try_emplace(&schema, kOpen);
    if (known->second == kOpen && !added) return schema_error(path, "refers to itself");
    if (!added) return known->second;
    int height = 0;
    const auto above = [&](const Json& inner, const std::string& where) -> Status {
      QUIRE_ASSIGN(const int one, height_of(inner, where, depth + 1));
      height = std::max(height, one + 1);
      if (std::max(depth, height) <= kHeightMax) return {};
      return schema_error(where, "references nest deeper than {}", kHeightMax);
    };
    if (const std::string* reference = text_member(schema, "$ref")) {
      const auto target = resolve_pointer(root_, *reference, path);
      if (target) QUIRE_TRY(above(**target, path));
    }
    QUIRE_TRY(each_inside(schema, [&](const Json& inner, const std::string& key) -> Status {
      if (!is_in_place(key.substr(1, key.find('/', 1) - 1))) return {};
      return above(inner, path + key);
    }));
    return heights_[&schema] = height;
  }

  static constexpr int kOpen = -1;
  const Json& root_;
  std::unordered_map<const Json*, int> heights_;
};

class Resolver {
 public:
  explicit Resolver(const Json& root) : root_(root) {}

  Result<Json> run() {
    dynamic_ = has_key(root_, "$dynamicRef");
    resources_.push_back({"", &root_, {}, {}});
    by_address_[""] = 0;
    QUIRE_TRY(index(root_, {"", {0}, true}, 0));
    while (find_member(root_, table_) != nullptr) table_ += '_';
    QUIRE_ASSIGN(Json out, copy(root_, lexical_scope(places_.at(&root_))));
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      const auto [target, scope] = pending_[i];
      QUIRE_ASSIGN(Json one, copy(*target, scope));
      out[table_].push_back(std::move(one));
    }
    Loops loops(out);
    QUIRE_TRY(loops.check(out, "#"));
    if (const Json* copies = find_member(out, table_)) {
      for (const Json& one : *copies) QUIRE_TRY(loops.check(one, "#"));
    }
    return out;
  }

 private:
  // --- what is where ----------------------------------------------------------------------------

  Status index(const Json& schema, Place place, int depth) {
    if (depth > kDepthMax) {
      return schema_error("#" + place.pointer, "schemas nest deeper than {}", kDepthMax);
    }
    if (!schema.is_object()) {
      places_.emplace(&schema, std::move(place));
      return {};
    }
    if (const std::string* id = text_member(schema, "$id"); id != nullptr && !id->starts_with('#'))
      enter_resource(schema, *id, place);
    Resource& resource = resources_[place.resources.back()];
    const auto name = [&](const char* key, auto& anchors) {
      const std::string* anchor = text_member(schema, key);
      if (anchor == nullptr) return;
      const auto [it, added] = anchors.try_emplace(*anchor, &schema);
      if (!added && it->second != &schema) it->second = nullptr;
    };
    name("$anchor", resource.anchors);
    name("$dynamicAnchor", resource.anchors);
    name("$dynamicAnchor", resource.dynamic_anchors);
    const Place& kept = places_.insert_or_assign(&schema, std::move(place)).first->second;
    const Place outer = kept;
    return each_inside(schema, [&](const Json& inner, const std::string& key) {
      return index(inner, {outer.pointer + key, outer.resources, outer.in_place}, depth + 1);
    });
  }

  void enter_resource(const Json& schema, const std::string& id, Place& place) {
    const std::string address = resolve_uri(resources_[place.resources.back()].address, id).address;
    if (&schema == &root_) {
      resources_[0].address = address;
      by_address_[address] = 0;
      return;
    }
    const auto known = by_address_.find(address);
    const bool again =
        known != by_address_.end() && known->second && resources_[*known->second].root == &schema;
    if (!again) resources_.push_back({address, &schema, {}, {}});
    place.resources.push_back(again ? *known->second : resources_.size() - 1);
    if (known == by_address_.end()) {
      by_address_[address] = place.resources.back();
    } else if (!again) {
      known->second.reset();  // two schemas of one address
    }
  }

  // --- what a reference names -------------------------------------------------------------------

  struct Target {
    const Json* schema = nullptr;
    std::string dynamic_name;  // when its anchor is a dynamic one
    std::string problem;       // why there is none
  };

  Result<Target> find(const Place& from, const std::string& reference) {
    const ResolvedUri uri = resolve_uri(resources_[from.resources.back()].address, reference);
    const auto known = by_address_.find(uri.address);
    if (known == by_address_.end()) {
      return Target{nullptr, "", fmt::format("\"{}\" is not in this schema", reference)};
    }
    if (!known->second) {
      return Target{nullptr, "", fmt::format("\"{}\" is the address of two schemas", reference)};
    }
    const Resource& resource = resources_[*known->second];
    if (uri.fragment.empty()) return Target{resource.root, "", ""};
    if (uri.fragment[0] != '/') return anchor(resource, unescape_percent(uri.fragment));
    auto found = resolve_pointer(*resource.root, "#" + uri.fragment, "");
    if (!found) return Target{nullptr, "", fmt::format("\"{}\" names nothing", reference)};
    if (!places_.contains(*found)) {
      // In a keyword that is none of ours: a schema only because something refers to it.
      QUIRE_TRY(index(**found, {uri.fragment, places_.at(resource.root).resources, false}, 0));
    }
    return Target{*found, "", ""};
  }

  static Target anchor(const Resource& resource, const std::string& name) {
    const auto found = resource.anchors.find(name);
    if (found == resource.anchors.end())
      return {nullptr, "", fmt::format("no anchor \"{}\"", name)};
    if (found->second == nullptr)
      return {nullptr, "", fmt::format("anchor \"{}\" is there twice", name)};
    return {found->second, resource.dynamic_anchors.contains(name) ? name : "", ""};
  }

  // --- the copy ---------------------------------------------------------------------------------

  void enter(Scope& scope, std::size_t resource) const {
    if (!dynamic_) return;
    for (const auto& [name, schema] : resources_[resource].dynamic_anchors) {
      scope.try_emplace(name, resource);
    }
  }

  Scope lexical_scope(const Place& place) const {
    Scope scope;
    for (const std::size_t resource : place.resources) enter(scope, resource);
    return scope;
  }

  // The place of `target` in the result when the resources of `scope` have been gone through.
  Result<std::string> pointer_to(const Json* target, Scope scope) {
    const Place& place = places_.at(target);
    enter(scope, place.resources.back());
    if (place.in_place && lexical_scope(place) == scope) return as_fragment(place.pointer);
    const auto [it, added] = copies_.try_emplace({target, scope}, pending_.size());
    if (added) {
      if (pending_.size() >= kCopiesMax) {
        return schema_error("#" + place.pointer, "more than {} dynamic scopes", kCopiesMax);
      }
      pending_.emplace_back(target, std::move(scope));
    }
    return fmt::format("#/{}/{}", table_, it->second);
  }

  Result<std::string> resolved(const Place& place, const std::string& reference, bool dynamic,
                               const Scope& scope) {
    QUIRE_ASSIGN(Target target, find(place, reference));
    if (target.schema != nullptr && dynamic && !target.dynamic_name.empty()) {
      const auto outermost = scope.find(target.dynamic_name);
      if (outermost != scope.end()) {
        target.schema = resources_[outermost->second].dynamic_anchors.at(target.dynamic_name);
      }
      if (target.schema == nullptr) {
        target.problem = fmt::format("anchor \"{}\" is there twice", target.dynamic_name);
      }
    }
    if (target.schema == nullptr) return kBrokenReference + target.problem;
    return pointer_to(target.schema, scope);
  }

  // `scope` has the schema's own resource.
  Result<Json> copy(const Json& schema, const Scope& scope) {
    if (!schema.is_object()) return schema;
    for (const Json& member : schema) copied_ += 1 + (member.is_structured() ? member.size() : 0);
    if (copied_ > kMembersMax) {
      return schema_error("#", "more than {} members with those in dynamic scopes", kMembersMax);
    }
    const Place place = places_.at(&schema);  // by value: resolving may add places
    Json out = schema;
    QUIRE_TRY(each_inside(schema, [&](const Json& inner, const std::string& key) -> Status {
      const Place& at = places_.at(&inner);
      Scope inside = scope;
      enter(inside, at.resources.back());
      QUIRE_ASSIGN(Json one, copy(inner, inside));
      out[Json::json_pointer(key)] = std::move(one);
      return {};
    }));
    if (const std::string* reference = text_member(schema, "$ref")) {
      QUIRE_ASSIGN(out["$ref"], resolved(place, *reference, false, scope));
    }
    if (const std::string* reference = text_member(schema, "$dynamicRef")) {
      QUIRE_ASSIGN(const std::string pointer, resolved(place, *reference, true, scope));
      out.erase("$dynamicRef");
      const Json* all = find_member(out, "allOf");
      if (!out.contains("$ref")) {
        out["$ref"] = pointer;
      } else if (all == nullptr || all->is_array()) {
        out["allOf"].push_back({{"$ref", pointer}});
      }
    }
    return out;
  }

  const Json& root_;
  std::string table_ = "$dynamic";  // of schemas that are copied for a scope
  bool dynamic_ = false;
  std::vector<Resource> resources_;
  std::map<std::string, std::optional<std::size_t>> by_address_;
  std::unordered_map<const Json*, Place> places_;
  std::map<std::pair<const Json*, Scope>, std::size_t> copies_;
  std::vector<std::pair<const Json*, Scope>> pending_;
  std::size_t copied_ = 0;
};

}  // namespace

Result<Json> with_local_references(const Json& schema) { return Resolver(schema).run(); }

}  // namespace quire::grammar
