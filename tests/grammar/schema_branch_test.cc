// What is unevaluated, contained, counted and excluded. Oracle: validity as the Python jsonschema
// package decides it.
#include "tests/grammar/schema_cases.h"

namespace quire::grammar {
namespace {

TEST(SchemaBranches, KnowsWhatIsUnevaluated) {
  expect_cases({
      {R"x({"type":"object","allOf":[{"properties":{"a":{"type":"integer"}}}],
          "properties":{"b":{"type":"null"}},"unevaluatedProperties":false})x",
       {R"x({"a":1})x", R"x({"b":null,"a":1})x", "{}"},
       {R"x({"a":1,"c":1})x", R"x({"a":"x"})x"}},
      {R"x({"type":"object","anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},
          {"properties":{"b":{"const":2}},"required":["b"]}],"unevaluatedProperties":false})x",
       {R"x({"a":1})x", R"x({"b":2})x", R"x({"a":1,"b":2})x"},
       {"{}", R"x({"a":1,"b":3})x", R"x({"a":1,"c":1})x"}},
      {R"x({"type":"object","patternProperties":{"^n":{"type":"integer"}},
          "unevaluatedProperties":{"type":"null"}})x",
       {R"x({"n1":1})x", R"x({"x":null})x", "{}"},
       {R"x({"x":1})x", R"x({"n1":null})x"}},
      {R"x({"type":"object","if":{"properties":{"k":{"const":1}},"required":["k"]},
          "then":{"properties":{"a":{}}},"else":{"properties":{"b":{}}},
          "unevaluatedProperties":false})x",
       {R"x({"k":1,"a":1})x", R"x({"b":1})x", "{}"},
       {R"x({"k":1,"b":1})x", R"x({"a":1})x", R"x({"k":2})x"}},
      {R"x({"type":"array","prefixItems":[{"type":"null"}],"contains":{"type":"integer"},
          "unevaluatedItems":false})x",
       {"[null,1]", "[null,1,2]"},
       {"[null]", "[1]", R"x([null,1,"a"])x"}},
  });
}

TEST(SchemaBranches, CountsWhatIsContained) {
  expect_cases({
      {R"x({"type":"array","items":{"type":"integer"},"contains":{"minimum":10},"minContains":1,
          "maxContains":2})x",
       {"[10]", "[1,10]", "[10,1,11]"},
       {"[]", "[1]", "[10,11,12]"}},
      {R"x({"type":"array","prefixItems":[{"type":"null"}],"contains":{"type":"integer"}})x",
       {"[null,1]", R"x([null,"a",1,2])x"},
       {"[null]", "[1]", "[]"}},
      {R"x({"type":"array","allOf":[{"contains":{"const":1}},{"contains":{"const":2}}]})x",
       {"[1,2]", "[2,3,1]"},
       {"[1]", "[2,2]"}},
      {R"x({"type":"array","items":{"enum":["a","b",true]},"uniqueItems":true})x",
       {R"x(["b","a"])x", R"x([true,"a"])x", "[]"},
       {R"x(["a","b","a"])x"}},
      {R"x({"type":"array","prefixItems":[{"type":"boolean"},{"type":"boolean"}],"items":false,
          "uniqueItems":true})x",
       {"[true,false]", "[false]"},
       {"[true,true]"}},
      {R"x({"type":"array","items":{"enum":[{"a":1,"b":2},{"b":2,"a":1}]},"uniqueItems":true})x",
       {R"x([{"a":1,"b":2}])x"},
       {R"x([{"a":1,"b":2},{"b":2,"a":1}])x"}},
      {R"x({"type":"object","properties":{"a":{}},"minProperties":2,"maxProperties":2})x",
       {R"x({"a":1,"b":1})x"},
       {R"x({"a":1})x", "{}", R"x({"a":1,"b":1,"c":1})x"}},
  });
}

TEST(SchemaBranches, SaysOppositesAndMultiples) {
  expect_cases({
      {R"x({"type":["number","string"],"not":{"type":"integer"}})x",
       {"1.5", "-0.25", R"x("a")x"},
       {"1", "0", "-3"}},
      {R"x({"type":"number","multipleOf":1.5})x", {"0", "4.5", "-1.5", "3", "3.0"}, {"1", "35"}},
      {R"x({"type":"number","multipleOf":0.25,"minimum":1})x", {"1.25", "7"}, {"0.75", "1.3"}},
      {R"x({"type":"integer","multipleOf":1.5})x", {"3", "-6"}, {"2", "4.5"}},
      {R"x({"allOf":[{"type":"integer","multipleOf":4},{"multipleOf":6}]})x",
       {"12", "24"},
       {"4", "6", "8"}},
      {R"x({"const":1,"enum":[1,2]})x", {"1"}, {"2"}},
      {R"x({"type":"array","not":{"contains":{"type":"null"}}})x", {"[1]", "[]"}, {"[1,null]"}},
      {R"x({"type":"array","not":{"prefixItems":[{"type":"null"},{"type":"null"}]}})x",
       {"[1]", "[null,1]"},
       {"[]", "[null]", "[null,null]"}},
      {R"x({"type":"object","not":{"dependentRequired":{"a":["b"]}}})x",
       {R"x({"a":1})x"},
       {"{}", R"x({"a":1,"b":1})x"}},
      {R"x({"type":"object","allOf":[{"patternProperties":{"^a":{"type":"integer"}}},
          {"patternProperties":{"b$":{"maximum":3}},"additionalProperties":{"type":"null"}}]})x",
       {R"x({"ab":3,"cb":1,"c":null})x"},
       {R"x({"ab":4})x", R"x({"a":1})x", R"x({"c":1})x"}},
      {R"x({"allOf":[{"oneOf":[{"minimum":0},{"maximum":-5}]},{"oneOf":[{"maximum":20},
          {"minimum":10}]}],"type":"integer"})x",
       {"4", "21", "-6"},
       {"15", "-4"}},
  });
}

}  // namespace
}  // namespace quire::grammar
