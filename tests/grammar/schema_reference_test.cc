// References of JSON schemas. Oracle: validity as the Python jsonschema package decides it; of
// addresses, the examples of RFC 3986, section 5.4.
#include "engine/grammar/uri.h"
#include "tests/grammar/schema_cases.h"

namespace quire::grammar {
namespace {

TEST(SchemaReferences, ResolvesAddressesAsTheRfcDoes) {
  for (const auto& [reference, address] :
       std::vector<std::pair<std::string, std::string>>{{"g:h", "g:h"},
                                                        {"g", "http://a/b/c/g"},
                                                        {"./g", "http://a/b/c/g"},
                                                        {"g/", "http://a/b/c/g/"},
                                                        {"/g", "http://a/g"},
                                                        {"//g", "http://g"},
                                                        {"?y", "http://a/b/c/d;p?y"},
                                                        {"g?y", "http://a/b/c/g?y"},
                                                        {"", "http://a/b/c/d;p?q"},
                                                        {".", "http://a/b/c/"},
                                                        {"..", "http://a/b/"},
                                                        {"../g", "http://a/b/g"},
                                                        {"../..", "http://a/"},
                                                        {"../../g", "http://a/g"},
                                                        {"../../../g", "http://a/g"},
                                                        {"/./g", "http://a/g"},
                                                        {"/../g", "http://a/g"},
                                                        {"g.", "http://a/b/c/g."},
                                                        {"..g", "http://a/b/c/..g"},
                                                        {"./g/.", "http://a/b/c/g/"},
                                                        {"g/../h", "http://a/b/c/h"},
                                                        {"g;x=1/../y", "http://a/b/c/y"}}) {
    EXPECT_EQ(resolve_uri("http://a/b/c/d;p?q", reference).address, address) << reference;
  }
  EXPECT_EQ(resolve_uri("http://a/b/c/d;p?q", "g#s/../x").fragment, "s/../x");
  EXPECT_EQ(resolve_uri("", "list").address, "list");
  EXPECT_EQ(resolve_uri("urn:uuid:1", "#a").address, "urn:uuid:1");
}

TEST(SchemaReferences, AcceptsValidAndOnlyValid) {
  expect_cases({
      {R"x({"$id":"http://h/root.json","$ref":"item.json","$defs":{"a":{"$id":"item.json",
          "$ref":"#/$defs/n","$defs":{"n":{"type":"integer"}}},"n":{"type":"null"}}})x",
       {"1"},
       {"null", "{}"}},
      {R"x({"properties":{"a":{"$ref":"#x"},"b":{"$ref":"other#x"}},"required":["a","b"],
          "$defs":{"p":{"$anchor":"x","type":"integer"},
          "q":{"$id":"other","$defs":{"r":{"$anchor":"x","type":"null"}}}}})x",
       {R"x({"a":1,"b":null})x"},
       {R"x({"a":null,"b":null})x", R"x({"a":1,"b":1})x"}},
      {R"x({"$ref":"#/$defs/a~1b~0c%25d","$defs":{"a/b~c%d":{"type":"null"},
          "a~1b~0c%25d":{"type":"integer"}}})x",
       {"null"},
       {"1"}},
      {R"x({"enum":[{"$id":"here","$anchor":"y"},1],"$defs":{"a":{"$id":"here"}}})x", {"1"}, {"2"}},
      {R"x({"$ref":"#/$defs/tree","$defs":{"tree":{"$id":"tree","type":"object","properties":
          {"next":{"$ref":"tree"}},"required":["v"],"additionalProperties":{"type":"integer"}}}})x",
       {R"x({"v":1})x", R"x({"next":{"v":1},"v":2})x"},
       {R"x({"next":{},"v":1})x", R"x({"next":1,"v":1})x"}},
      // A list of anything, and the same list with what its element is told from outside.
      {R"x({"properties":{"any":{"$ref":"list"},"texts":{"$ref":"texts"}},"$defs":{
          "list":{"$id":"list","type":"array","items":{"$dynamicRef":"#item"},
          "$defs":{"i":{"$dynamicAnchor":"item"}}},
          "texts":{"$id":"texts","$ref":"list","$defs":{"i":{"$dynamicAnchor":"item",
          "type":"string"}}}}})x",
       {R"x({"any":[1,"a"],"texts":["a"]})x", R"x({"any":[],"texts":[]})x"},
       {R"x({"any":1})x", R"x({"texts":[1]})x", R"x({"any":[],"texts":["a",1]})x"}},
      {R"x({"$id":"strict","$dynamicAnchor":"node","$ref":"tree","maxProperties":1,
          "$defs":{"t":{"$id":"tree","$dynamicAnchor":"node","type":"object",
          "properties":{"next":{"$dynamicRef":"#node"}}}}})x",
       {R"x({"next":{"next":{}}})x", "{}"},
       {R"x({"next":{"next":{},"a":1}})x", R"x({"next":1})x"}},
      // Not dynamic: the anchor that the reference names first is none.
      {R"x({"$id":"o","$dynamicAnchor":"n","type":"array","items":{"$ref":"in"},"$defs":{"in":{
          "$id":"in","$dynamicRef":"#n","$defs":{"x":{"$anchor":"n","type":"null"}}}}})x",
       {"[null]", "[]"},
       {"[[]]", "[1]"}},
  });
}

TEST(SchemaReferences, RefusesWhatNothingNames) {
  expect_refused({
      {R"({"$ref":"http://x/y"})", "\"http://x/y\" is not in this schema"},
      {R"({"$ref":"#a"})", "no anchor \"a\""},
      {R"({"$ref":"#/$defs/a"})", "\"#/$defs/a\" names nothing"},
      {R"({"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x","type":"null"}},"$ref":"#x"})", "twice"},
      {R"({"$defs":{"a":{"$id":"x"},"b":{"$id":"x","type":"null"}},"$ref":"x"})",
       "the address of two schemas"},
      {R"({"properties":{"a":{"$id":"b","$ref":"#/$defs/n"}},"$defs":{"n":{}}})", "names nothing"},
      {R"({"$dynamicRef":"#a"})", "no anchor"},
  });
}

}  // namespace
}  // namespace quire::grammar
