// Arrays of a JSON Schema: what stands at each place, what must be among the elements, and elements
// that differ from each other.
#include <algorithm>
#include <bit>

#include "engine/grammar/schema_compiler.h"
#include "engine/grammar/schema_text.h"

namespace quire::grammar {
namespace {

constexpr std::size_t kContainsMax = 3;       // each doubles what an element can be
constexpr std::size_t kContainStates = 5000;  // of the counters
constexpr std::size_t kUniqueStates = 300;    // of values in any order
constexpr std::size_t kAnyOrderMax = 7;       // values of which every set is a state
constexpr double kListedIntegers = 64;
constexpr int kListedDepth = 16;

}  // namespace

// --- elements by their place
// -----------------------------------------------------------------------

Result<SchemaCompiler::Items> SchemaCompiler::items_of(const Json& value, const Path& path) {
  Items items;
  QUIRE_ASSIGN(items.min, read_count(value, "minItems", 0, path));
  QUIRE_ASSIGN(items.max, read_count(value, "maxItems", kUnbounded, path));
  if (const Json* prefix = find_member(value, "prefixItems")) {
    if (!prefix->is_array()) return schema_error(path + "/prefixItems", "must be an array");
    items.prefix.assign(prefix->begin(), prefix->end());
  }
  if (const Json* rest = find_member(value, "items")) items.rest = *rest;
  const auto close_at = [&](std::size_t count) {
    const int limit = static_cast<int>(count);
    items.max = items.max == kUnbounded ? limit : std::min(items.max, limit);
  };
  if (items.rest == Json(false)) close_at(items.prefix.size());
  const auto never = std::find(items.prefix.begin(), items.prefix.end(), Json(false));
  if (never != items.prefix.end()) {
    close_at(static_cast<std::size_t>(never - items.prefix.begin()));
  }
  return items;
}

Result<NodeId> SchemaCompiler::element(const Items& items, std::size_t at, const Path& path,
                                       int depth) {
  if (at >= items.prefix.size()) return schema(items.rest, path + "/items", depth + 1);
  return schema(items.prefix[at], fmt::format("{}/prefixItems/{}", path, at), depth + 1);
}

Result<NodeId> SchemaCompiler::array(const Json& value, const Path& path, int depth) {
  QUIRE_ASSIGN(const Items items, items_of(value, path));
  if (items.max != kUnbounded && items.max < items.min) return grammar_.choice({});
  QUIRE_ASSIGN(const std::vector<Contained> wanted, contained_in(value, path));
  NodeId all = -1;
  if (value.value("uniqueItems", Json(false)) == Json(true) && items.max != 0 && items.max != 1) {
    if (!wanted.empty())
      return schema_error(path + "/uniqueItems", "cannot be enforced beside contains");
    QUIRE_ASSIGN(all, unique(items, path, depth));
  } else if (!wanted.empty()) {
    QUIRE_ASSIGN(all, containing(items, wanted, path, depth));
  } else {
    QUIRE_ASSIGN(all, elements_of(items, path, depth));
  }
  return values_.wrapped('[', all, ']');
}

Result<NodeId> SchemaCompiler::elements_of(const Items& items, const Path& path, int depth) {
  std::vector<NodeId> first;
  const std::size_t reached =
      items.max == kUnbounded ? items.prefix.size()
                              : std::min(items.prefix.size(), static_cast<std::size_t>(items.max));
  for (std::size_t i = 0; i < reached; ++i) {
    QUIRE_ASSIGN(const NodeId node, element(items, i, path, depth));
    first.push_back(node);
  }
  NodeId rest = -1;
  if (items.max == kUnbounded || static_cast<std::size_t>(items.max) > reached) {
    QUIRE_ASSIGN(rest, element(items, items.prefix.size(), path, depth));
  }
  return elements(first, rest, items.min, items.max);
}

// min to max elements: the first ones by position, then the rest.
NodeId SchemaCompiler::elements(const std::vector<NodeId>& first, NodeId rest, int min, int max) {
  const int fixed = max == kUnbounded ? static_cast<int>(first.size())
                                      : std::min(static_cast<int>(first.size()), max);
  const auto after_comma = [&](NodeId node) { return grammar_.sequence({values_.comma(), node}); };
  // Built from the end: tail = what may follow `done` elements.
  NodeId tail = grammar_.empty();
  if (max == kUnbounded || max > fixed) {
    const int low = std::max(min - fixed, 0), high = max == kUnbounded ? kUnbounded : max - fixed;
    if (fixed > 0) {
      tail = grammar_.repeat(after_comma(rest), low, high);
    } else {
      const NodeId more = grammar_.repeat(after_comma(rest), std::max(low - 1, 0),
                                          high == kUnbounded ? kUnbounded : high - 1);
      const NodeId some = grammar_.sequence({rest, more});
      return low == 0 ? grammar_.optional(some) : some;
    }
  }
  for (int i = fixed - 1; i >= 0; --i) {
    const NodeId element = first[static_cast<std::size_t>(i)];
    const NodeId step = grammar_.sequence({i == 0 ? element : after_comma(element), tail});
    tail = i >= min ? grammar_.optional(step) : step;
  }
  return tail;
}

// --- elements that must be found
// ------------------------------------------------------------------

Result<std::vector<SchemaCompiler::Contained>> SchemaCompiler::contained_in(const Json& value,
                                                                            const Path& path) {
  Json all = Json::array();
  if (const Json* merged = find_member(value, kContains)) all = *merged;
  if (value.contains("contains")) all.push_back(value);
  std::vector<Contained> out;
  for (const Json& one : all) {
    Contained wanted{one["contains"]};
    QUIRE_ASSIGN(wanted.min, read_count(one, "minContains", 1, path));
    QUIRE_ASSIGN(wanted.max, read_count(one, "maxContains", kUnbounded, path));
    if (wanted.min > 0 || wanted.max != kUnbounded) out.push_back(std::move(wanted));
  }
  return out;
}

namespace {

// How many elements stand before, and how many of them were counted for each schema; each no
// further than it matters.
struct Tally {
  int elements = 0;
  std::vector<int> found;
  auto operator<=>(const Tally&) const = default;
};

}  // namespace

// A walk over tallies. An element is counted for some of the schemas; one with a maximum must not
// allow an element that is not counted for it.
Result<NodeId> SchemaCompiler::containing(const Items& items, const std::vector<Contained>& wanted,
                                          const Path& path, int depth) {
  const Path here = path + "/contains";
  if (wanted.size() > kContainsMax) {
    return schema_error(here, "more than {} of them", kContainsMax);
  }
  const int cap = std::max({static_cast<int>(items.prefix.size()), items.min, items.max, 1});
  double states = cap + 1;
  std::vector<Json> others(wanted.size(), true);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    states *= std::max(wanted[i].min, wanted[i].max) + 1;
    if (wanted[i].max == kUnbounded) continue;
    QUIRE_ASSIGN(others[i], negation_of(root_, wanted[i].schema, here));
  }
  if (states > kContainStates)
    return schema_error(here, "counts need more than {} states", kContainStates);
  std::map<std::pair<std::size_t, unsigned>, NodeId> nodes;
  const auto element_of = [&](int at, unsigned counted) -> Result<NodeId> {
    const std::size_t place = std::min(static_cast<std::size_t>(at), items.prefix.size());
    const auto [known, added] = nodes.try_emplace({place, counted}, -1);
    if (!added) return known->second;
    std::vector<Json> all = {place < items.prefix.size() ? items.prefix[place] : items.rest};
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      all.push_back((counted >> i & 1) != 0 ? wanted[i].schema : others[i]);
    }
    QUIRE_ASSIGN(const NodeId node, schema(all_of(std::move(all)), here, depth + 1));
    return nodes[{place, counted}] = node;
  };
  std::map<Tally, RuleId> rules;
  std::vector<Tally> open;
  const auto rule_of = [&](const Tally& tally) {
    const auto [known, added] = rules.try_emplace(tally, -1);
    if (added) {
      known->second = grammar_.declare("found");
      open.push_back(tally);
    }
    return known->second;
  };
  const RuleId start = rule_of({0, std::vector<int>(wanted.size(), 0)});
  while (!open.empty()) {
    const Tally tally = open.back();
    open.pop_back();
    std::vector<NodeId> choices;
    bool may_end = tally.elements >= items.min;
    for (std::size_t i = 0; i < wanted.size(); ++i) may_end &= tally.found[i] >= wanted[i].min;
    if (may_end) choices.push_back(grammar_.empty());
    const bool full = items.max != kUnbounded && tally.elements >= items.max;
    for (unsigned counted = 0; counted < (full ? 0u : 1u << wanted.size()); ++counted) {
      Tally next = {std::min(tally.elements + 1, cap), tally.found};
      bool fits = true;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if ((counted >> i & 1) == 0) continue;
        // Beyond what is wanted of it nothing is counted.
        const int limit = wanted[i].max == kUnbounded ? wanted[i].min : wanted[i].max;
        fits &= ++next.found[i] <= limit;
      }
      if (!fits) continue;
      QUIRE_ASSIGN(const NodeId node, element_of(tally.elements, counted));
      std::vector<NodeId> parts = {node, grammar_.rule(rule_of(next))};
      if (tally.elements > 0) parts.insert(parts.begin(), values_.comma());
      choices.push_back(grammar_.sequence(std::move(parts)));
    }
    grammar_.define(rules.at(tally), grammar_.choice(std::move(choices)));
  }
  return grammar_.rule(start);
}

// --- elements that differ
// --------------------------------------------------------------------------

Result<Json> SchemaCompiler::listed_values(const Json& schema, const Path& path, int depth) {
  if (schema == Json(false)) return Json::array();
  if (!schema.is_object() || depth > kListedDepth) return Json();
  if (schema.contains("$ref") || schema.contains("allOf")) {
    QUIRE_ASSIGN(const Json plain, plain_schema(root_, schema, path));
    return listed_values(plain, path, depth + 1);
  }
  Json out = Json::array();
  const auto add = [&](const Json& value) {
    const bool known = std::any_of(out.begin(), out.end(),
                                   [&](const Json& one) { return same_value(one, value); });
    if (!known) out.push_back(value);
  };
  if (const Json* only = find_member(schema, "const")) return Json::array({*only});
  if (const Json* list = find_member(schema, "enum"); list != nullptr && list->is_array()) {
    if (list->size() > static_cast<std::size_t>(kCountMax)) return Json();
    for (const Json& value : *list) add(value);
    return out;
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    const Json* branches = find_member(schema, key);
    if (branches == nullptr || !branches->is_array()) continue;
    for (const Json& branch : *branches) {
      QUIRE_ASSIGN(const Json some, listed_values(branch, path, depth + 1));
      if (some.is_null()) return Json();
      for (const Json& value : some) add(value);
    }
    return out;
  }
  if (!schema.contains("type")) return Json();
  QUIRE_ASSIGN(const Names types, types_of(schema, path));
  for (const std::string& type : types) {
    if (type == "null") {
      add(nullptr);
    } else if (type == "boolean") {
      add(true);
      add(false);
    } else if (type == "integer") {
      const Json low = schema.value("minimum", Json()), high = schema.value("maximum", Json());
      if (!low.is_number_integer() || !high.is_number_integer()) return Json();
      const double count = high.get<double>() - low.get<double>();
      if (!(count >= 0) || count >= kListedIntegers) return Json();
      for (auto i = low.get<std::int64_t>(); i <= high.get<std::int64_t>(); ++i) add(i);
    } else {
      return Json();
    }
  }
  return out;
}

// A walk over the sets of values that stand before; the order is free.
struct SchemaCompiler::UniqueWalk {
  SchemaCompiler& compiler;
  const Items& items;
  const Path& path;
  int depth;
  Json values;                             // all of them
  std::vector<std::vector<bool>> allowed;  // [place][value], the last place for all behind it
  std::map<std::pair<std::size_t, std::size_t>, NodeId> nodes = {};
  std::map<std::uint64_t, RuleId> rules = {};
  std::vector<std::uint64_t> open = {};

  Result<NodeId> node_of(std::size_t place, std::size_t value) {
    const auto [known, added] = nodes.try_emplace({place, value}, -1);
    if (!added) return known->second;
    const Json& item = place < items.prefix.size() ? items.prefix[place] : items.rest;
    const Json only = {{"const", values[value]}};
    QUIRE_ASSIGN(const NodeId node,
                 compiler.schema(all_of({item, only}), path + "/items", depth + 1));
    return nodes[{place, value}] = node;
  }

  RuleId rule_of(std::uint64_t taken) {
    const auto [known, added] = rules.try_emplace(taken, -1);
    if (added) {
      known->second = compiler.grammar_.declare("unique");
      open.push_back(taken);
    }
    return known->second;
  }

  // kInvalid when there are too many sets.
  Result<NodeId> run() {
    Grammar& grammar = compiler.grammar_;
    const RuleId start = rule_of(0);
    while (!open.empty()) {
      if (rules.size() > kUniqueStates) {
        return schema_error(path + "/uniqueItems", "too many values of several places");
      }
      const std::uint64_t taken = open.back();
      open.pop_back();
      const int count = std::popcount(taken);
      std::vector<NodeId> choices;
      if (count >= items.min) choices.push_back(grammar.empty());
      const std::size_t place = std::min(static_cast<std::size_t>(count), items.prefix.size());
      const bool full = items.max != kUnbounded && count >= items.max;
      for (std::size_t i = 0; i < values.size() && !full; ++i) {
        if (!allowed[place][i] || (taken >> i & 1) != 0) continue;
        QUIRE_ASSIGN(const NodeId node, node_of(place, i));
        std::vector<NodeId> parts = {node, grammar.rule(rule_of(taken | std::uint64_t{1} << i))};
        if (count > 0) parts.insert(parts.begin(), compiler.values_.comma());
        choices.push_back(grammar.sequence(std::move(parts)));
      }
      grammar.define(rules.at(taken), grammar.choice(std::move(choices)));
    }
    return grammar.rule(start);
  }
};

// Values that can be listed: in any order when they are few, else in the order of the list. Places
// that exclude each other visibly need nothing.
Result<NodeId> SchemaCompiler::unique(const Items& items, const Path& path, int depth) {
  const bool closed =
      items.max != kUnbounded && static_cast<std::size_t>(items.max) <= items.prefix.size();
  if (closed && check_disjoint(root_, items.prefix, path)) return elements_of(items, path, depth);
  UniqueWalk walk{*this, items, path, depth, Json::array(), {}};
  for (std::size_t place = 0; place <= items.prefix.size(); ++place) {
    const bool rest = place == items.prefix.size();
    QUIRE_ASSIGN(
        const Json some,
        listed_values(rest ? (closed ? Json(false) : items.rest) : items.prefix[place], path, 0));
    if (some.is_null()) {
      return schema_error(path + "/uniqueItems",
                          "cannot be enforced for items whose values cannot be listed");
    }
    std::vector<bool>& allowed = walk.allowed.emplace_back(walk.values.size(), false);
    for (const Json& value : some) {
      std::size_t at = 0;
      while (at < walk.values.size() && !same_value(walk.values[at], value)) ++at;
      if (at == walk.values.size()) walk.values.push_back(value);
      allowed.resize(walk.values.size(), false);
      allowed[at] = true;
    }
  }
  for (std::vector<bool>& allowed : walk.allowed) allowed.resize(walk.values.size(), false);
  const bool few =
      walk.values.size() <= kAnyOrderMax || (!items.prefix.empty() && walk.values.size() < 64);
  if (few) return walk.run();
  if (!items.prefix.empty()) {
    return schema_error(path + "/uniqueItems", "too many values of several places");
  }
  std::vector<OrderedMember> members;
  for (std::size_t i = 0; i < walk.values.size(); ++i) {
    QUIRE_ASSIGN(const NodeId node, walk.node_of(0, i));
    members.push_back({node, false});
  }
  return counted(members, -1, {items.min, items.max}, path);
}

}  // namespace quire::grammar
