// How the families spell reasoning and tool calls: one table, chosen by the chat template's text.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::text {

enum class CallShape {
  kJsonObject,  // {"name": "f", "arguments": {...}} in a wrapper
  kJsonArray,   // [{"name": "f", "arguments": {...}}, ...] in a wrapper
  kNamedJson,   // f, a marker, {...}
  kTags,        // f, then a tag for each argument; values are bare text, typed by the schema
  kPython,      // [f(a=1, b="x"), g()]
  kLiteral,     // f{a:1,b:QUOTExQUOTE}
  kHarmony,     // channels: analysis, commentary to=functions.f, final
};

// Whitespace between the parts of a call is free wherever a part begins with a marker. An empty
// view means that the format has no such part.
struct ToolFormat {
  // As --tool-call-parser has them (vLLM's names), separated by spaces; the first one is shown.
  std::string_view names;
  std::string_view evidence = {};  // a template that holds each of these lines uses the format
  CallShape shape = CallShape::kJsonObject;
  std::string_view section_begin = {}, section_end = {};            // around all calls of an answer
  std::string_view call_begin = {}, call_end = {};                  // around each call
  std::string_view separator = {};                                  // between calls
  std::string_view name_key = "name", arguments_key = "arguments";  // JSON shapes
  std::string_view name_prefix = {};    // "functions." of Kimi, taken off
  std::string_view name_end = {};       // behind the name
  std::string_view arguments_end = {};  // kNamedJson: behind the JSON, before call_end
  std::string_view id_begin = {};       // kNamedJson: an id of the model's own may follow the name
  std::string_view key_begin = {}, key_end = {};      // kTags
  std::string_view value_begin = {}, value_end = {};  // kTags
  std::string_view quote = {};                        // kLiteral
  bool section_optional = false;  // a call may begin without the section's marker
  bool bare = false;              // an answer may begin with a call, without any marker
  bool strips_newlines = false;   // kTags: one line end at both ends of a value is not its own
  bool name_is_key = false;       // JSON shapes: {"f": {...}}
  bool typed_values = false;      // kTags: the key's tag says string="true" or "false"
  bool short_ids = false;         // ids of nine letters and digits
  bool native_ids = false;        // the spelled name is the id: "functions.f:0"

  std::string_view name() const { return names.substr(0, names.find(' ')); }
};

struct ReasoningFormat {
  std::string_view names;          // as --reasoning-parser has them
  std::string_view evidence = {};  // as ToolFormat
  std::string_view begin = {}, end = {};
  // Texts around the content that follows, taken out of it.
  std::string_view content_begin = {}, content_end = {};
  bool is_harmony = false;  // channels, see CallShape::kHarmony

  std::string_view name() const { return names.substr(0, names.find(' ')); }
};

struct AnswerFormat {
  const ToolFormat* tools = nullptr;
  const ReasoningFormat* reasoning = nullptr;
};

std::span<const ToolFormat> tool_formats();
std::span<const ReasoningFormat> reasoning_formats();

// By the texts that the template holds; null members where none fits.
AnswerFormat detect_answer_format(std::string_view chat_template);

// "auto" takes the detected one, "none" none, else by name or alias; kInvalid lists the names.
Result<const ToolFormat*> find_tool_format(std::string_view name, const AnswerFormat& detected);
Result<const ReasoningFormat*> find_reasoning_format(std::string_view name,
                                                     const AnswerFormat& detected);

// The markers that a tokenizer may have as special tokens, which must stay visible to the parser.
std::vector<std::string> markers_of(const AnswerFormat& format);

}  // namespace quire::text
