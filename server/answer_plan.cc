// The grammar of an answer: reasoning, then calls, or content in its structure, or free text.
#include "server/answer_plan.h"

#include <algorithm>

#include "engine/grammar/matcher.h"
#include "server/call_grammar.h"
#include "server/chat_prompt.h"
#include "server/ids.h"
#include "server/structured_output.h"

namespace quire::server {
namespace {

using grammar::Grammar;
using grammar::NodeId;
using Expected = tl::expected<void, ApiError>;

constexpr std::size_t kNameBytesMax = 256;
constexpr std::size_t kToolBytesMax = std::size_t{64} << 10;

enum class ToolChoice { kNone, kAuto, kRequired };

const Json& described(const Json& tool) {
  const Json* function = find_member(tool, "function");
  return function != nullptr ? *function : tool;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \n\r\t");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// A function that tells of no parameters has none.
Json parameters_of(const Json& function) {
  const Json* parameters = find_member(function, "parameters");
  if (parameters != nullptr && !parameters->is_null()) return *parameters;
  return {{"type", "object"}, {"properties", Json::object()}, {"additionalProperties", false}};
}

std::string function_name(const Json& tool) {
  const Json* name = find_member(described(tool), "name");
  return name != nullptr && name->is_string() ? name->get<std::string>() : std::string();
}

class AnswerPlanner {
 public:
  AnswerPlanner(const Fields& fields, Endpoint endpoint, const Backend& backend,
                std::string_view prompt)
      : fields_(fields), endpoint_(endpoint), backend_(backend), prompt_(prompt) {
    if (endpoint == kChat) format_ = chat_answer_format(fields, backend);
  }

  tl::expected<AnswerPlan, ApiError> run();

 private:
  Expected read_reasoning();
  Expected read_tools();
  Expected read_tool_choice(const Json& choice);
  Expected read_allowed_tools(const Json& choice);
  Expected allow_only(const std::vector<std::string>& names);
  Expected read_budget();
  Expected compile();
  bool constrains_calls() const;
  Result<Grammar> build() const;
  std::string key() const;
  void show_markers();

  std::vector<std::int32_t> ids_of(std::string_view marker) const {
    if (marker.empty()) return {};
    auto ids = tokenizer().encode(marker, {.add_special_tokens = false});
    return ids ? std::move(*ids) : std::vector<std::int32_t>();
  }
  const text::Tokenizer& tokenizer() const { return backend_.engine->tokenizer(); }

  const Fields& fields_;
  const Endpoint endpoint_;
  const Backend& backend_;
  const std::string_view prompt_;
  text::AnswerFormat format_;
  AnswerPlan plan_;
  text::AnswerParserOptions parser_;
  ReasoningPrefix prefix_;
  std::optional<GrammarWish> structure_;
  ToolChoice choice_ = ToolChoice::kNone;
  bool strict_ = false;
  CallGrammarWish calls_;
};

// --- reasoning ----------------------------------------------------------------------------------

Expected AnswerPlanner::read_reasoning() {
  const std::string style = fields_.text("reasoning_format", "auto");
  static constexpr std::string_view kStyles[] = {"auto", "deepseek", "deepseek-legacy", "none"};
  if (std::find(std::begin(kStyles), std::end(kStyles), style) == std::end(kStyles)) {
    return api_fail(kBadRequest, "reasoning_format",
                    "reasoning_format must be auto, deepseek or none, got \"{}\"",
                    style.substr(0, 64));
  }
  const bool separate = style != "none" && fields_.flag("separate_reasoning", true);
  parser_.show_reasoning = fields_.flag("include_reasoning", true);
  if (const text::ReasoningFormat* format = format_.reasoning) {
    const std::string_view end = trimmed(prompt_);
    prefix_.format = format;
    prefix_.open = end.ends_with(format->begin);
    prefix_.closed = end.ends_with(format->end) && !format->is_harmony;
    if (continues_final_message(fields_)) {
      const std::size_t begun = end.rfind(format->begin), ended = end.rfind(format->end);
      prefix_.open =
          begun != std::string_view::npos && (ended == std::string_view::npos || begun > ended);
    }
    plan_.reasoning.begin = ids_of(format->begin);
    plan_.reasoning.end = ids_of(format->end);
    plan_.reasoning.open = prefix_.open;
    parser_.reasoning_is_open = separate && prefix_.open;
  }
  if (auto good = read_budget(); !good) return good;
  // Harmony's channels are markers that no one wants to read.
  if (!separate && (format_.reasoning == nullptr || !format_.reasoning->is_harmony)) {
    format_.reasoning = nullptr;
  }
  return {};
}

Expected AnswerPlanner::read_budget() {
  const Json* thinking = fields_.get("thinking");
  const Json* tokens = thinking == nullptr ? nullptr : find_member(*thinking, "budget_tokens");
  std::pair<const char*, std::int64_t> budgets[] = {
      {"thinking.budget_tokens", -1},
      {"thinking_token_budget", fields_.integer("thinking_token_budget", -1)},
      {"reasoning_budget", fields_.integer("reasoning_budget", -1)}};
  if (tokens != nullptr && !tokens->is_null()) {
    const auto read = json_integer(*tokens, budgets[0].first, 1, 1'000'000'000);
    if (!read) return tl::unexpected(api_error(read.error()));
    budgets[0].second = *read;
  }
  for (const auto& [name, budget] : budgets) {
    if (budget < 0) continue;
    if (plan_.reasoning.end.empty()) {
      return api_fail(kUnsupportedField, name,
                      "{} needs a model whose chat template shows how it reasons; see "
                      "--reasoning-parser",
                      name);
    }
    plan_.reasoning.tokens_max = budget;
  }
  return {};
}

// --- tools --------------------------------------------------------------------------------------

Expected AnswerPlanner::read_tool_choice(const Json& choice) {
  if (choice == "none" || choice == "auto" || choice == "required") {
    choice_ = choice == "none"   ? ToolChoice::kNone
              : choice == "auto" ? ToolChoice::kAuto
                                 : ToolChoice::kRequired;
    return {};
  }
  if (const Json* type = find_member(choice, "type"); type != nullptr && *type == "allowed_tools") {
    return read_allowed_tools(choice);
  }
  const std::string wanted = function_name(choice);
  if (wanted.empty()) {
    return api_fail(kBadRequest, "tool_choice",
                    "tool_choice must be \"none\", \"auto\", \"required\" or name a function, got "
                    "{}",
                    dump_json(choice).substr(0, 64));
  }
  choice_ = ToolChoice::kRequired;
  calls_.parallel = false;
  return allow_only({wanted});
}

// A subset of the tools, of which one may or must be called; the prompt shows them all.
Expected AnswerPlanner::read_allowed_tools(const Json& choice) {
  const Json* nested = find_member(choice, "allowed_tools");
  const Json& allowed = nested != nullptr ? *nested : choice;
  const Json* mode = find_member(allowed, "mode");
  const Json* tools = find_member(allowed, "tools");
  const bool good_mode = mode != nullptr && (*mode == "auto" || *mode == "required");
  if (!good_mode || tools == nullptr || !tools->is_array() || tools->empty()) {
    return api_fail(kBadRequest, "tool_choice",
                    "tool_choice with allowed_tools must have a mode, auto or required, and tools");
  }
  choice_ = *mode == "auto" ? ToolChoice::kAuto : ToolChoice::kRequired;
  std::vector<std::string> names;
  for (const Json& tool : *tools) names.push_back(function_name(tool));
  return allow_only(names);
}

Expected AnswerPlanner::allow_only(const std::vector<std::string>& names) {
  const auto among = [](const auto& list, const auto& is_it) {
    return std::any_of(list.begin(), list.end(), is_it);
  };
  for (const std::string& name : names) {
    if (among(calls_.functions, [&](const CallableFunction& f) { return f.name == name; }))
      continue;
    return api_fail(kBadRequest, "tool_choice", "tool_choice names \"{}\", which is not in tools",
                    name.substr(0, 64));
  }
  std::erase_if(calls_.functions, [&](const CallableFunction& f) {
    return !among(names, [&](const std::string& name) { return f.name == name; });
  });
  return {};
}

Expected AnswerPlanner::read_tools() {
  if (endpoint_ != kChat) return {};
  const Json* tools = fields_.get("tools");
  const Json* choice = fields_.get("tool_choice");
  if (tools != nullptr && !tools->empty()) {
    if (auto good = check_tools(fields_); !good) return good;
    for (const Json& tool : *tools) {
      const Json& function = described(tool);
      calls_.functions.push_back({function["name"].get<std::string>(), parameters_of(function)});
      const Json* strict = find_member(function, "strict");
      strict_ = strict_ || (strict != nullptr && *strict == true);
    }
    parser_.tools = *tools;
    choice_ = ToolChoice::kAuto;
  }
  calls_.format = format_.tools;
  calls_.parallel = fields_.flag("parallel_tool_calls", true);
  if (choice != nullptr) {
    if (auto good = read_tool_choice(*choice); !good) return good;
  }
  if (choice_ == ToolChoice::kRequired && calls_.functions.empty()) {
    return api_fail(kBadRequest, "tool_choice",
                    "tool_choice asks for a call, but there are no tools");
  }
  if (choice_ == ToolChoice::kRequired && format_.tools == nullptr) {
    return api_fail(kUnsupportedField, "tool_choice",
                    "the chat template does not show how the model writes tool calls, so none can "
                    "be enforced; see --tool-call-parser");
  }
  if (calls_.functions.empty()) choice_ = ToolChoice::kNone;
  if (format_.tools == nullptr) choice_ = ToolChoice::kNone;
  calls_.optional = choice_ == ToolChoice::kAuto;
  calls_.lenient = choice_ == ToolChoice::kAuto && !strict_;
  parser_.parse_calls = choice_ != ToolChoice::kNone && fields_.flag("parse_tool_calls", true);
  parser_.calls_max = calls_.parallel ? 0 : 1;
  return {};
}

// --- grammar ------------------------------------------------------------------------------------

bool AnswerPlanner::constrains_calls() const {
  if (choice_ == ToolChoice::kRequired) return true;
  return choice_ == ToolChoice::kAuto && has_call_marker(*format_.tools);
}

Result<Grammar> AnswerPlanner::build() const {
  Grammar grammar;
  std::vector<NodeId> answers;
  if (structure_ && choice_ != ToolChoice::kRequired) {
    QUIRE_ASSIGN(grammar, structure_->build());
    answers.push_back(add_content(grammar, format_, grammar.rule(grammar.root), tokenizer()));
  }
  if (constrains_calls()) {
    CallGrammarWish wish = calls_;
    wish.optional = wish.optional && !structure_;  // with a structure, text is not free
    QUIRE_ASSIGN(const NodeId calls, add_calls(grammar, wish, tokenizer()));
    answers.push_back(calls);
  }
  const NodeId answer = grammar.choice(std::move(answers));
  const NodeId whole = add_reasoning(grammar, prefix_, answer, tokenizer());
  grammar.root = grammar.declare("output");
  grammar.define(grammar.root, whole);
  return grammar;
}

// Everything that build() looks at.
std::string AnswerPlanner::key() const {
  std::string key = structure_ ? structure_->key : "";
  key += fmt::format("\x1f{}{}{}{}", prefix_.format != nullptr ? prefix_.format->name() : "",
                     prefix_.open ? "(" : "", prefix_.closed ? ")" : "",
                     format_.reasoning != nullptr ? format_.reasoning->name() : "");
  if (!constrains_calls()) return key;
  key += fmt::format("\x1f{}{}{}{}", format_.tools->name(), static_cast<int>(choice_),
                     calls_.parallel ? "*" : "1", calls_.lenient ? "~" : "");
  for (const CallableFunction& function : calls_.functions) {
    key += fmt::format("\x1f{}\x1f{}", function.name, dump_json(function.parameters));
  }
  return key;
}

Expected AnswerPlanner::compile() {
  const bool structured = structure_ && choice_ != ToolChoice::kRequired;
  if (!structured && !constrains_calls()) return {};
  auto compiled = backend_.grammars->get(key(), [this] { return build(); });
  if (!compiled) {
    ApiError error = api_error(compiled.error());
    if (error.param.empty()) error.param = structured ? structure_->field : "tools";
    return tl::unexpected(std::move(error));
  }
  plan_.grammar = std::move(*compiled);
  return {};
}

// --- the whole ----------------------------------------------------------------------------------

void AnswerPlanner::show_markers() {
  std::vector<std::int32_t>& ids = plan_.visible_special_ids;
  for (const std::string& marker : text::markers_of(format_)) {
    for (const std::int32_t id : ids_of(marker)) {
      if (tokenizer().is_special(id)) ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

tl::expected<AnswerPlan, ApiError> AnswerPlanner::run() {
  auto structure = read_structure(fields_);
  if (!structure) return tl::unexpected(structure.error());
  structure_ = std::move(*structure);
  if (endpoint_ == kChat) {
    if (auto good = read_reasoning(); !good) return tl::unexpected(good.error());
    if (auto good = read_tools(); !good) return tl::unexpected(good.error());
  }
  if (auto good = compile(); !good) return tl::unexpected(good.error());
  if (format_.reasoning == nullptr && !parser_.parse_calls) return std::move(plan_);
  if (!parser_.parse_calls) format_.tools = nullptr;
  show_markers();
  parser_.format = format_;
  parser_.calls_are_enforced = plan_.grammar != nullptr && constrains_calls();
  const bool short_ids = format_.tools != nullptr && format_.tools->short_ids;
  parser_.make_call_id = [short_ids] {
    const std::string id = random_id();
    return short_ids ? id.substr(0, 9) : "call_" + id.substr(0, 24);
  };
  plan_.parser = std::move(parser_);
  return std::move(plan_);
}

}  // namespace

void AnswerPlan::apply(engine::GenerateRequest& request) const {
  request.grammar = grammar;
  request.reasoning = reasoning;
  request.visible_special_ids = visible_special_ids;
}

tl::expected<AnswerPlan, ApiError> plan_answer(const Fields& fields, Endpoint endpoint,
                                               const Backend& backend, std::string_view prompt) {
  return AnswerPlanner(fields, endpoint, backend, prompt).run();
}

tl::expected<void, ApiError> check_function(const Json& function, const std::string& place,
                                            const char* schema) {
  if (!function.is_object()) return api_fail(kBadRequest, place, "{} must be an object", place);
  const Json* name = find_member(function, "name");
  if (name == nullptr || !name->is_string() || name->get_ref<const std::string&>().empty() ||
      name->get_ref<const std::string&>().size() > kNameBytesMax) {
    return api_fail(kBadRequest, place + ".name", "{}.name must be a text of 1 to {} bytes", place,
                    kNameBytesMax);
  }
  const Json* parameters = find_member(function, schema);
  if (parameters == nullptr || parameters->is_null()) return {};
  const std::string where = fmt::format("{}.{}", place, schema);
  if (!parameters->is_object()) {
    return api_fail(kBadRequest, where, "{} must be a JSON schema, an object", where);
  }
  if (dump_json(*parameters).size() > kToolBytesMax) {
    return api_fail(kBadRequest, where, "{} has more than {} bytes", where, kToolBytesMax);
  }
  return {};
}

tl::expected<void, ApiError> check_tools(const Fields& fields) {
  const Json* tools = fields.get("tools");
  if (tools == nullptr) return {};
  for (std::size_t i = 0; i < tools->size(); ++i) {
    const Json& tool = (*tools)[i];
    const std::string place = fmt::format("tools[{}]", i);
    const Json* type = find_member(tool, "type");
    if (type != nullptr && *type != "function") {
      return api_fail(kUnsupportedField, place + ".type",
                      "{}.type must be \"function\", other tools are not supported here", place);
    }
    const bool nested = find_member(tool, "function") != nullptr;
    const auto good =
        check_function(described(tool), nested ? place + ".function" : place, "parameters");
    if (!good) return good;
  }
  return {};
}

}  // namespace quire::server
