// The files carry no secrets, so they are served to anybody; the page asks for the API key itself.
#include "server/page_endpoint.h"

#include <algorithm>

#include "server/api_error.h"
#include "server/page_assets.h"

namespace quire::server {
namespace {

constexpr std::string_view kIndex = "index.html";
// Trusted Types refuse every way to make markup out of text, also to scripts of our own.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/javascript; charset=utf-8";
}

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// True when a member of the comma-separated list satisfies `wanted`.
template <class F>
bool any_member(std::string_view list, const F& wanted) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (wanted(trim(list.substr(0, comma)))) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool takes_gzip(const HttpRequest& request) {
  const std::string* field = request.field("accept-encoding");
  if (field == nullptr) return false;
  return any_member(*field, [](std::string_view coding) {
    const std::size_t semicolon = std::min(coding.find(';'), coding.size());
    if (trim(coding.substr(0, semicolon)) != "gzip") return false;
    const std::string_view quality = trim(coding.substr(std::min(semicolon + 1, coding.size())));
    return !quality.starts_with("q=0") || quality.find_first_of("123456789") != quality.npos;
  });
}

bool has_already(const HttpRequest& request, std::string_view tag) {
  const std::string* field = request.field("if-none-match");
  if (field == nullptr) return false;
  return any_member(*field, [tag](std::string_view member) {
    if (member.starts_with("W/")) member.remove_prefix(2);
    return member == tag || member == "*";
  });
}

}  // namespace

HttpResponse page_answer(const HttpRequest& request, std::string_view name) {
  if (name.empty()) name = kIndex;
  const auto assets = page_assets();
  const auto asset = std::find_if(assets.begin(), assets.end(),
                                  [name](const PageAsset& it) { return it.name == name; });
  if (asset == assets.end()) {
    return error_response(
        {kPathNotFound, fmt::format("the page has no file {}", name.substr(0, 64))});
  }
  const bool gzip = takes_gzip(request);
  const std::string tag = fmt::format("\"{}{}\"", asset->hash, gzip ? "-gz" : "");
  HttpResponse response;
  response.content_type = type_of(name);
  response.fields = {{"ETag", tag},
                     {"Cache-Control", "no-cache"},
                     {"Vary", "Accept-Encoding"},
                     {"Content-Security-Policy", std::string(kPolicy)},
                     {"X-Content-Type-Options", "nosniff"},
                     {"Referrer-Policy", "no-referrer"},
                     {"Cross-Origin-Opener-Policy", "same-origin"},
                     {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (has_already(request, tag)) {
    response.status = 304;
    return response;
  }
  if (gzip) response.fields.push_back({"Content-Encoding", "gzip"});
  response.body = gzip ? asset->gzipped : asset->plain;
  return response;
}

}  // namespace quire::server
