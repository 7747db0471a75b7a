// A small HTTP/1.1 client over plain sockets or TLS: one call, one connection.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace quire::cli {

struct Url {
  std::string scheme, host, port, path;  // http or https; path begins with / and has the query
  std::string authority() const;         // host, and the port unless it is the scheme's own
};
Result<Url> parse_url(std::string_view text);
// The URL that a Location field of a page at `base` means.
Result<Url> resolve_location(const Url& base, std::string_view location);

struct HttpCall {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  double silence_s = 30;     // longest wait for the next bytes
  std::string ca_file = {};  // authorities of certificates (PEM); empty: the system's
  const std::atomic<bool>* cancelled = nullptr;
  // Redirects to other hosts are followed without the Authorization field. False: a redirect that
  // names its host is the answer, as the hub redirects to the storage of a large file.
  bool follows_elsewhere = true;
};

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;                           // what no sink took
  std::string field(const std::string& name) const;
};

// Takes the bytes of a 2xx body as they come; its error ends the call and is returned.
using BodySink = std::function<Status(const HttpReply& head, std::string_view bytes)>;

// kIo: the connection failed or was cut off; kCancelled: `cancelled` became true. A status that is
// no success is a reply.
Result<HttpReply> http_call(const HttpCall& call, const BodySink& sink = {});

}  // namespace quire::cli
