// Beast parses; the connection and the redirects are ours.
#include "cli/http_client.h"

#include <algorithm>
#include <array>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "cli/connection.h"
#include "cli/proxy.h"

namespace quire::cli {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr int kRedirectsMax = 8;
constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kErrorBodyMax = 1 << 20;  // of what no sink takes
constexpr std::size_t kBodyMax = 64 << 20;

bool equal_names(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// One request and its answer.
class Exchange {
 public:
  Exchange(const HttpCall& call, const Url& url, const BodySink& sink)
      : call_(call), url_(url), sink_(sink) {
    parser_.body_limit(boost::none);
    parser_.header_limit(64 << 10);
    parser_.skip(call.method == "HEAD");
  }

  Result<HttpReply> run(bool with_authorization) {
    QUIRE_ASSIGN(proxy_, proxy_for(url_));
    Endpoint endpoint{url_.host, url_.port, url_.scheme == "https", call_.ca_file};
    endpoint.proxy = proxy_ ? &*proxy_ : nullptr;
    endpoint.silence_s = call_.silence_s;
    endpoint.cancelled = call_.cancelled;
    QUIRE_ASSIGN(connection_, Connection::open(endpoint));
    QUIRE_TRY(connection_->write(request_text(with_authorization)));
    while (!parser_.is_done()) QUIRE_TRY(advance());
    if (!has_head_) take_head();
    return std::move(reply_);
  }

 private:
  // A proxy reads the request itself; through its tunnel it sees none.
  bool is_relayed() const { return proxy_ && url_.scheme == "http"; }

  std::string request_text(bool with_authorization) const {
    std::string out = fmt::format(
        "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n"
        "User-Agent: quire\r\nAccept-Encoding: identity\r\n",
        call_.method, is_relayed() ? "http://" + url_.authority() + url_.path : url_.path,
        url_.authority());
    if (is_relayed() && !proxy_->authorization.empty()) {
      out += fmt::format("Proxy-Authorization: {}\r\n", proxy_->authorization);
    }
    for (const auto& [name, value] : call_.fields) {
      if (!with_authorization && equal_names(name, "authorization")) continue;
      out += fmt::format("{}: {}\r\n", name, value);
    }
    if (!call_.body.empty()) out += fmt::format("Content-Length: {}\r\n", call_.body.size());
    return out + "\r\n" + call_.body;
  }

  void take_head() {
    has_head_ = true;
    reply_.status = static_cast<int>(parser_.get().result_int());
    for (const auto& field : parser_.get()) {
      reply_
          .fields[lower(std::string_view(field.name_string().data(), field.name_string().size()))] =
          std::string(field.value());
    }
  }

  Status advance() {
    boost::system::error_code error;
    if (parser_.is_header_done() && !has_head_) take_head();
    std::array<char, kReadBytes> block;
    parser_.get().body().data = block.data();
    parser_.get().body().size = block.size();
    parser_.get().body().more = true;
    bool needs_input = input_.size() == 0;
    if (!needs_input) {
      input_.consume(parser_.put(input_.data(), error));
      if (parser_.is_header_done() && !has_head_) take_head();
      QUIRE_TRY(deliver({block.data(), block.size() - parser_.get().body().size}));
      needs_input = error == http::error::need_more;
      if (error && error != http::error::need_more && error != http::error::need_buffer) {
        return cut_off(error.message());
      }
    }
    if (parser_.is_done() || !needs_input) return {};
    const auto space = input_.prepare(kReadBytes);
    QUIRE_ASSIGN(const std::size_t count,
                 connection_->read({static_cast<char*>(space.data()), space.size()}));
    input_.commit(count);
    if (count > 0) return {};
    error = {};
    parser_.put_eof(error);
    return error ? cut_off("the answer was cut off") : Status{};
  }

  Status cut_off(std::string_view why) const {
    return fail(ErrorCode::kIo, "{}: {}", url_.authority(), why);
  }

  Status deliver(std::string_view bytes) {
    if (bytes.empty()) return {};
    const bool good = reply_.status / 100 == 2;
    if (good && sink_) return sink_(reply_, bytes);
    const std::size_t limit = good ? kBodyMax : kErrorBodyMax;
    if (reply_.body.size() + bytes.size() > limit) {
      return good ? cut_off(fmt::format("the answer exceeds {} bytes", limit)) : Status{};
    }
    reply_.body += bytes;
    return {};
  }

  const HttpCall& call_;
  const Url& url_;
  const BodySink& sink_;
  std::optional<Proxy> proxy_;
  std::unique_ptr<Connection> connection_;
  beast::flat_buffer input_;
  http::response_parser<http::buffer_body> parser_;
  bool has_head_ = false;
  HttpReply reply_;
};

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

std::string Url::authority() const {
  const bool is_own = (scheme == "https" && port == "443") || (scheme == "http" && port == "80");
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return is_own ? name : name + ":" + port;
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  std::string_view rest = text;
  const std::size_t colon = rest.find("://");
  if (colon != std::string_view::npos) {
    url.scheme = lower(rest.substr(0, colon));
    rest.remove_prefix(colon + 3);
  }
  if (url.scheme != "http" && url.scheme != "https") {
    return fail(ErrorCode::kInvalid, "the URL \"{}\" must begin with http:// or https://", text);
  }
  const std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, slash);
  url.path = rest.substr(slash);
  url.path = url.path.substr(0, url.path.find('#'));
  if (url.path.empty() || url.path.front() != '/') url.path.insert(0, "/");
  const bool is_clean = std::ranges::all_of(text, [](char c) { return c > ' ' && c != 127; });
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos || !is_clean) {
    return fail(ErrorCode::kInvalid, "the URL \"{}\" has a user name or blanks",
                is_clean ? "" : text);
  }
  url.port = url.scheme == "https" ? "443" : "80";
  const std::size_t bracket = authority.find(']');
  const std::size_t port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (port != std::string_view::npos) {
    url.port = authority.substr(port + 1);
    authority = authority.substr(0, port);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) {
    authority = authority.substr(1, authority.size() - 2);
  }
  url.host = authority;
  const bool is_number = !url.port.empty() && url.port.size() <= 5 &&
                         std::ranges::all_of(url.port, [](char c) { return c >= '0' && c <= '9'; });
  if (url.host.empty() || !is_number) {
    return fail(ErrorCode::kInvalid, "the URL \"{}\" has no host or a bad port", text);
  }
  return url;
}

Result<Url> resolve_location(const Url& base, std::string_view location) {
  if (location.find("://") != std::string_view::npos) return parse_url(location);
  if (location.starts_with("//")) return parse_url(fmt::format("{}:{}", base.scheme, location));
  Url url = base;
  if (location.starts_with('/')) {
    url.path = location;
  } else {
    url.path = fmt::format("{}{}", base.path.substr(0, base.path.rfind('/') + 1), location);
  }
  return url;
}

std::string HttpReply::field(const std::string& name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

Result<HttpReply> http_call(const HttpCall& call, const BodySink& sink) {
  QUIRE_ASSIGN(const Url first, parse_url(call.url));
  Url url = first;
  for (int hop = 0; hop <= kRedirectsMax; ++hop) {
    const bool is_home = url.scheme == first.scheme && url.authority() == first.authority();
    QUIRE_ASSIGN(HttpReply reply, Exchange(call, url, sink).run(is_home));
    const std::string location = reply.field("location");
    if (!is_redirect(reply.status) || location.empty()) return reply;
    QUIRE_ASSIGN(Url next, resolve_location(url, location));
    if (url.scheme == "https" && next.scheme == "http") {
      return fail(ErrorCode::kIo, "{} redirects from https to http: refused", url.authority());
    }
    const bool is_relative = location.find("//") == std::string::npos;
    if (!call.follows_elsewhere && !is_relative) return reply;
    url = std::move(next);
  }
  return fail(ErrorCode::kIo, "{}: more than {} redirects", call.url, kRedirectsMax);
}

}  // namespace quire::cli
