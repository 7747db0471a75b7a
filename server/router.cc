// Paths are compared byte by byte: //, a trailing slash and %2f are other paths, thus 404.
#include "server/router.h"

#include <algorithm>

#include "server/api_error.h"

namespace quire::server {
namespace {

constexpr std::string_view kId = "{id}";

// What stands before and behind {id} in a pattern that has it.
std::pair<std::string_view, std::string_view> around_id(std::string_view pattern) {
  const std::size_t at = pattern.find(kId);
  return {pattern.substr(0, at), pattern.substr(at + kId.size())};
}

bool matches(const Route& route, std::string_view path) {
  if (route.path.find(kId) == std::string::npos) return route.path == path;
  const auto [before, behind] = around_id(route.path);
  return path.size() > before.size() + behind.size() && path.starts_with(before) &&
         path.ends_with(behind) && path[before.size()] != '/';
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// application/json and structured suffixes, in UTF-8; none at all counts as JSON.
bool is_json(const HttpRequest& request) {
  const std::string* field = request.field("content-type");
  if (field == nullptr) return true;
  std::string value = lower(*field);
  value.erase(std::remove_if(value.begin(), value.end(),
                             [](char c) { return c == ' ' || c == '\t' || c == '"'; }),
              value.end());
  const std::size_t semicolon = std::min(value.find(';'), value.size());
  const std::string type = value.substr(0, semicolon);
  const bool json_type =
      type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
  const std::size_t charset = value.find(";charset=");
  if (charset != std::string::npos) {
    const std::string name = value.substr(charset + 9, value.find(';', charset + 9) - charset - 9);
    if (name != "utf-8" && name != "utf8" && name != "us-ascii") return false;
  }
  return json_type;
}

std::unique_ptr<HttpResponse> refuse(const ErrorKind& kind, std::string message) {
  return std::make_unique<HttpResponse>(error_response({kind, std::move(message)}));
}

std::unique_ptr<HttpResponse> check_body(const HttpRequest& request) {
  const std::string* encoding = request.field("content-encoding");
  if (encoding != nullptr && lower(*encoding) != "identity") {
    return refuse(kMediaType, "request bodies must not be compressed");
  }
  if (!request.has_length) {
    return refuse(kLengthRequired, "a body with Content-Length or chunked is needed");
  }
  if (!is_json(request)) {
    return refuse(kMediaType, "the Content-Type must be application/json in UTF-8");
  }
  return nullptr;
}

}  // namespace

void Router::add(Route route) { routes_.push_back(std::move(route)); }

bool Router::is_public(std::string_view path) const {
  return std::any_of(routes_.begin(), routes_.end(), [path](const Route& route) {
    return route.is_public && matches(route, path);
  });
}

std::string_view Router::pattern(std::string_view path) const {
  for (const Route& route : routes_) {
    if (matches(route, path)) return route.path;
  }
  return "none";
}

const Route* Router::find(const HttpRequest& request,
                          std::unique_ptr<HttpResponse>& refusal) const {
  std::vector<std::string> allowed;
  for (const Route& route : routes_) {
    if (request.path != "*" && !matches(route, request.path)) continue;
    const bool reads = route.method == "GET";
    if (request.path != "*" &&
        (request.method == route.method || (reads && request.method == "HEAD"))) {
      if (route.body == BodyKind::kJson) refusal = check_body(request);
      return refusal == nullptr ? &route : nullptr;
    }
    for (const char* method : {"GET", "HEAD", "POST", "DELETE"}) {
      const bool has = route.method == method || (reads && std::string_view(method) == "HEAD");
      if (has && std::find(allowed.begin(), allowed.end(), method) == allowed.end()) {
        allowed.emplace_back(method);
      }
    }
  }
  if (allowed.empty()) {
    refusal =
        refuse(kPathNotFound, fmt::format("there is nothing at {}", request.path.substr(0, 128)));
    return nullptr;
  }
  allowed.emplace_back("OPTIONS");
  if (request.method == "OPTIONS") {
    refusal = std::make_unique<HttpResponse>();
    refusal->status = 204;
  } else {
    refusal = refuse(kMethodNotAllowed,
                     fmt::format("{} answers {}, not {}", request.path, fmt::join(allowed, ", "),
                                 request.method.substr(0, 32)));
  }
  refusal->fields.push_back({"Allow", fmt::format("{}", fmt::join(allowed, ", "))});
  return nullptr;
}

std::string path_id(std::string_view path, std::string_view pattern) {
  const auto [before, behind] = around_id(pattern);
  const std::string_view id =
      path.substr(before.size(), path.size() - before.size() - behind.size());
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (id[i] == '%' && i + 2 < id.size() && digit(id[i + 1]) >= 0 && digit(id[i + 2]) >= 0) {
      out += static_cast<char>(digit(id[i + 1]) * 16 + digit(id[i + 2]));
      i += 2;
    } else {
      out += id[i];
    }
  }
  return out;
}

}  // namespace quire::server
