// A second pass over the tree that knows where each name is first loaded or stored. Jinja decides
// this at compile time, and templates can see it: a name that a scope sets before it reads it is
// undefined there until then, even in inner scopes and even when the context has it.
#include "models/text/jinja/scopes.h"

#include <algorithm>
#include <map>
#include <set>

#include "models/text/jinja/builtins.h"
#include "models/text/jinja/walk.h"

namespace quire::text::jinja {
namespace {

enum class Origin : std::uint8_t { kParameter, kContext, kOuter, kNothing };

// The names of one scope and where their value comes from when it is entered.
struct Symbols {
  const Symbols* parent = nullptr;
  std::map<NameId, Origin> origins = {};
  std::set<NameId> stores = {};

  bool outer_has(NameId id) const {
    for (const Symbols* scope = parent; scope != nullptr; scope = scope->parent) {
      if (scope->origins.contains(id)) return true;
    }
    return false;
  }
  void load(NameId id) {
    if (!origins.contains(id) && !outer_has(id)) origins[id] = Origin::kContext;
  }
  void store(NameId id) {
    stores.insert(id);
    if (!origins.contains(id)) origins[id] = outer_has(id) ? Origin::kOuter : Origin::kNothing;
  }
  void parameter(NameId id) {
    stores.insert(id);
    origins[id] = Origin::kParameter;
  }
  void merge_branches(const std::vector<Symbols>& branches) {
    std::set<NameId> fresh;
    for (const Symbols& branch : branches) {
      for (const NameId id : branch.stores) {
        if (!stores.contains(id)) fresh.insert(id);
      }
    }
    for (const Symbols& branch : branches) {
      for (const auto& [id, origin] : branch.origins) origins[id] = origin;
      stores.insert(branch.stores.begin(), branch.stores.end());
    }
    for (const NameId id : fresh) origins[id] = outer_has(id) ? Origin::kOuter : Origin::kContext;
  }
  HiddenNames hidden() const {
    HiddenNames names;
    for (const auto& [id, origin] : origins) {
      if (origin == Origin::kNothing) names.push_back(id);
    }
    return names;
  }
};

// Collects the names that the statements of one scope load and store, not those of inner scopes.
class NameCollector {
 public:
  explicit NameCollector(Symbols& symbols) : symbols_(&symbols) {}

  void collect(const Body& body) {
    for (const auto& statement : body) std::visit(*this, statement->node);
  }
  void load(const Expression& expression) {
    for_each_name(expression, NameUse::kLoad, [&](NameId id, NameUse) { symbols_->load(id); });
  }
  void load(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      for_each_child(step, [&](const Expression& part) { load(part); });
    }
  }
  void target(const Expression& expression, bool as_parameter) {
    if (const auto* attribute = std::get_if<NamespaceAttribute>(&expression.node)) {
      symbols_->load(attribute->id);
    } else if (const auto* name = std::get_if<Name>(&expression.node)) {
      as_parameter ? symbols_->parameter(name->id) : symbols_->store(name->id);
    }
    for_each_child(expression, [&](const Expression& part) { target(part, as_parameter); });
  }

  void operator()(const Print& node) {
    for (const auto& value : node.values) load(*value);
  }
  void operator()(const If& node) {
    // Jinja nests the elif branches, so that each one's test belongs to its own copy of the names.
    load(*node.branches.front().first);
    Symbols& original = *symbols_;
    std::vector<Symbols> branches(3, original);
    const auto in_branch = [&](Symbols& branch, auto&& work) {
      symbols_ = &branch;
      work();
      symbols_ = &original;
    };
    in_branch(branches[0], [&] { collect(node.branches.front().second); });
    in_branch(branches[1], [&] {
      for (std::size_t i = 1; i < node.branches.size(); ++i) {
        load(*node.branches[i].first);
        Symbols body = *symbols_;
        NameCollector(body).collect(node.branches[i].second);
        symbols_->merge_branches({body});
      }
    });
    in_branch(branches[2], [&] { collect(node.otherwise); });
    original.merge_branches(branches);
  }
  void operator()(const For& node) { load(*node.iterable); }
  void operator()(const Set& node) {
    load(*node.value);
    target(*node.target, false);
  }
  void operator()(const SetBlock& node) { target(*node.target, false); }
  void operator()(const MacroStatement& node) { symbols_->store(node.id); }
  void operator()(const CallBlock& node) { load(*node.call); }
  void operator()(const FilterBlock& node) { load(node.filters); }
  void operator()(const With& node) {
    for (const auto& binding : node.bindings) load(*binding.second);
  }
  void operator()(const auto&) {}

 private:
  Symbols* symbols_;
};

// What surrounds a statement.
struct Place {
  const Symbols* symbols;
  bool conditional = false;  // inside an if, where unknown filters only matter when reached
  bool in_loop = false;      // a loop that break and continue can reach
};

class Resolver {
 public:
  explicit Resolver(TokenStream& names)
      : caller_(names.intern("caller")),
        kwargs_(names.intern("kwargs")),
        varargs_(names.intern("varargs")),
        loop_(names.intern("loop")) {}

  void enter(Scoped& scope, Symbols& symbols, bool in_loop) {
    NameCollector(symbols).collect(scope.body);
    scope.hidden = symbols.hidden();
    resolve(scope.body, {&symbols, false, in_loop});
  }

 private:
  void resolve(Body& body, Place place) {
    for (auto& statement : body) {
      offset_ = statement->offset;
      std::visit([&](auto& node) { resolve(node, place); }, statement->node);
    }
  }

  void check(const ExpressionPtr& expression, bool conditional) {
    if (expression != nullptr) check(*expression, conditional);
  }
  void check(const Expression& expression, bool conditional) {
    if (const auto* chain = std::get_if<Chain>(&expression.node)) check(chain->steps, conditional);
    const bool inner = conditional || std::holds_alternative<Conditional>(expression.node);
    for_each_child(expression, [&](const Expression& child) { check(child, inner); });
  }
  void check(const std::vector<Step>& steps, bool conditional) {
    if (conditional) return;
    for (const Step& step : steps) {
      const auto* filter = std::get_if<Filter>(&step.action);
      const auto* test = std::get_if<Test>(&step.action);
      if (filter != nullptr && find_filter(filter->name) == nullptr) {
        TokenStream::fail_at(step.offset, fmt::format("No filter named '{}'.", filter->name));
      }
      if (test != nullptr && find_test(test->name) == nullptr) {
        TokenStream::fail_at(step.offset, fmt::format("No test named '{}'.", test->name));
      }
    }
  }

  void resolve(Text&, Place) {}
  void resolve(Refused&, Place) {}
  void resolve(LoopControl& node, Place place) {
    if (!place.in_loop) {
      TokenStream::fail_at(
          offset_, node.is_break ? "'break' outside loop" : "'continue' not properly in loop");
    }
  }
  void resolve(Print& node, Place place) {
    for (const auto& value : node.values) check(value, place.conditional);
  }
  void resolve(If& node, Place place) {
    place.conditional = true;
    for (auto& [test, body] : node.branches) resolve(body, place);
    resolve(node.otherwise, place);
  }
  void resolve(Set& node, Place place) { check(node.value, place.conditional); }
  void resolve(SetBlock& node, Place place) {
    Symbols symbols{place.symbols};
    enter(node.scope, symbols, place.in_loop);
    check(node.filters, false);
  }
  void resolve(For& node, Place place) {
    check_loop_targets(node);
    check(node.iterable, place.conditional);
    check(node.condition, false);
    Symbols symbols{place.symbols};
    symbols.parameter(loop_);
    NameCollector(symbols).target(*node.target, true);
    enter(node.scope, symbols, true);
    Symbols else_symbols{place.symbols};
    enter(node.otherwise, else_symbols, place.in_loop && !node.recursive);
  }
  void check_loop_targets(const For& node) {
    const auto refuse = [&](NameId id, NameUse use) {
      if (use == NameUse::kStore && id == loop_) {
        TokenStream::fail_at(offset_, "Can't assign to special loop variable in for-loop target");
      }
    };
    for_each_name(*node.target, NameUse::kStore, refuse);
    for_each_name(node.scope.body, refuse);
    for_each_name(node.otherwise.body, refuse);
  }
  void resolve(MacroStatement& node, Place place) { resolve_macro(node.macro, place); }
  void resolve(CallBlock& node, Place place) {
    resolve_macro(node.body, place);
    check(node.call, place.conditional);
  }
  void resolve_macro(MacroDefinition& macro, Place place) {
    find_special_names(macro);
    for (const Parameter& parameter : macro.parameters) check(parameter.fallback, false);
    Symbols symbols{place.symbols};
    for (const Parameter& parameter : macro.parameters) symbols.parameter(parameter.id);
    if (macro.uses_caller) symbols.parameter(caller_);
    if (macro.uses_kwargs) symbols.parameter(kwargs_);
    if (macro.uses_varargs) symbols.parameter(varargs_);
    for (const Parameter& parameter : macro.parameters) {
      if (parameter.fallback != nullptr) NameCollector(symbols).load(*parameter.fallback);
    }
    enter(macro.scope, symbols, false);
  }
  // caller, kwargs and varargs exist in a macro that mentions them without setting them first.
  void find_special_names(MacroDefinition& macro) {
    std::set<NameId> wanted = {caller_, kwargs_, varargs_};
    std::set<NameId> found;
    for_each_name(macro.scope.body, [&](NameId id, NameUse use) {
      if (!wanted.contains(id)) return;
      if (use == NameUse::kLoad) {
        found.insert(id);
      } else if (!found.contains(id)) {
        wanted.erase(id);
      }
    });
    for (const Parameter& parameter : macro.parameters) {
      if (parameter.id == caller_ && found.contains(caller_) && parameter.fallback == nullptr) {
        TokenStream::fail_at(offset_,
                             "the special \"caller\" argument must be omitted or be given "
                             "a default");
      }
      found.erase(parameter.id);
    }
    macro.uses_caller = found.contains(caller_);
    macro.uses_kwargs = found.contains(kwargs_);
    macro.uses_varargs = found.contains(varargs_);
  }
  void resolve(Generation& node, Place place) {
    Symbols symbols{place.symbols};
    enter(node.scope, symbols, false);
  }
  void resolve(FilterBlock& node, Place place) {
    Symbols symbols{place.symbols};
    enter(node.scope, symbols, place.in_loop);
    check(node.filters, false);
  }
  void resolve(With& node, Place place) {
    for (const auto& binding : node.bindings) check(binding.second, place.conditional);
    Symbols symbols{place.symbols};
    for (const auto& binding : node.bindings) NameCollector(symbols).target(*binding.first, true);
    enter(node.scope, symbols, place.in_loop);
  }
  void resolve(Autoescape& node, Place place) {
    Symbols symbols{place.symbols};
    NameCollector(symbols).load(*node.enabled);
    enter(node.scope, symbols, place.in_loop);
  }
  void resolve(Block& node, Place) {
    Symbols symbols;
    enter(node.scope, symbols, false);
  }

  NameId caller_, kwargs_, varargs_, loop_;
  std::size_t offset_ = 0;
};

}  // namespace

void resolve_scopes(Scoped& root, TokenStream& names) {
  Symbols symbols;
  Resolver(names).enter(root, symbols, false);
}

}  // namespace quire::text::jinja
