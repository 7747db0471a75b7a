// JSON Schema as grammars. Oracle: for each schema, instances whose validity was decided with the
// Python jsonschema package (Draft202012Validator), spelled as JSON text.
#include <gtest/gtest.h>

#include "engine/grammar/automaton.h"
#include "engine/grammar/front_ends.h"

namespace quire::grammar {
namespace {

Result<std::shared_ptr<const Network>> network_of(std::string_view text) {
  QUIRE_ASSIGN(const Json schema, parse_json(text));
  QUIRE_ASSIGN(const Grammar grammar, parse_json_schema(schema));
  QUIRE_ASSIGN(Network network, compile(grammar, {}));
  return std::make_shared<const Network>(std::move(network));
}

bool matches(Automaton& automaton, std::string_view text) {
  MatchState state = automaton.start();
  for (const char c : text) state = automaton.step(state, static_cast<std::uint8_t>(c));
  return automaton.accepts(state);
}

struct Case {
  const char* schema;
  std::vector<const char*> valid, invalid;
};

const Case kCases[] = {
    {R"({"type":"number","minimum":0.5,"maximum":2.25})",
     {"0.5", "0.50", "0.51", "1", "1.99", "2", "2.25", "2.2", "2.250"},
     {"0.4", "0", "0.49", "2.26", "2.251", "3", "-1"}},
    {R"({"type":"number","exclusiveMinimum":-1.5,"exclusiveMaximum":-0.25})",
     {"-1.4", "-1", "-0.3", "-1.49", "-0.251"},
     {"-1.5", "-1.50", "-0.25", "-0.2", "0", "-2", "1"}},
    {R"({"type":"integer","minimum":0.5,"maximum":3.5})", {"1", "2", "3"}, {"0", "4"}},
    {R"({"type":"string","format":"date"})",
     {R"("2024-02-29")", R"("2000-02-29")", R"("2023-12-31")", R"("0001-04-30")"},
     {R"("2023-02-29")", R"("1900-02-29")", R"("2023-04-31")", R"("2023-13-01")", R"("2023-01-00")",
      R"("2023-1-1")"}},
    {R"({"type":"integer","multipleOf":7})", {"0", "7", "-14", "700"}, {"1", "8", "-13", "07"}},
    {R"({"type":"integer","multipleOf":5,"minimum":12})",
     {"15", "20", "1000"},
     {"10", "12", "-15"}},
    {R"({"type":"number","multipleOf":0.01})", {"1", "0.25", "-3.1"}, {"0.125"}},
    {R"({"type":"number","multipleOf":0.5,"minimum":0,"maximum":2})",
     {"0", "0.5", "1", "1.5", "2"},
     {"0.25", "2.5"}},
    {R"({"type":"string","pattern":"^[a-c]+$","minLength":2,"maxLength":3})",
     {R"("ab")", R"("ccc")"},
     {R"("a")", R"("abcd")", R"("xy")"}},
    {R"({"allOf":[{"type":"string","pattern":"a"},{"pattern":"b"}],"maxLength":3})",
     {R"("ab")", R"("xba")"},
     {R"("aa")", R"("a")", R"("abcd")"}},
    {R"({"type":"string","not":{"enum":["no","never"]}})",
     {R"("yes")", R"("nope")", R"("")"},
     {R"("no")", R"("never")"}},
    {R"({"type":"string","not":{"pattern":"^x"}})", {R"("ax")", R"("")"}, {R"("x")", R"("xa")"}},
    {R"({"not":{"type":["object","array","string","number","boolean"]}})", {"null"}, {"1", "{}"}},
    {R"({"type":"integer","minimum":1,"maximum":5,"not":{"const":3}})", {"1", "5"}, {"3", "6"}},
    {R"({"enum":[1,5,"a","abc"],"minimum":2,"maxLength":2})", {"5", R"("a")"}, {"1", R"("abc")"}},
    {R"({"type":"array","items":{"enum":["a","b","c"]},"uniqueItems":true,"minItems":2})",
     {R"(["a","b"])", R"(["a", "c"])", R"(["a","b","c"])"},
     {R"(["a"])", R"(["a","a"])", "[]"}},
    {R"({"type":"array","items":{"type":"integer"},"contains":{"minimum":10},"minItems":2})",
     {"[10,1]", "[99, 3, 4]"},
     {"[1,2]", "[10]", "[]"}},
    {R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}},
        "minProperties":2,"maxProperties":2})",
     {R"({"a":null,"b":null})", R"({"b":null,"c":null})"},
     {R"({"a":null})", R"({"a":null,"b":null,"c":null})", "{}"}},
    {R"({"type":"object","patternProperties":{"^n":{"type":"integer"}},"additionalProperties":false,
        "properties":{"x":{"type":"null"}}})",
     {"{}", R"({"n":1})", R"({"x":null,"na":2})"},
     {R"({"n":"a"})", R"({"y":1})", R"({"x":1})"}},
    {R"({"type":"object","patternProperties":{"^n":{"type":"integer"}},"required":["n1"]})",
     {R"({"n1":1})", R"({"n1":1,"a":"x"})"},
     {R"({"n1":"x"})", "{}"}},
    {R"({"type":"object","properties":{"ab":{"type":"null"}},"propertyNames":{"maxLength":2}})",
     {"{}", R"({"ab":null})", R"({"x":1})"},
     {R"({"abc":1})"}},
    {R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},
        "dependentRequired":{"a":["b"]},"additionalProperties":false})",
     {"{}", R"({"b":null})", R"({"a":null,"b":null})"},
     {R"({"a":null})"}},
    {R"({"type":"object","properties":{"k":{"enum":["x","y"]},"n":{"type":"integer"}},
        "required":["k"],"additionalProperties":false,
        "if":{"properties":{"k":{"const":"x"}}},"then":{"required":["n"]}})",
     {R"({"k":"x","n":1})", R"({"k":"y"})", R"({"k":"y","n":2})"},
     {R"({"k":"x"})", "{}"}},
    {R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},
        "additionalProperties":false},
        {"properties":{"a":{"minimum":3}},"required":["a"]}]})",
     {R"({"a":3})"},
     {R"({"a":2})", "{}", R"({"a":3,"b":1})"}},
    {R"({"$ref":"#/$defs/n","maximum":3,"$defs":{"n":{"type":"integer","minimum":1}}})",
     {"1", "3"},
     {"0", "4"}},
    {R"({"oneOf":[{"type":"object","properties":{"a":{"type":"null"}},"required":["a"],
        "additionalProperties":false},{"type":"object","properties":{"b":{"type":"null"}},
        "required":["b"],"additionalProperties":false}]})",
     {R"({"a":null})", R"({"b":null})"},
     {R"({"a":null,"b":null})", "{}"}},
    {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},
        "required":["a"],        "additionalProperties":false})",
     {R"({"a":1})", R"({"a": -20, "b": "x"})", "{\n  \"a\": 0\n}"},
     {"{}", R"({"b":"x"})", R"({"a":1.5})", R"({"a":1,"c":2})", R"({"a":01})", "[]"}},
    {R"({"type":"object","properties":{"ab":{"type":"null"}}})",
     {R"({})", R"({"ab":null})", R"({"abc":1})", R"({"a":1,"b":[{}]})", R"({"ab":null,"x":"y"})"},
     {R"({"ab":1})", R"({"x":1,"ab":2})"}},
    {R"({"enum":["red","green",3,null,{"a":[1]}]})",
     {R"("red")", "3", "null", R"({"a": [1]})"},
     {R"("blue")", "4", R"({"a":[2]})"}},
    {R"({"const":"x\"y"})", {R"("x\"y")"}, {R"("x")"}},
    {R"({"type":["string","null"],"minLength":2,"maxLength":3})",
     {R"("ab")", R"("a\n")", R"("日本語")", "null"},
     {R"("a")", R"("abcd")", "1"}},
    {R"({"type":"string","pattern":"^[a-z]+\\d?$"})",
     {R"("abc")", R"("a1")"},
     {R"("A")", R"("a12")", R"("")"}},
    {R"({"type":"string","pattern":"\"|\\\\"})", {R"("a\"b")", R"("\\")"}, {R"("ab")"}},
    {R"({"type":"integer","minimum":-5,"maximum":120})",
     {"-5", "0", "7", "99", "100", "120"},
     {"-6", "121", "1000", "-10", "1.0"}},
    {R"({"type":"integer","exclusiveMinimum":9})",
     {"10", "99", "100", "123456789012345678901234"},
     {"9", "0", "-1"}},
    {R"({"type":"integer","maximum":-10})", {"-10", "-11", "-100"}, {"-9", "0", "10"}},
    {R"({"type":"number","minimum":0,"exclusiveMaximum":2})",
     {"0", "0.5", "1.999", "1"},
     {"2", "-0.1", "2.0"}},
    {R"({"type":"number","minimum":-1,"maximum":1})",
     {"-1", "-0.25", "0.75", "1", "1.0"},
     {"-1.1", "1.01"}},
    {R"({"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":3})",
     {"[true]", "[true, false,true]"},
     {"[]", "[1]", "[true,true,true,true]", "[true,]"}},
    {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false})",
     {"[]", "[1]", R"([1,"a"])"},
     {R"(["a"])", R"([1,"a",2])"}},
    {R"({"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"},"minItems":2})",
     {"[1,null]", "[1,null,null]"},
     {"[1]", "[1,1]"}},
    {R"({"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object",
        "properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/tree"},
        {"type":"null"}]}},"required":["v","next"],
        "additionalProperties":false}}})",
     {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
     {R"({"v":1})", R"({"v":1,"next":2})"}},
    {R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},
        "required":["k","x"],"additionalProperties":false},
        {"type":"object","properties":{"k":{"const":"b"}},"required":["k"],
        "additionalProperties":false}]})",
     {R"({"k":"a","x":1})", R"({"k":"b"})"},
     {R"({"k":"b","x":1})", R"({"k":"c"})"}},
    {R"({"allOf":[{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]},
        {"properties":{"b":{"type":"null"}}}]})",
     {R"({"a":null,"b":null})", R"({"a":null})"},
     {R"({"b":null})", R"({"a":1})"}},
    {R"({"type":"object","additionalProperties":{"type":"integer"},
        "propertyNames":{"pattern":"^x"}})",
     {"{}", R"({"x1":1,"xy":2})"},
     {R"({"y":1})", R"({"x":"a"})"}},
    {R"({"type":"string","format":"date"})",
     {R"("2026-11-21")"},
     {R"("2026-13-01")", R"("today")"}},
    {"true", {"1", "[1,{\"a\":null}]", "-1.5e+3"}, {"", "[1", "tru", "\"\x01\""}},
    {R"x({"not":{"required":["a"]}})x", {R"x({"b":1})x", "{}"}, {"5", R"x({"a":1})x", "null"}},
    {R"x({"if":{"properties":{"k":{"const":1}}},"then":{"type":"object"},"else":{"type":"object","required":["n"]}})x",
     {R"x({"k":1})x", R"x({"k":2,"n":1})x", "{}"},
     {R"x("x")x", "5", R"x({"k":2})x"}},
    {R"x({"type":"object","properties":{"a":{},"b":{},"c":{},"d":{}},"if":{"properties":{"a":{"const":1}},"required":["b"]},"then":{"required":["c"]},"else":{"required":["d"]}})x",
     {R"x({"a":1,"b":2,"c":1})x", R"x({"a":1,"d":1})x", R"x({"a":2,"b":1,"d":1})x"},
     {R"x({"a":1,"c":1})x", R"x({"a":1,"b":2,"d":1})x"}},
    {R"x({"type":"integer","if":{"exclusiveMaximum":0},"then":{"minimum":-10},"else":{"multipleOf":2}})x",
     {"-1", "-10", "0", "4"},
     {"-11", "3"}},
    {R"x({"allOf":[{"if":{"exclusiveMaximum":0}},{"then":{"minimum":-10}},{"else":{"multipleOf":2}}],"type":"integer"})x",
     {"-100", "3"},
     {"1.5"}},
    {R"x({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"oneOf":[{"required":["a"]},{"required":["b"]}],"additionalProperties":false})x",
     {R"x({"a":"x"})x", R"x({"b":1})x"},
     {"{}", R"x({"a":"x","b":1})x"}},
    {R"x({"oneOf":[{"type":"integer"},{"minimum":2}]})x", {"1", R"x("x")x"}, {"3", "1.5"}},
    {R"x({"oneOf":[{"type":"string","maxLength":3},{"type":"string","minLength":2}]})x",
     {R"x("a")x", R"x("abcd")x"},
     {R"x("ab")x", "5"}},
    {R"x({"oneOf":[{"type":"object","properties":{"k":{"const":"a","default":"a"},"x":{"type":"integer"}},"required":["x"],"additionalProperties":false},{"type":"object","properties":{"k":{"const":"b"},"x":{"type":"integer"}},"required":["x"],"additionalProperties":false}]})x",
     {R"x({"k":"a","x":1})x", R"x({"k":"b","x":1})x"},
     {R"x({"x":1})x", R"x({"k":"c","x":1})x"}},
    {R"x({"type":"number","not":{"enum":[1,2.5]}})x",
     {"0", "1.5", "2", "-1", "2.51", "1.01"},
     {"1", "1.0", "2.5", "2.50"}},
    {R"x({"type":"number","minimum":0,"maximum":3,"not":{"const":0}})x",
     {"3", "0.5"},
     {"0", "-0", "0.0", "4"}},
    {R"x({"properties":{"a":{"not":{"minLength":2}}},"required":["a"],"type":"object"})x",
     {R"x({"a":"x"})x"},
     {R"x({"a":"xy"})x", R"x({"a":5})x"}},
    {R"x({"not":{"type":"object","properties":{"foo":{"type":"string"}}}})x",
     {"1", R"x({"foo":1})x"},
     {R"x({"foo":"x"})x", "{}"}},
    {R"x({"type":"array","items":{"type":"integer"},"not":{"items":{"maximum":5}}})x",
     {"[6]", "[7,1]"},
     {"[1]", "[]", "[5,5]"}},
    {R"x({"allOf":[{"contains":{"const":1}},{"minContains":0}],"type":"array"})x",
     {"[1]", "[1,2]"},
     {"[]", "[2]"}},
    {R"x({"type":"string","pattern":"^(?!\\.)(?!.*\\.\\.)[a-z.]*@x$"})x",
     {R"x("a.b@x")x", R"x("@x")x"},
     {R"x(".a@x")x", R"x("a..b@x")x", R"x("a@y")x"}},
    {R"x({"type":"string","pattern":"^(?=.*[A-Z])(?=.*\\d).{3,5}$"})x",
     {R"x("aB1")x", R"x("1xxxA")x"},
     {R"x("ab1")x", R"x("AB")x", R"x("aB1xxx")x"}},
    {R"x({"type":"string","pattern":"^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"})x",
     {R"x("1")x", R"x("-0.5")x", R"x(".5")x"},
     {R"x("")x", R"x("-")x", R"x("+.")x", R"x("x")x"}},
    {R"x({"type":"object","properties":{"a":{"$ref":"#/$defs/x%20y%25"}},"required":["a"],"$defs":{"x y%":{"type":"null"}}})x",
     {R"x({"a":null})x"},
     {R"x({"a":1})x"}},
    {R"({"type":"object","properties":{"a":{},"b":{},"c":{}},"required":["b"],
        "additionalProperties":false})",
     {R"({"b":1})", R"({"a":1,"b":1})", R"({"b":1,"c":1})", R"({"a":1,"b":1,"c":1})"},
     {R"({"a":1,"c":1})", R"({"a":1})", R"({"b":1,})", R"({,"b":1})"}},
};

TEST(JsonSchema, AcceptsValidAndOnlyValid) {
  for (const Case& c : kCases) {
    const auto network = network_of(c.schema);
    ASSERT_TRUE(network) << c.schema << "\n" << network.error().message;
    Automaton automaton(*network);
    for (const char* text : c.valid)
      EXPECT_TRUE(matches(automaton, text)) << c.schema << "\n" << text;
    for (const char* text : c.invalid)
      EXPECT_FALSE(matches(automaton, text)) << c.schema << "\n" << text;
  }
}

TEST(JsonSchema, RefusesByPath) {
  for (const auto& [schema, words] : std::vector<std::pair<std::string, std::string>>{
           {R"({"type":"array","uniqueItems":true})", "#/uniqueItems"},
           {R"({"properties":{"a":{"not":{"uniqueItems":true}}}})", "#/properties/a/not"},
           {R"({"if":{"format":"date"},"then":false})", "#/if"},
           {R"({"type":"number","multipleOf":0.3})", "#/multipleOf"},
           {R"({"contains":{},"maxContains":2})", "#/maxContains"},
           {R"({"$ref":"#/$defs/a","$defs":{"a":{"not":{"format":"date"}}}})", "#/$defs/a/not"},
           {R"({"type":"text"})", "#/type"},
           {R"({"type":"object","patternProperties":["n1"]})", "#/patternProperties"},
           {R"({"allOf":[{"patternProperties":5},{"properties":{}}]})", "must be an object"},
           {R"({"allOf":[5,{"properties":{}}]})", "an object or a boolean"},
           {R"({"$ref":"http://x/y"})", "not in this schema"},
           {R"({"$ref":"#/$defs/a"})", "names nothing"},
           {R"x({"type":"string","pattern":"(?=a)"})x", "lookaround"},
           {R"({"type":"string","maxLength":5000})", "exceeds 1000"},
           {R"({"oneOf":[{"type":"string","format":"date"},{"type":"string","format":"uuid"}]})",
            "may overlap"},
           {R"({"type":"string","format":"klingon"})", "not supported"},
           {R"({"$ref":"#"})", "left-recursive"}}) {
    const auto network = network_of(schema);
    ASSERT_FALSE(network) << schema;
    EXPECT_NE(network.error().message.find(words), std::string::npos) << network.error().message;
  }
}

}  // namespace
}  // namespace quire::grammar
