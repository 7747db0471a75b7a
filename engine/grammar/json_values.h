// Grammar pieces for JSON values: strings with limits, numbers in ranges, literals, any value.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/decimal.h"
#include "engine/grammar/grammar.h"
#include "models/load/json.h"

namespace quire::grammar {

// Members that come in this order, each optional one or not, then any number of `extra` (-1:
// none), with the separator between any two.
struct OrderedMember {
  NodeId node = -1;
  bool required = false;
};
NodeId add_ordered(Grammar& grammar, const std::vector<OrderedMember>& members, NodeId separator,
                   NodeId extra = -1);

// Shared rules of one grammar, made on first use. Whitespace is bounded (a space, or up to two
// line ends with up to 20 blanks), so that a model cannot pad for ever.
class JsonValues {
 public:
  explicit JsonValues(Grammar& grammar) : grammar_(grammar) {}

  // Other whitespace than the usual; before the first use of any.
  void set_space(NodeId space) {
    space_ = grammar_.declare("space");
    grammar_.define(space_, space);
  }

  NodeId space();
  NodeId any();  // any JSON value
  NodeId any_object();
  NodeId any_array();
  NodeId number();  // with fraction and exponent
  NodeId integer();
  NodeId string();
  // Length in code points; kUnbounded for no maximum.
  NodeId string_of_length(int min, int max);
  // A string whose content equals none of the names. Spelled without optional escapes, so that no
  // name can be written in another way.
  NodeId string_except(std::vector<std::string> names);
  // The value exactly, with free whitespace between its tokens.
  NodeId literal(const Json& value);
  NodeId quoted(NodeId content);
  // One code point of a string's content, escaped where JSON demands it.
  NodeId escaped_code_points(std::vector<CodePointRange> ranges);
  struct NumberBounds {
    std::optional<Decimal> min, max;
    bool min_excluded = false, max_excluded = false;
  };
  NodeId integer_between(const NumberBounds& bounds);
  // Decimal numbers without exponent.
  NodeId number_between(const NumberBounds& bounds);
  // A number that is no integer.
  NodeId number_with_fraction();
  // The multiples of `unit`, and of unit / 10^places, with up to 15
  // digits; of the order of 15 * unit rules.
  NodeId integer_multiples(std::uint64_t unit);
  NodeId number_multiples(std::uint64_t unit, std::size_t places);

  // "[" or "{" elements "]" or "}" with whitespace; elements may be the empty node.
  NodeId wrapped(char open, NodeId elements, char close);
  NodeId comma();
  NodeId colon();

 private:
  NodeId character();
  NodeId once(RuleId& rule, const char* name, NodeId (JsonValues::*make)());
  NodeId make_space();
  NodeId make_any();
  NodeId make_any_object();
  NodeId make_any_array();
  NodeId make_number();
  NodeId make_integer();
  NodeId make_string();
  NodeId make_character();
  NodeId digits(std::uint64_t low, std::uint64_t high);
  NodeId integers(std::optional<std::int64_t> min, std::optional<std::int64_t> max);
  NodeId unsigned_between(const NumberBounds& bounds);

  Grammar& grammar_;
  RuleId space_ = -1, any_ = -1, any_object_ = -1, any_array_ = -1, number_ = -1, integer_ = -1,
         string_ = -1, character_ = -1;
};

}  // namespace quire::grammar
