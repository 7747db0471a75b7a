// HttpParser over arbitrary bytes: cutting them differently must not change what is understood, and
// no limit may be passed. The first byte chooses how they are cut.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/http_parser.h"

namespace {

using quire::server::HttpLimits;
using quire::server::HttpParser;

constexpr std::size_t kBodyMax = 4096;

struct Parsed {
  HttpParser::State state = HttpParser::State::kHead;
  std::size_t used = 0;
  std::string method, path, query, body;
  int status = 0;

  bool operator==(const Parsed&) const = default;
};

Parsed parse(std::string_view bytes, std::size_t step) {
  HttpLimits limits;
  limits.body_bytes = kBodyMax;
  HttpParser parser(limits);
  Parsed out;
  while (out.used < bytes.size() && parser.state() != HttpParser::State::kDone &&
         parser.state() != HttpParser::State::kFailed) {
    const std::size_t taken = parser.feed(bytes.substr(out.used, step));
    if (taken == 0) break;
    out.used += taken;
  }
  out.state = parser.state();
  if (parser.body_bytes() > kBodyMax) std::abort();
  if (out.state == HttpParser::State::kFailed) {
    out.status = parser.failure().status;
    out.used = 0;  // how much of a refused message was read depends on the cuts
  } else if (out.state == HttpParser::State::kDone) {
    out.method = parser.request().method;
    out.path = parser.request().path;
    out.query = parser.request().query;
    out.body = parser.request().body;
    if (parser.request().fields.size() > limits.field_count) std::abort();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const Parsed whole = parse(bytes, bytes.size());
  const Parsed pieces = parse(bytes, static_cast<std::size_t>(data[0]) % 7 + 1);
  const bool decided = whole.state == HttpParser::State::kDone;
  if (decided != (pieces.state == HttpParser::State::kDone)) std::abort();
  if (decided && !(whole == pieces)) std::abort();
  return 0;
}
