// One builder for each shape; the texts come from the format's row of the table.
#include "server/call_grammar.h"

#include <algorithm>

#include "engine/grammar/front_ends.h"
#include "engine/grammar/json_values.h"
#include "engine/grammar/token_bytes.h"
#include "server/call_values.h"

namespace quire::server {
namespace {

using grammar::Grammar;
using grammar::JsonValues;
using grammar::kUnbounded;
using grammar::NodeId;
using grammar::OrderedMember;
using text::CallShape;
using text::ToolFormat;

class CallGrammar {
 public:
  CallGrammar(Grammar& grammar, const CallGrammarWish& wish, const text::Tokenizer& tokenizer)
      : grammar_(grammar),
        wish_(wish),
        format_(*wish.format),
        tokenizer_(tokenizer),
        values_(grammar),
        arguments_(grammar, values_, {format_, tokenizer, wish.lenient}) {}

  Result<NodeId> run() {
    std::vector<NodeId> choices;
    for (const CallableFunction& function : wish_.functions) {
      QUIRE_ASSIGN(const NodeId call, call_of(function));
      choices.push_back(call);
    }
    const grammar::RuleId rule = grammar_.declare("call");
    grammar_.define(rule, grammar_.choice(std::move(choices)));
    const NodeId call = grammar_.rule(rule);
    const auto [begin, behind] = calls(call);
    if (!wish_.optional) return grammar_.sequence({marker(begin), behind});
    return grammar::add_until(
        grammar_,
        {.marker = grammar::marker_bytes(tokenizer_, begin), .rest = behind, .may_end = true});
  }

 private:
  NodeId marker(std::string_view text) {
    return grammar_.literal(grammar::marker_bytes(tokenizer_, text));
  }
  NodeId space() { return values_.space(); }

  // The marker at the begin of all calls, and everything behind it. `call` begins behind its own
  // marker.
  std::pair<std::string, NodeId> calls(NodeId call) {
    const NodeId begin_call = marker(format_.call_begin);
    if (format_.shape == CallShape::kHarmony) {
      return {"<|channel|>commentary to=functions.", call};
    }
    const bool in_section = !format_.section_begin.empty();
    const bool array = format_.shape == CallShape::kJsonArray;
    NodeId separator = space();
    if (array || format_.shape == CallShape::kPython) {
      separator = format_.separator.empty() && !array ? grammar_.literal("\n") : values_.comma();
    } else if (!format_.separator.empty()) {
      separator = grammar_.sequence({space(), grammar_.literal(format_.separator), space()});
    }
    const NodeId next = grammar_.sequence({separator, begin_call, call});
    const NodeId more = grammar_.repeat(next, 0, wish_.parallel ? kUnbounded : 0);
    if (!in_section && !array) return {std::string(format_.call_begin), sequence({call, more})};
    NodeId all = sequence({space(), begin_call, call, more, space()});
    if (array) all = values_.wrapped('[', sequence({call, more}), ']');
    // The optional marker of Llama's JSON calls is not written: the templates leave it out.
    if (format_.section_optional && format_.bare) return {"", sequence({call, more})};
    if (array)
      all = sequence({space(), all, format_.section_end.empty() ? grammar_.empty() : space()});
    return {std::string(format_.section_begin), sequence({all, marker(format_.section_end)})};
  }

  NodeId sequence(std::vector<NodeId> nodes) { return grammar_.sequence(std::move(nodes)); }

  NodeId key(std::string_view name) { return grammar_.literal(dump_json(Json(name))); }

  Result<NodeId> call_of(const CallableFunction& function) {
    const NodeId name = grammar_.literal(function.name);
    const NodeId end = marker(format_.call_end);
    switch (format_.shape) {
      case CallShape::kJsonObject:
      case CallShape::kJsonArray: {
        QUIRE_ASSIGN(const NodeId arguments, arguments_.json(function));
        NodeId members =
            sequence({key(format_.name_key), values_.colon(), key(function.name), values_.comma(),
                      key(format_.arguments_key), values_.colon(), arguments});
        if (format_.name_is_key) {
          members = sequence({key(function.name), values_.colon(), arguments});
        }
        const NodeId object = values_.wrapped('{', members, '}');
        if (format_.call_begin.empty()) return object;
        if (format_.call_end.empty()) return sequence({space(), object});
        return sequence({space(), object, space(), end});
      }
      case CallShape::kNamedJson: {
        QUIRE_ASSIGN(const NodeId arguments, arguments_.json(function));
        return sequence({marker(format_.name_prefix), name, call_number(), marker(format_.name_end),
                         arguments, format_.arguments_end.empty() ? grammar_.empty() : space(),
                         marker(format_.arguments_end), end});
      }
      case CallShape::kTags: {
        QUIRE_ASSIGN(const NodeId tags, arguments_.tags(function));
        return sequence({name, marker(format_.name_end), space(), tags, space(), end});
      }
      case CallShape::kPython: {
        QUIRE_ASSIGN(const NodeId list, arguments_.literals(function, '='));
        return sequence({name, grammar_.literal("("), list, grammar_.literal(")")});
      }
      case CallShape::kLiteral: {
        QUIRE_ASSIGN(const NodeId list, arguments_.literals(function, ':'));
        return sequence({name, grammar_.literal("{"), list, grammar_.literal("}"), end});
      }
      case CallShape::kHarmony:
        break;
    }
    QUIRE_ASSIGN(const NodeId arguments, arguments_.json(function));
    return sequence({name, grammar_.literal(" "), marker("<|constrain|>"), grammar_.literal("json"),
                     marker("<|message|>"), arguments, grammar_.optional(marker("<|call|>"))});
  }

  // Kimi numbers its calls.
  NodeId call_number() {
    if (!format_.native_ids) return grammar_.empty();
    grammar::ByteSet digits;
    for (char c = '0'; c <= '9'; ++c) digits.set(static_cast<unsigned char>(c));
    return sequence({grammar_.literal(":"), grammar_.repeat(grammar_.bytes(digits), 1, 3)});
  }

  Grammar& grammar_;
  const CallGrammarWish& wish_;
  const ToolFormat& format_;
  const text::Tokenizer& tokenizer_;
  JsonValues values_;
  CallValues arguments_;
};

NodeId line_ends(Grammar& grammar) { return grammar.repeat(grammar.literal("\n"), 0, 4); }

}  // namespace

bool has_call_marker(const text::ToolFormat& format) {
  if (format.shape == CallShape::kHarmony || format.bare) return false;
  return !format.section_begin.empty() || !format.call_begin.empty();
}

Result<NodeId> add_calls(Grammar& grammar, const CallGrammarWish& wish,
                         const text::Tokenizer& tokenizer) {
  return CallGrammar(grammar, wish, tokenizer).run();
}

NodeId add_reasoning(Grammar& grammar, const ReasoningPrefix& prefix, NodeId rest,
                     const text::Tokenizer& tokenizer) {
  if (prefix.format == nullptr || prefix.closed) return rest;
  const text::ReasoningFormat& format = *prefix.format;
  const grammar::RuleId rule = grammar.declare("answer");
  grammar.define(rule, rest);
  const NodeId answer = grammar.rule(rule);
  std::vector<NodeId> behind = {line_ends(grammar), answer};
  if (format.is_harmony) {
    behind = {grammar.literal(grammar::marker_bytes(tokenizer, "<|start|>")),
              grammar.literal("assistant"), answer};
  }
  const NodeId thought =
      grammar::add_until(grammar, {.marker = grammar::marker_bytes(tokenizer, format.end),
                                   .rest = grammar.sequence(std::move(behind))});
  if (prefix.open) return thought;
  const NodeId begin = grammar.literal(grammar::marker_bytes(tokenizer, format.begin));
  return grammar.choice({answer, grammar.sequence({line_ends(grammar), begin, thought})});
}

NodeId add_content(Grammar& grammar, const text::AnswerFormat& format, NodeId content,
                   const text::Tokenizer& tokenizer) {
  if (format.reasoning == nullptr) return content;
  const auto marker = [&](std::string_view text) {
    return grammar.literal(grammar::marker_bytes(tokenizer, text));
  };
  if (format.reasoning->is_harmony) {
    return grammar.sequence({marker("<|channel|>final<|message|>"), content});
  }
  if (format.reasoning->content_begin.empty()) return content;
  return grammar.sequence({grammar.optional(marker(format.reasoning->content_begin)), content,
                           grammar.optional(marker(format.reasoning->content_end))});
}

}  // namespace quire::server
