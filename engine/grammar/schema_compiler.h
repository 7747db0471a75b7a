// The compiler of JSON schemas: each schema becomes a rule, each type one alternative of it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/grammar/json_values.h"
#include "engine/grammar/schema_scalars.h"

namespace quire::grammar {

class SchemaCompiler {
 public:
  // The grammar must outlive the object.
  SchemaCompiler(Grammar& grammar, const Json& root, const GrammarLimits& limits)
      : root_(root),
        limits_(limits),
        grammar_(grammar),
        values_(grammar),
        scalars_(grammar_, values_, limits_) {}
  SchemaCompiler(const SchemaCompiler&) = delete;
  SchemaCompiler& operator=(const SchemaCompiler&) = delete;

  Result<NodeId> run();
  void set_space(NodeId space) { values_.set_space(space); }

 private:
  using Path = std::string;
  using Names = std::vector<std::string>;

  // Of one schema object. `path` names it in errors.
  Result<NodeId> schema(const Json& value, const Path& path, int depth);
  // One rewriting step: an equal schema, or a narrower one, without the first keyword that stands
  // for a choice or a conjunction; null when there is none.
  Result<Json> without_first(const Json& value, const Path& path);
  Result<NodeId> of_type(const Json& value, const std::string& type, const Path& path, int depth);
  Result<NodeId> conjunction(const Json& value, const Path& path, int depth);
  Result<NodeId> reference(const Json& value, const Path& path, int depth);
  Result<NodeId> one_or_any_of(const Json& value, const char* key, const Path& path, int depth);
  Result<NodeId> constants(const Json& value, const Path& path, int depth);

  // --- arrays (schema_array.cc) ---------------------------------------------------------------
  // What stands at each place, and how many there may be.
  struct Items {
    std::vector<Json> prefix;
    Json rest = true;
    int min = 0, max = kUnbounded;
  };
  // min to max elements that `schema` allows.
  struct Contained {
    Json schema;
    int min = 1, max = kUnbounded;
  };
  struct UniqueWalk;  // listed values, each at most once
  Result<NodeId> array(const Json& value, const Path& path, int depth);
  Result<Items> items_of(const Json& value, const Path& path);
  Result<NodeId> element(const Items& items, std::size_t at, const Path& path, int depth);
  Result<NodeId> elements_of(const Items& items, const Path& path, int depth);
  Result<std::vector<Contained>> contained_in(const Json& value, const Path& path);
  Result<NodeId> containing(const Items& items, const std::vector<Contained>& wanted,
                            const Path& path, int depth);
  Result<NodeId> unique(const Items& items, const Path& path, int depth);
  // The values that a schema allows when they can be listed, else null.
  Result<Json> listed_values(const Json& schema, const Path& path, int depth);
  NodeId elements(const std::vector<NodeId>& first, NodeId rest, int min, int max);

  // --- objects (schema_object.cc) -------------------------------------------------------------
  Result<NodeId> object(const Json& value, const Path& path, int depth);
  Result<std::set<std::string>> required_names(const Json& value, const Path& path);
  Result<Json> described(const Json& value, const Names& names, const Path& path);
  NodeId member(NodeId key, NodeId value);
  Result<NodeId> additional_members(const Json& value, const Names& names, const Path& path,
                                    int depth);
  Result<NodeId> key_node(const Json& value, Json keys, const Names& names, const Path& path);
  // Members in their order, then any number of `extra` (-1: none); min to max of all.
  struct Counts {
    int min = 0, max = kUnbounded;
  };
  Result<NodeId> counted(const std::vector<OrderedMember>& members, NodeId extra, Counts counts,
                         const Path& path);

  Json root_;
  GrammarLimits limits_;
  Grammar& grammar_;
  JsonValues values_;
  ScalarSchemas scalars_;
  // By pointer, and by the key of a conjunction.
  std::map<std::string, RuleId> references_;
  std::map<std::string, NodeId> keys_;  // by what they must be
  int steps_ = 0;                       // schemas gone through

  static constexpr int kStepsMax = 10'000;
};

}  // namespace quire::grammar
