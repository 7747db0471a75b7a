// The framing table. Expected statuses follow RFC 9110 and 9112, refusing whatever two parsers
// could read differently.
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/version.hpp>
#include <string>
#include <vector>

#include "base/rng.h"
#include "server/http_parser.h"

namespace quire::server {
namespace {

constexpr int kAccepted = 200;

struct Case {
  const char* name;
  std::string bytes;
  int status;
  std::string body = {};
};

std::string post(const std::string& fields, const std::string& rest,
                 const std::string& version = "HTTP/1.1") {
  return fmt::format("POST /x {}\r\nHost: a\r\n{}\r\n{}", version, fields, rest);
}
std::string get(const std::string& target, const std::string& fields = "Host: a\r\n") {
  return fmt::format("GET {} HTTP/1.1\r\n{}\r\n", target, fields);
}
std::string chunked(const std::string& rest) {
  return post("Transfer-Encoding: chunked\r\n", rest);
}

std::vector<Case> accepted_cases() {
  return {
      {"length", post("Content-Length: 5\r\n", "hello"), kAccepted, "hello"},
      {"chunked", chunked("5\r\nhello\r\n0\r\n\r\n"), kAccepted, "hello"},
      {"two chunks", chunked("2\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n"), kAccepted, "hello"},
      {"chunk extension", chunked("5;a=b\r\nhello\r\n0;c\r\n\r\n"), kAccepted, "hello"},
      {"chunked in capitals", post("Transfer-Encoding: Chunked\r\n", "1\r\nx\r\n0\r\n\r\n"),
       kAccepted, "x"},
      {"trailer", chunked("5\r\nhello\r\n0\r\nX-T: v\r\n\r\n"), kAccepted, "hello"},
      {"trailer Authorization", chunked("5\r\nhello\r\n0\r\nAuthorization: Bearer k\r\n\r\n"),
       kAccepted, "hello"},
      {"get", get("/"), kAccepted},
      {"get with body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", kAccepted,
       "hello"},
      {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", kAccepted},
      {"absolute-form", get("http://a/v1/models"), kAccepted},
      {"IPv6 host", get("/", "Host: [::1]:8000\r\n"), kAccepted},
  };
}

std::vector<Case> refused_framings() {
  return {
      {"HTTP/1.0 and chunked", post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "HTTP/1.0"),
       400},
      {"TE gzip, then CL", post("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", "hello"), 400},
      {"CL, then TE gzip", post("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n", "hello"), 400},
      {"TE gzip", post("Transfer-Encoding: gzip\r\n", "helloGET /smuggled"), 501},
      {"TE identity", post("Transfer-Encoding: identity\r\n", "GET /smuggled"), 501},
      {"CL and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
       400},
      {"chunked and CL", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
       400},
      {"equal CLs", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
      {"different CLs", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), 400},
      {"CL list", post("Content-Length: 5, 5\r\n", "hello"), 400},
      {"CL +5", post("Content-Length: +5\r\n", "hello"), 400},
      {"CL 0x5", post("Content-Length: 0x5\r\n", "hello"), 400},
      {"CL -1", post("Content-Length: -1\r\n", "hello"), 400},
      {"CL empty", post("Content-Length:\r\n", "hello"), 400},
      {"CL 2^64+5", post("Content-Length: 18446744073709551621\r\n", "hello"), 400},
      {"CL above the limit", post("Content-Length: 1048577\r\n", ""), 413},
      {"space before the colon", post("Content-Length : 5\r\n", "hello"), 400},
      {"TE chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400},
      {"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400},
      {"TE xchunked", post("Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n", "abc"), 400},
      {"TE empty", post("Transfer-Encoding:\r\n", "abc"), 501},
      {"two TEs", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", ""), 400},
  };
}

std::vector<Case> refused_heads() {
  return {
      {"folded TE", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400},
      {"folded field", get("/", "Host: a\r\nX: b\r\n\tc\r\n"), 400},
      {"bare LF", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello", 400},
      {"bare LF in the head", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
      {"bare CR", get("/", "Host: a\rX: b\r\n"), 400},
      {"NUL in a field", get("/", std::string("Host: a\0b\r\n", 11)), 400},
      {"control character in a field", get("/", "Host: a\r\nX: \x01\r\n"), 400},
      {"field without a name", get("/", "Host: a\r\n: v\r\n"), 400},
      {"field without a colon", get("/", "Host: a\r\nnonsense\r\n"), 400},
      {"no Host", get("/", ""), 400},
      {"two Hosts", get("/", "Host: a\r\nHost: b\r\n"), 400},
      {"empty Host", get("/", "Host:\r\n"), 400},
      {"Host with a path", get("/v1/models", "Host: a/x?y\r\n"), 400},
      {"Host with a user", get("/", "Host: u@a\r\n"), 400},
      {"Host with a bad port", get("/", "Host: a:b\r\n"), 400},
      {"absolute-form of another host", get("http://evil/v1/models"), 400},
      {"absolute-form with a user", get("http://a@a/v1/models"), 400},
      {"authority-form", get("a:80"), 400},
      {"asterisk-form", get("*"), 400},
      {"space in the target", get("/a b"), 400},
      {"high byte in the target", get("/\xff"), 400},
      {"fragment", get("/a#b"), 400},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"no version", "GET /\r\nHost: a\r\n\r\n", 400},
      {"version cut short", "GET / HTT\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"bad method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"leading CR LF", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
  };
}

std::vector<Case> refused_chunks() {
  return {
      {"chunk of 17 digits", chunked("FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk of 2^64-1", chunked("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), 413},
      {"chunk size of 40 zeros", chunked(std::string(40, '0') + "\r\n\r\n"), 400},
      {"host in a trailer", chunked("5\r\nhello\r\n0\r\nHost: b\r\n\r\n"), 400},
      {"chunk above the limit", chunked("100001\r\nhello"), 413},
      {"chunk line with LF only", chunked("5\nhello\r\n0\r\n\r\n"), 400},
      {"chunk extension with LF", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk longer than its size", chunked("5\r\nhelloXX0\r\n\r\n"), 400},
      {"chunk 0x5", chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk with a space", chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk -1", chunked("-1\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk without a size", chunked("\r\nhello\r\n0\r\n\r\n"), 400},
      {"trailer CL", chunked("5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n"), 400},
      {"folded trailer", chunked("5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n"), 400},
      {"malformed trailer", chunked("5\r\nhello\r\n0\r\nA b\r\n\r\n"), 400},
      {"unknown Expect", post("Content-Length: 5\r\nExpect: tea\r\n", "hello"), 417},
  };
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (auto* part : {accepted_cases, refused_framings, refused_heads, refused_chunks}) {
    for (Case& one : part()) all.push_back(std::move(one));
  }
  return all;
}

HttpLimits small_limits() {
  HttpLimits limits;
  limits.body_bytes = 1u << 20;
  return limits;
}

struct Outcome {
  int status = 0;  // 200 accepted, 0 wants more
  std::string body;
  std::size_t used = 0;
};

Outcome parse(const std::string& bytes, const std::vector<std::size_t>& cuts = {}) {
  const HttpLimits limits = small_limits();
  HttpParser parser(limits);
  Outcome outcome;
  std::size_t begin = 0;
  std::vector<std::size_t> ends = cuts;
  ends.push_back(bytes.size());
  for (const std::size_t end : ends) {
    std::string_view piece = std::string_view(bytes).substr(begin, end - begin);
    begin = end;
    while (!piece.empty() && parser.state() < HttpParser::State::kDone) {
      const std::size_t used = parser.feed(piece);
      outcome.used += used;
      piece.remove_prefix(used);
    }
  }
  if (parser.state() == HttpParser::State::kFailed) outcome.status = parser.failure().status;
  if (parser.state() == HttpParser::State::kDone) {
    outcome.status = kAccepted;
    outcome.body = parser.request().body;
  }
  return outcome;
}

TEST(HttpFraming, TableOfMessages) {
  for (const Case& one : cases()) {
    const Outcome outcome = parse(one.bytes);
    EXPECT_EQ(outcome.status, one.status) << one.name;
    EXPECT_EQ(outcome.body, one.body) << one.name;
    const std::size_t taken = one.status == kAccepted ? one.bytes.size() : outcome.used;
    EXPECT_EQ(outcome.used, taken) << one.name;
  }
}

TEST(HttpFraming, CutsDoNotMatter) {
  Rng rng(3);
  for (const Case& one : cases()) {
    std::vector<std::size_t> every_byte;
    for (std::size_t i = 1; i < one.bytes.size(); ++i) every_byte.push_back(i);
    EXPECT_EQ(parse(one.bytes, every_byte).status, one.status) << one.name;
    EXPECT_EQ(parse(one.bytes, every_byte).body, one.body) << one.name;
    for (int round = 0; round < 5; ++round) {
      const std::size_t cut = 1 + rng.below(one.bytes.size() - 1);
      EXPECT_EQ(parse(one.bytes, {cut}).status, one.status) << one.name << " cut at " << cut;
    }
  }
}

TEST(HttpFraming, NothingBehindTheMessageIsTaken) {
  for (const Case& one : cases()) {
    if (one.status != kAccepted) continue;
    const Outcome outcome = parse(one.bytes + "GET /next HTTP/1.1\r\n");
    EXPECT_EQ(outcome.status, kAccepted) << one.name;
    EXPECT_EQ(outcome.used, one.bytes.size()) << one.name;
  }
}

// The parser is Beast's with checks around it: what Beast alone takes shows that the checks are
// needed.
TEST(HttpFraming, BeastAloneAcceptsMore) {
  namespace http = boost::beast::http;
  std::vector<std::string> taken;
  for (const Case& one : cases()) {
    http::request_parser<http::string_body> parser;
    parser.eager(true);
    parser.body_limit(1u << 20);
    boost::beast::error_code error;
    std::size_t used = 0;
    while (used < one.bytes.size() && !parser.is_done() && !error) {
      used +=
          parser.put(boost::asio::buffer(one.bytes.data() + used, one.bytes.size() - used), error);
    }
    if (one.status == kAccepted) {
      EXPECT_TRUE(parser.is_done()) << one.name << ": " << error.message();
      EXPECT_EQ(parser.get().body(), one.body) << one.name;
    } else if (parser.is_done() && !error) {
      taken.push_back(one.name);
    }
  }
  EXPECT_GE(taken.size(), 13u) << fmt::format("Beast " BOOST_LIB_VERSION " has grown stricter: {}",
                                              fmt::join(taken, ", "));
}

TEST(HttpFraming, LimitsOfTheHead) {
  const auto fields = [](std::size_t count) {
    std::string text = "Host: a\r\n";
    for (std::size_t i = 1; i < count; ++i) text += "a: b\r\n";
    return text;
  };
  EXPECT_EQ(parse(get("/", fields(100))).status, kAccepted);
  EXPECT_EQ(parse(get("/", fields(101))).status, 431);
  EXPECT_EQ(parse(get(std::string(8192, '/'))).status, kAccepted);
  EXPECT_EQ(parse(get(std::string(8193, '/'))).status, 414);
  EXPECT_EQ(parse(get(std::string(100'000, '/'))).status, 414);
  const auto head_of = [](std::size_t bytes) {
    const std::size_t frame = get("/", "Host: a\r\nX: \r\n").size();
    return get("/", fmt::format("Host: a\r\nX: {}\r\n", std::string(bytes - frame, 'x')));
  };
  EXPECT_EQ(parse(head_of(16384)).status, kAccepted);
  EXPECT_EQ(parse(head_of(16385)).status, 431);
}

TEST(HttpFraming, LimitsOfTheBody) {
  const auto extended = [](std::size_t bytes) {
    return chunked(fmt::format("1;{}\r\nx\r\n0\r\n\r\n", std::string(bytes - 1, 'e')));
  };
  EXPECT_EQ(parse(extended(8192)).status, kAccepted);
  EXPECT_EQ(parse(extended(8193)).status, 400);
  std::string trailers;
  for (int i = 0; i < 20'000; ++i) trailers += "t: v\r\n";
  EXPECT_EQ(parse(chunked(fmt::format("1\r\nx\r\n0\r\n{}\r\n", trailers))).status, 431);
  EXPECT_EQ(parse(post("Content-Length: 1048576\r\n", std::string(1048576, 'x'))).status,
            kAccepted);
}

TEST(HttpFraming, ExtensionsOfManyChunksCountTogether) {
  std::string body;
  for (int i = 0; i < 100; ++i) body += fmt::format("1;{}\r\nx\r\n", std::string(100, 'e'));
  EXPECT_EQ(parse(chunked(body + "0\r\n\r\n")).status, 400);
}

TEST(HttpFraming, OneByteChunksAreCheap) {
  std::string body;
  for (int i = 0; i < 300'000; ++i) body += "1\r\nx\r\n";
  EXPECT_EQ(parse(chunked(body + "0\r\n\r\n")).body.size(), 300'000u);
}

}  // namespace
}  // namespace quire::server
