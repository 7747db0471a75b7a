// The arguments of one function in the spelling of a tool format, as grammar.
#pragma once

#include <string>

#include "engine/grammar/json_values.h"
#include "models/text/answer/answer_format.h"
#include "models/text/tokenizer.h"

namespace quire::server {

struct CallableFunction;

class CallValues {
 public:
  struct Style {
    const text::ToolFormat& format;
    const text::Tokenizer& tokenizer;
    bool lenient;  // see CallGrammarWish
  };
  // All must outlive the object.
  CallValues(grammar::Grammar& grammar, grammar::JsonValues& values, const Style& style)
      : grammar_(grammar), values_(values), style_(style) {}

  // A JSON object that is valid under the schema.
  Result<grammar::NodeId> json(const CallableFunction& function);
  // A tag for each property; texts stand bare.
  Result<grammar::NodeId> tags(const CallableFunction& function);
  // name SEPARATOR value, ...: Python's keywords or Gemma's members.
  Result<grammar::NodeId> literals(const CallableFunction& function, char separator);

 private:
  struct Property {
    std::string name;
    Json schema;
    bool required = false;
  };
  Result<std::vector<Property>> properties(const CallableFunction& function) const;
  Result<grammar::NodeId> schema_node(const Json& schema, const std::string& place);
  Result<grammar::NodeId> tag_value(const Property& property, const std::string& place);
  Result<grammar::NodeId> literal_value(const Json& schema, const std::string& place, int depth);
  grammar::NodeId any_literal();
  grammar::NodeId quoted_text();
  grammar::NodeId constant(const Json& value);
  grammar::NodeId marker(std::string_view text);

  grammar::Grammar& grammar_;
  grammar::JsonValues& values_;
  const Style style_;
  grammar::RuleId any_literal_ = -1;
};

}  // namespace quire::server
