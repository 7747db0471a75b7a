// Boost.Beast reads the grammar; what it leaves open (RFC 9112 lets two parsers frame it
// differently) is refused here: before Beast sees the header section, in its callbacks, and by
// bounds on what it waits for.
#include "server/http_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <optional>
#include <utility>

namespace quire::server {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using BeastError = boost::beast::error_code;
using Failure = tl::unexpected<HttpFailure>;

Failure refused(int status, std::string message) {
  return Failure(HttpFailure{status, std::move(message)});
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// host or host:port; no user, path or query can hide in it.
bool is_authority(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = text.substr(1, close - 1);
    if (host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return false;
    if (!rest.empty()) port = rest.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    const bool good = std::all_of(host.begin(), host.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '.' || c == '-' || c == '_' || c == '~';
    });
    if (!good) return false;
  }
  return !host.empty() && port.size() <= 5 &&
         port.find_first_not_of("0123456789") == std::string_view::npos;
}

// Splits the target into path and query. Absolute-form gives its authority as well.
tl::expected<std::string, HttpFailure> split_target(std::string_view target, HttpRequest& request) {
  std::string authority;
  if (target == "*") {
    if (request.method != "OPTIONS") return refused(400, "target * belongs to OPTIONS");
    request.path = std::string(target);
    return authority;
  }
  if (target.front() != '/') {
    const std::string scheme = lower(target.substr(0, 8));
    const std::size_t skip = scheme.starts_with("http://")    ? 7
                             : scheme.starts_with("https://") ? 8
                                                              : 0;
    if (skip == 0) return refused(400, "request target is neither a path nor an http URL");
    target.remove_prefix(skip);
    const std::size_t end = std::min(target.find_first_of("/?"), target.size());
    authority = lower(target.substr(0, end));
    if (!is_authority(authority)) return refused(400, "malformed authority in the request target");
    target.remove_prefix(end);
  }
  const std::size_t mark = std::min(target.find('?'), target.size());
  request.path = std::string(target.substr(0, mark));
  if (request.path.empty()) request.path.push_back('/');
  if (mark < target.size()) request.query = target.substr(mark + 1);
  return authority;
}

// How the body is delimited. RFC 9112 section 6.3, refusing every combination instead of ranking.
tl::expected<void, HttpFailure> check_framing(const HttpLimits& limits, HttpRequest& request) {
  int lengths = 0;
  int encodings = 0;
  std::string_view length;
  std::string encoding;
  for (const HttpField& field : request.fields) {
    if (field.name == "content-length") {
      ++lengths;
      length = field.value;
    } else if (field.name == "transfer-encoding") {
      ++encodings;
      encoding = lower(field.value);
    }
  }
  if (lengths > 1) return refused(400, "more than one Content-Length");
  if (lengths > 0 && encodings > 0) {
    return refused(400, "Content-Length and Transfer-Encoding exclude each other");
  }
  if (encodings > 0) {
    if (request.version_minor == 0) {
      return refused(400, "HTTP/1.0 has no Transfer-Encoding");
    }
    if (encodings > 1 || encoding.find(',') != std::string::npos) {
      return refused(400, "more than one Transfer-Encoding");
    }
    if (encoding != "chunked") return refused(501, "the only Transfer-Encoding spoken is chunked");
  }
  if (lengths > 0) {
    if (length.empty() || length.find_first_not_of("0123456789") != std::string_view::npos) {
      return refused(400, "malformed Content-Length");
    }
    std::size_t bytes = 0;
    const auto end = std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (end.ec != std::errc()) return refused(400, "Content-Length overflows");
    if (bytes > limits.body_bytes) {
      return refused(413, fmt::format("body of {} bytes exceeds {}", bytes, limits.body_bytes));
    }
  }
  request.has_length = lengths + encodings > 0;
  return {};
}

tl::expected<void, HttpFailure> check_host(const HttpRequest& request,
                                           const std::string& authority) {
  const std::string* host = nullptr;
  for (const HttpField& field : request.fields) {
    if (field.name != "host") continue;
    if (host != nullptr) return refused(400, "more than one Host");
    host = &field.value;
  }
  if (host == nullptr) {
    if (request.version_minor == 0) return {};
    return refused(400, "Host is missing");
  }
  if (!is_authority(*host)) return refused(400, "malformed Host");
  if (!authority.empty() && authority != lower(*host)) {
    return refused(400, "the authority of the request target is not that of Host");
  }
  return {};
}

// Connection and Expect.
tl::expected<void, HttpFailure> read_connection(HttpRequest& request) {
  request.keep_alive = request.version_minor == 1;
  for (const HttpField& field : request.fields) {
    const std::string value = lower(field.value);
    if (field.name == "connection") {
      for (std::size_t begin = 0; begin <= value.size();) {
        const std::size_t end = std::min(value.find(',', begin), value.size());
        const std::string_view option = trim(std::string_view(value).substr(begin, end - begin));
        if (option == "close") request.keep_alive = false;
        if (option == "keep-alive" && request.version_minor == 0) request.keep_alive = true;
        begin = end + 1;
      }
    } else if (field.name == "expect") {
      if (value != "100-continue") return refused(417, "the only Expect known is 100-continue");
      request.expects_continue = request.version_minor == 1;
    }
  }
  return {};
}

// The lines of a header or trailer section, before Beast unfolds them: each ends in CR LF, none
// begins with a space.
tl::expected<void, HttpFailure> check_lines(std::string_view section) {
  for (std::size_t i = 0; i < section.size(); ++i) {
    const char c = section[i];
    const bool ended = c != '\n' || (i > 0 && section[i - 1] == '\r');
    const bool whole = c != '\r' || (i + 1 < section.size() && section[i + 1] == '\n');
    if (!ended || !whole || c == '\0')
      return refused(400, "bare CR, LF or NUL in the header section");
    if (c == '\n' && i + 1 < section.size() && (section[i + 1] == ' ' || section[i + 1] == '\t')) {
      return refused(400, "header fields must not be folded");
    }
  }
  return {};
}

// What a Beast error is in HTTP.
HttpFailure failure_of(const BeastError& error, const HttpLimits& limits, std::string_view line) {
  if (error == http::error::body_limit) {
    return {413, fmt::format("body exceeds {} bytes", limits.body_bytes)};
  }
  if (error == http::error::bad_version) {
    const std::size_t last = line.rfind(' ');
    const bool is_http = last != std::string_view::npos && line.find(' ') != last &&
                         line.find(' ', line.find(' ') + 1) == last &&
                         line.substr(last + 1).starts_with("HTTP/");
    return {is_http ? 505 : 400, "only HTTP/1.1 and HTTP/1.0 are spoken"};
  }
  return {400, fmt::format("malformed message: {}", error.message())};
}

}  // namespace

const std::string* HttpRequest::field(std::string_view name) const {
  for (const HttpField& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

// Beast's callbacks. Ours run before Beast acts on a section, and set failure_ and any error to
// stop it.
class HttpParser::Grammar final : public http::basic_parser<true> {
 public:
  explicit Grammar(const HttpLimits& limits) : limits_(limits) {
    eager(true);
    header_limit(static_cast<std::uint32_t>(limits.head_bytes + limits.chunk_extra_bytes));
    body_limit(limits.body_bytes);
  }

  // Bytes that Beast took; the rest must come again, with more behind it.
  std::size_t take(std::string_view bytes) {
    line_ = bytes.data();
    end_ = bytes.data() + bytes.size();
    BeastError error;
    const std::size_t used = put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    if (error && error != http::error::need_more && !failure_) {
      failure_ = failure_of(error, limits_, bytes.substr(0, bytes.find('\r')));
    }
    return used;
  }

  HttpRequest request;
  const std::optional<HttpFailure>& failure() const { return failure_; }

 private:
  void stop(HttpFailure failure, BeastError& error) {
    failure_ = std::move(failure);
    error = http::error::bad_value;
  }
  void check(const tl::expected<void, HttpFailure>& good, BeastError& error) {
    if (!good) stop(good.error(), error);
  }

  void on_request_impl(http::verb, string_view method, string_view target, int version,
                       BeastError& error) override {
    const std::string_view text(target.data(), target.size());
    const bool printable = std::all_of(text.begin(), text.end(),
                                       [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
    if (text.size() > limits_.target_bytes) {
      return stop({414, fmt::format("request target exceeds {} bytes", limits_.target_bytes)},
                  error);
    }
    if (text.empty() || !printable) return stop({400, "malformed request target"}, error);
    request.method = std::string(method.data(), method.size());
    request.version_minor = version % 10;
    auto authority = split_target(text, request);
    if (!authority) return stop(authority.error(), error);
    authority_ = *authority;
  }
  void on_field_impl(http::field, string_view name, string_view value, BeastError& error) override {
    const std::string known = lower({name.data(), name.size()});
    if (in_trailer_) {
      if (known == "host") stop({400, "field host is not allowed in a trailer"}, error);
      return;
    }
    if (request.fields.size() >= limits_.field_count) {
      return stop({431, fmt::format("more than {} header fields", limits_.field_count)}, error);
    }
    request.fields.push_back({known, std::string(trim({value.data(), value.size()}))});
  }
  void on_header_impl(BeastError& error) override {
    check(check_host(request, authority_), error);
    if (!error) check(check_framing(limits_, request), error);
    if (!error) check(read_connection(request), error);
  }
  void on_chunk_header_impl(std::uint64_t size, string_view extensions,
                            BeastError& error) override {
    const auto frame = static_cast<std::size_t>(extensions.data() - line_);
    if (frame > kChunkFrameBytes / 2) return stop({400, "malformed chunk size"}, error);
    extension_bytes_ += extensions.size();
    if (extension_bytes_ > limits_.chunk_extra_bytes) {
      return stop({400, fmt::format("chunk extensions exceed {} bytes", limits_.chunk_extra_bytes)},
                  error);
    }
    if (size > 0) return;
    in_trailer_ = true;
    std::string_view trailer(
        extensions.data() + extensions.size(),
        static_cast<std::size_t>(end_ - extensions.data()) - extensions.size());
    trailer = trailer.substr(0, trailer.find("\r\n\r\n") + 4);
    if (extension_bytes_ + trailer.size() - 4 > limits_.chunk_extra_bytes) {
      return stop({431, fmt::format("trailers exceed {} bytes", limits_.chunk_extra_bytes)}, error);
    }
    check(check_lines(trailer), error);
  }
  std::size_t on_body_impl(string_view body, BeastError&) override {
    request.body.append(body.data(), body.size());
    return body.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, BeastError& error) override {
    line_ = body.data() + body.size();
    return on_body_impl(body, error);
  }
  void on_response_impl(int, string_view, int, BeastError&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  void on_finish_impl(BeastError&) override {}

  const HttpLimits& limits_;
  const char* line_ = nullptr;  // where the next chunk's line begins
  const char* end_ = nullptr;   // of the bytes that are being taken
  std::string authority_;       // of an absolute-form target
  std::size_t extension_bytes_ = 0;
  bool in_trailer_ = false;
  std::optional<HttpFailure> failure_;
};

HttpParser::HttpParser(const HttpLimits& limits)
    : limits_(&limits), grammar_(std::make_unique<Grammar>(limits)) {}
HttpParser::HttpParser(HttpParser&&) noexcept = default;
HttpParser& HttpParser::operator=(HttpParser&&) noexcept = default;
HttpParser::~HttpParser() = default;

HttpRequest& HttpParser::request() { return grammar_->request; }
std::size_t HttpParser::body_bytes() const { return grammar_->request.body.size(); }

std::size_t HttpParser::feed(std::string_view bytes) {
  std::size_t used = 0;
  if (state_ == State::kHead) used = feed_head(bytes);
  if (state_ == State::kBody) used += feed_body(bytes.substr(used));
  return used;
}

std::size_t HttpParser::feed_head(std::string_view bytes) {
  const std::size_t before = pending_.size();
  pending_.append(bytes.substr(0, limits_->head_bytes + 1 - std::min(before, limits_->head_bytes)));
  const std::size_t from = before < 3 ? 0 : before - 3;
  const std::size_t end = pending_.find("\r\n\r\n", from);
  if (end != std::string::npos && end + 4 <= limits_->head_bytes) {
    pending_.resize(end + 4);
    finish_head();
    return end + 4 - before;
  }
  // A line end without CR can never become a good head: do not wait for more.
  const std::size_t line_feed = pending_.find('\n', from);
  if (line_feed != std::string::npos && (line_feed == 0 || pending_[line_feed - 1] != '\r')) {
    refuse({400, "line of the header section does not end in CR LF"});
  } else if (pending_.size() > limits_->head_bytes) {
    const bool line_open = pending_.find("\r\n") == std::string::npos;
    refuse(line_open && pending_.find(' ') < limits_->target_bytes
               ? HttpFailure{414,
                             fmt::format("request target exceeds {} bytes", limits_->target_bytes)}
               : HttpFailure{431,
                             fmt::format("header section exceeds {} bytes", limits_->head_bytes)});
  }
  return bytes.size();
}

void HttpParser::finish_head() {
  if (auto good = check_lines(pending_); !good) return refuse(good.error());
  const std::size_t used = grammar_->take(pending_);
  // Beast would wait for the rest of a line that is too short, and take it from behind the section.
  if (!grammar_->failure() && (used != pending_.size() || !grammar_->is_header_done())) {
    return refuse({400, "malformed request line"});
  }
  pending_.clear();
  state_ = State::kBody;
  settle();
}

// Beast waits for whole lines and whole trailer sections: what it has not taken is kept, and
// bounded.
std::size_t HttpParser::feed_body(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const std::size_t before = pending_.size();
  pending_.append(bytes);
  const std::size_t used = grammar_->take(pending_);
  settle();
  if (state_ == State::kDone) {
    pending_.clear();
    return used - before;
  }
  pending_.erase(0, used);
  if (state_ == State::kBody && pending_.size() > limits_->chunk_extra_bytes + kChunkFrameBytes) {
    refuse({431, fmt::format("chunk extensions and trailers exceed {} bytes",
                             limits_->chunk_extra_bytes)});
  }
  return bytes.size();
}

void HttpParser::settle() {
  if (grammar_->failure()) {
    refuse(*grammar_->failure());
  } else if (grammar_->is_done()) {
    state_ = State::kDone;
  }
}

void HttpParser::refuse(HttpFailure failure) {
  failure_ = std::move(failure);
  state_ = State::kFailed;
}

}  // namespace quire::server
