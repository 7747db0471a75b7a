// Tool calls as a grammar: what a model must write so that its calls can be read and are valid.
#pragma once

#include <string>
#include <vector>

#include "engine/grammar/grammar.h"
#include "models/load/json.h"
#include "models/text/answer/answer_format.h"
#include "models/text/tokenizer.h"

namespace quire::server {

// A function that may be called; parameters is its JSON schema, an object.
struct CallableFunction {
  std::string name;
  Json parameters;
};

struct CallGrammarWish {
  const text::ToolFormat* format = nullptr;
  std::vector<CallableFunction> functions;
  bool parallel = true;  // more than one call
  // Text, then calls or none, instead of calls at once. Needs a marker at the calls' begin.
  bool optional = false;
  // A schema that no grammar can hold gives way to "any object" instead of an error.
  bool lenient = false;
};

// The calls as a part of the grammar; markers are spelled as the tokenizer has them. An error
// names the function and the place in its schema.
Result<grammar::NodeId> add_calls(grammar::Grammar& grammar, const CallGrammarWish& wish,
                                  const text::Tokenizer& tokenizer);

// Whether `optional` calls can be told from text by a marker.
bool has_call_marker(const text::ToolFormat& format);

// The reasoning that may or must come before the rest.
struct ReasoningPrefix {
  const text::ReasoningFormat* format = nullptr;  // null: none
  bool open = false;                              // it has begun in the prompt
  bool closed = false;                            // the prompt has ended it
};
grammar::NodeId add_reasoning(grammar::Grammar& grammar, const ReasoningPrefix& prefix,
                              grammar::NodeId rest, const text::Tokenizer& tokenizer);

// Content in the wrapping that the format gives it.
grammar::NodeId add_content(grammar::Grammar& grammar, const text::AnswerFormat& format,
                            grammar::NodeId content, const text::Tokenizer& tokenizer);

}  // namespace quire::server
