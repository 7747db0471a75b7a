// Looks for a loop over message['content'] in the syntax tree.
#include "models/text/jinja/content_format.h"

#include <algorithm>
#include <string_view>

#include "models/text/jinja/walk.h"

namespace quire::text::jinja {
namespace {

// The expression without the filters, tests and slices behind it; `count` steps remain.
struct Core {
  const Expression* base;
  const Step* steps;
  std::size_t count;
};

Core core_of(const Expression& expression) {
  const auto* chain = std::get_if<Chain>(&expression.node);
  if (chain == nullptr) return {&expression, nullptr, 0};
  std::size_t count = chain->steps.size();
  const auto is_wrapper = [](const Step& step) {
    return std::holds_alternative<Filter>(step.action) ||
           std::holds_alternative<Test>(step.action) || std::holds_alternative<Slice>(step.action);
  };
  while (count > 0 && is_wrapper(chain->steps[count - 1])) --count;
  return {chain->base.get(), chain->steps.data(), count};
}

class Detector {
 public:
  explicit Detector(const Template& source) : source_(source) {
    for_each_statement(source.root.body, [this](const Statement& statement) {
      if (const auto* loop = std::get_if<For>(&statement.node)) loops_.push_back(loop);
      if (const auto* set = std::get_if<Set>(&statement.node)) sets_.push_back(set);
    });
  }

  bool run() {
    collect_message_lists();
    std::vector<NameId> messages;
    for (const For* loop : loops_) {
      const NameId target = name_of(*loop->target);
      const bool over_messages = std::any_of(
          lists_.begin(), lists_.end(), [&](NameId id) { return reads(*loop->iterable, id, {}); });
      if (over_messages && target >= 0) messages.push_back(target);
    }
    return std::any_of(loops_.begin(), loops_.end(), [&](const For* loop) {
      const NameId direct = name_of(*loop->iterable);
      if (direct >= 0 && text_of(direct) == "content") return true;
      return std::any_of(messages.begin(), messages.end(),
                         [&](NameId id) { return reads(*loop->iterable, id, "content"); });
    });
  }

 private:
  const std::string& text_of(NameId id) const {
    return source_.names[static_cast<std::size_t>(id)];
  }

  static NameId name_of(const Expression& expression) {
    const auto* name = std::get_if<Name>(&expression.node);
    return name == nullptr ? -1 : name->id;
  }

  // `id`, or `id`'s attribute, possibly filtered or sliced.
  static bool reads(const Expression& expression, NameId id, std::string_view attribute) {
    const Core core = core_of(expression);
    if (name_of(*core.base) != id) return false;
    if (attribute.empty()) return core.count == 0;
    if (core.count != 1) return false;
    if (const auto* get = std::get_if<GetAttribute>(&core.steps[0].action)) {
      return get->name == attribute;
    }
    const auto* item = std::get_if<GetItem>(&core.steps[0].action);
    const auto* literal = item == nullptr ? nullptr : std::get_if<Literal>(&item->key->node);
    return literal != nullptr && literal->value.is_string() &&
           literal->value.as_string() == attribute;
  }

  // `messages` and what is assigned from it, step by step.
  void collect_message_lists() {
    const auto found = std::find(source_.names.begin(), source_.names.end(), "messages");
    if (found == source_.names.end()) return;
    lists_.push_back(static_cast<NameId>(found - source_.names.begin()));
    for (std::size_t i = 0; i < lists_.size(); ++i) {
      for (const Set* set : sets_) {
        const NameId target = name_of(*set->target);
        if (target >= 0 && reads(*set->value, lists_[i], {}) &&
            std::find(lists_.begin(), lists_.end(), target) == lists_.end()) {
          lists_.push_back(target);
        }
      }
    }
  }

  const Template& source_;
  std::vector<const For*> loops_;
  std::vector<const Set*> sets_;
  std::vector<NameId> lists_;
};

}  // namespace

bool uses_test(const Template& source, std::string_view name) {
  bool found = false;
  const VisitExpression look = [&](const Expression& expression) {
    if (const auto* chain = std::get_if<Chain>(&expression.node)) {
      for (const Step& step : chain->steps) {
        const auto* test = std::get_if<Test>(&step.action);
        found = found || (test != nullptr && test->name == name);
      }
    }
    for_each_child(expression, look);
  };
  for_each_statement(source.root.body,
                     [&](const Statement& statement) { for_each_expression(statement, look); });
  return found;
}

bool iterates_over_content(const Template& source) { return Detector(source).run(); }

}  // namespace quire::text::jinja
