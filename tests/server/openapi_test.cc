// docs/api.md and /openapi.json must say what the tables say: QUIRE_UPDATE_DOCS=1 rewrites the
// page, otherwise a difference fails. Every documented answer is asked for and checked by name.
#include "server/openapi.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/endpoints.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

TEST(ApiDocs, PageIsUpToDate) {
  const auto path = std::filesystem::path(QUIRE_SOURCE_DIR) / "docs" / "api.md";
  const std::string wanted = api_markdown();
  if (std::getenv("QUIRE_UPDATE_DOCS") != nullptr) std::ofstream(path) << wanted;
  std::stringstream found;
  found << std::ifstream(path).rdbuf();
  EXPECT_TRUE(found.str() == wanted)
      << "docs/api.md is stale: QUIRE_UPDATE_DOCS=1 build/server_tests --gtest_filter=ApiDocs.*";
}

TEST(OpenApi, DescribesEveryEndpoint) {
  const Json document = openapi_document();
  for (const EndpointSpec& spec : endpoint_specs()) {
    const std::string method = spec.method == "GET"    ? "get"
                               : spec.method == "POST" ? "post"
                                                       : "delete";
    ASSERT_TRUE(document["paths"][std::string(spec.path)].contains(method)) << spec.path;
    EXPECT_EQ(document["paths"][std::string(spec.path)][method].contains("requestBody"),
              spec.body != kNoBody);
  }
}

// Every other path answers as the first one does, to a request that is told what it lacks.
TEST(OpenApi, OtherPathsAreTheSameEndpoint) {
  TestServer server;
  std::size_t count = 0;
  for (const EndpointSpec& spec : endpoint_specs()) {
    for (const std::string_view other : other_paths(spec)) {
      ++count;
      const bool reads = spec.method == "GET";
      const Answer first =
          reads ? get(server.port(), spec.path) : post(server.port(), spec.path, Json::object());
      const Answer second =
          reads ? get(server.port(), other) : post(server.port(), other, Json::object());
      EXPECT_EQ(first.status, second.status) << other;
      EXPECT_EQ(first.body, second.body) << other;
    }
  }
  EXPECT_GE(count, 10u);
}

TEST(OpenApi, IsServed) {
  TestServer server;
  const Answer answer = get(server.port(), "/openapi.json");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json(), openapi_document());
}

// Each plain GET answers with what its schema requires.
TEST(OpenApi, AnswersHaveWhatTheirSchemasRequire) {
  TestServer server;
  for (const EndpointSpec& spec : endpoint_specs()) {
    const Json schema = answer_schema(spec.method, spec.path);
    if (spec.method != "GET" || spec.path.ends_with("{id}") || !schema.contains("required"))
      continue;
    const Answer answer = get(server.port(), spec.path);
    ASSERT_EQ(answer.status, 200) << spec.path;
    for (const Json& name : schema["required"]) {
      EXPECT_TRUE(answer.json().contains(name.get<std::string>())) << spec.path << " " << name;
    }
  }
}

TEST(OpenApi, RequiredFieldsAreMissed) {
  TestServer server;
  for (const EndpointSpec& spec : endpoint_specs()) {
    for (const FieldSpec& field : field_specs()) {
      if ((field.required_by & spec.body) == 0) continue;
      const Answer answer = post(server.port(), spec.path, Json::object());
      EXPECT_EQ(answer.status, 400) << spec.path;
      EXPECT_NE(answer.body.find("is missing"), std::string::npos) << answer.body;
    }
  }
}

}  // namespace
}  // namespace quire::server
