// The files of the page as a browser gets them: the bytes of server/page without comments, plain
// and gzipped (its own length and magic); a policy that lets nothing else run; 304 for what it has.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/info_endpoints.h"
#include "server/page_assets.h"
#include "tests/server/test_server.h"

namespace quire::server {
namespace {

namespace fs = std::filesystem;

// What is served of a file: all of it, of a script without the lines that are comments.
std::string served(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string out;
  for (std::string line; std::getline(file, line);) {
    const std::size_t text = line.find_first_not_of(' ');
    const bool is_comment = text != std::string::npos && line.compare(text, 2, "//") == 0;
    if (!is_comment || path.extension() != ".js") out += line + "\n";
  }
  return out;
}

std::vector<fs::path> page_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(QUIRE_SOURCE_DIR) / "server/page")) {
    files.push_back(entry.path());
  }
  return files;
}

Answer get_with(int port, std::string_view path, std::string_view fields) {
  Client client(port);
  client.request("GET", path, fields);
  return client.read();
}

TEST(Page, EveryFileIsServed) {
  const TestServer server;
  ASSERT_GT(page_files().size(), 5u);
  for (const fs::path& path : page_files()) {
    const std::string name = path.filename().string();
    const Answer answer = get(server.port(), "/page/" + name);
    EXPECT_EQ(answer.status, 200) << name;
    EXPECT_EQ(answer.body, served(path)) << name;
    EXPECT_EQ(answer.field("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(answer.field("Content-Encoding"), "");
    const std::string type = name.ends_with(".js")     ? "text/javascript; charset=utf-8"
                             : name.ends_with(".css")  ? "text/css; charset=utf-8"
                             : name.ends_with(".html") ? "text/html; charset=utf-8"
                                                       : "image/svg+xml";
    EXPECT_EQ(answer.field("Content-Type"), type) << name;
  }
  EXPECT_EQ(get(server.port(), "/").body, get(server.port(), "/page/index.html").body);
}

// RFC 1952: magic 1f 8b 08, and the last four bytes are the length of the content.
TEST(Page, IsGzippedForThoseWhoTakeItAndSmall) {
  const TestServer server;
  std::size_t total = 0, plain_total = 0;
  for (const fs::path& path : page_files()) {
    const std::string name = path.filename().string();
    const Answer answer = get_with(server.port(), "/page/" + name, "Accept-Encoding: br, gzip\r\n");
    EXPECT_EQ(answer.field("Content-Encoding"), "gzip");
    EXPECT_EQ(answer.field("Vary"), "Accept-Encoding");
    ASSERT_GT(answer.body.size(), 18u);
    EXPECT_EQ(answer.body.substr(0, 3), "\x1f\x8b\x08");
    std::size_t length = 0;
    for (int i = 0; i < 4; ++i) {
      const auto byte = static_cast<unsigned char>(answer.body[answer.body.size() - 4 + i]);
      length |= static_cast<std::size_t>(byte) << (8 * i);
    }
    EXPECT_EQ(length, served(path).size()) << name;
    total += answer.body.size();
    plain_total += length;
  }
  EXPECT_LT(total, 60'000u);
  EXPECT_LT(plain_total, 150'000u);
  EXPECT_EQ(get_with(server.port(), "/", "Accept-Encoding: gzip;q=0\r\n").field("Content-Encoding"),
            "");
}

TEST(Page, AllowsNothingButItself) {
  const TestServer server;
  const Answer answer = get(server.port(), "/");
  const std::string policy = answer.field("Content-Security-Policy");
  for (const char* part : {"default-src 'none'", "script-src 'self'", "style-src 'self'",
                           "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
                           "frame-ancestors 'none'", "require-trusted-types-for 'script'"}) {
    EXPECT_NE(policy.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(answer.field("Referrer-Policy"), "no-referrer");
  // No inline scripts, styles or handlers, and no address of another host.
  for (const char* part : {" onclick", " onload", " onerror", " onsubmit", " oninput", "<script>",
                           "javascript:", "style=", "://"}) {
    EXPECT_EQ(answer.body.find(part), std::string::npos) << part;
  }
}

TEST(Page, IsNotSentAgainToThoseWhoHaveIt) {
  const TestServer server;
  const std::string tag = get(server.port(), "/").field("ETag");
  ASSERT_FALSE(tag.empty());
  Client client(server.port());
  client.request("GET", "/", "If-None-Match: \"other\", " + tag + "\r\n");
  const Answer answer = client.read(false);
  EXPECT_EQ(answer.status, 304);
  EXPECT_EQ(answer.field("Content-Length"), "");
  EXPECT_EQ(answer.field("ETag"), tag);
  EXPECT_EQ(get_with(server.port(), "/", "If-None-Match: \"other\"\r\n").status, 200);
  EXPECT_NE(get_with(server.port(), "/", "Accept-Encoding: gzip\r\n").field("ETag"), tag);
}

// What the page offers follows from this list, so it must be of the model that is loaded.
TEST(Page, CapabilitiesAreThoseOfTheLoadedModel) {
  const auto named = [](const Backend& backend) {
    const HttpResponse answer = models_answer(backend, 1);
    return parse_json(answer.body).value()["data"][0]["capabilities"];
  };
  FakeEngine engine({});
  Backend backend = fake_backend(engine);
  EXPECT_EQ(named(backend), Json::parse(R"(["completion", "chat"])"));
  const text::ToolFormat& format = text::tool_formats().front();
  backend.answer_format.tools = &format;
  EXPECT_EQ(named(backend), Json::parse(R"(["completion", "chat", "tools"])"));
  backend.render_chat = nullptr;
  EXPECT_EQ(named(backend), Json::parse(R"(["completion"])")) << "no template, no chat, no tools";
  backend.pooling.embedding = EmbeddingSetup{};
  EXPECT_EQ(named(backend), Json::parse(R"(["completion", "embedding"])"));

  FakeEngineOptions seeing;
  seeing.media = {"image"};
  FakeEngine other(seeing);
  EXPECT_EQ(named(fake_backend(other)), Json::parse(R"(["completion", "chat", "vision"])"));
  const HttpResponse props = props_answer(fake_backend(other), Settings{});
  EXPECT_EQ(parse_json(props.body).value()["modalities"],
            Json::parse(R"({"vision": true, "audio": false})"));
}

TEST(Page, OtherFilesAndMethodsAreRefused) {
  const TestServer server;
  EXPECT_EQ(get(server.port(), "/page/secret.txt").status, 404);
  EXPECT_EQ(get(server.port(), "/page/..%2fmain.cc").status, 404);
  EXPECT_EQ(get(server.port(), "/page/").status, 404);
  Client client(server.port());
  client.post("/", Json::object());
  EXPECT_EQ(client.read().status, 405);
}

}  // namespace
}  // namespace quire::server
