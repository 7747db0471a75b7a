// URLs and names of repositories: the cases of RFC 3986 that servers send, and what must not pass.
#include <gtest/gtest.h>

#include "cli/http_client.h"
#include "cli/hub_cache.h"

namespace quire::cli {
namespace {

TEST(Url, Parts) {
  const auto url = parse_url("https://example.org/a/b?c=d#e");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->port, "443");
  EXPECT_EQ(url->path, "/a/b?c=d");
  EXPECT_EQ(url->authority(), "example.org");
  EXPECT_EQ(parse_url("http://h:81")->authority(), "h:81");
  EXPECT_EQ(parse_url("http://h:81")->path, "/");
  EXPECT_EQ(parse_url("http://[::1]:8000/x")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:8000/x")->authority(), "[::1]:8000");
  for (const char* bad : {"", "h", "ftp://h", "http://", "http://:80", "http://h:", "http://h:port",
                          "http://u:p@h/", "http://h/a b", "http://h/a\r\nX: y"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

TEST(Url, Locations) {
  const Url base = *parse_url("https://h:444/a/b?q=1");
  const auto at = [&](std::string_view location) {
    const auto url = resolve_location(base, location);
    return url ? url->scheme + "://" + url->authority() + url->path : "";
  };
  EXPECT_EQ(at("/c"), "https://h:444/c");
  EXPECT_EQ(at("c"), "https://h:444/a/c");
  EXPECT_EQ(at("//other/c"), "https://other/c");
  EXPECT_EQ(at("http://other/c?d"), "http://other/c?d");
}

TEST(RepoName, Forms) {
  EXPECT_EQ(parse_repo_name("org/repo")->revision, "main");
  EXPECT_EQ(parse_repo_name("org/repo@v1.0")->revision, "v1.0");
  EXPECT_EQ(parse_repo_name("hf://org/repo@refs/pr/1")->revision, "refs/pr/1");
  for (const char* bad : {"", "org", "org/", "/repo", "a/b/c", "../x", "org/..", "org/re po",
                          "org/a--b", "org/repo@", "org/repo@../x", "org/repo@/x"}) {
    EXPECT_FALSE(parse_repo_name(bad)) << bad;
  }
}

TEST(RepoName, SafePaths) {
  for (const char* good : {"a", "a/b.json", "a..b", ".hidden"}) EXPECT_TRUE(is_safe_path(good));
  for (const char* bad : {"", "/a", "a/", "a//b", "../a", "a/../b", "a/.", "a\\b"}) {
    EXPECT_FALSE(is_safe_path(bad)) << bad;
  }
}

}  // namespace
}  // namespace quire::cli
