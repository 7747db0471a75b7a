// Names match whole labels: example.org covers a.example.org, not anexample.org.
#include "cli/proxy.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

namespace quire::cli {
namespace {

// The variable in small letters wins, as curl has it.
std::pair<std::string, std::string> variable(std::string name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') {
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    value = std::getenv(name.c_str());
  }
  return {name, value == nullptr ? "" : value};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = static_cast<char>(c | 0x20);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_code = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                         hex_digit(text[i + 2]) >= 0;
    out +=
        is_code ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    if (is_code) i += 2;
  }
  return out;
}

std::string base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") ||
         host == "::1";
}

Result<Proxy> parse_proxy(const std::string& name, std::string_view value) {
  std::string_view rest = value;
  Proxy proxy;
  if (rest.find("://") == std::string_view::npos) {
    // host:port alone is common
  } else if (lower(rest).starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return fail(ErrorCode::kUnsupported,
                "{}: only proxies of the form http://[USER:PASSWORD@]HOST:PORT are supported",
                name);
  }
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    proxy.authorization = "Basic " + base64(percent_decoded(rest.substr(0, at)));
    rest.remove_prefix(at + 1);
  }
  const auto url = parse_url(fmt::format("http://{}", rest));
  if (!url) {
    return fail(ErrorCode::kInvalid, "{} is no http://[USER:PASSWORD@]HOST:PORT", name);
  }
  proxy.host = url->host;
  proxy.port = url->port;
  return proxy;
}

}  // namespace

bool is_listed(const Url& url, std::string_view no_proxy) {
  const std::string host = lower(url.host);
  while (!no_proxy.empty()) {
    const std::size_t end = std::min(no_proxy.find(','), no_proxy.size());
    std::string entry = lower(no_proxy.substr(0, end));
    no_proxy.remove_prefix(std::min(end + 1, no_proxy.size()));
    std::erase(entry, ' ');
    if (entry == "*") return true;
    if (entry.starts_with("*.")) entry.erase(0, 1);
    while (entry.starts_with('.')) entry.erase(0, 1);
    if (entry.ends_with(":" + url.port)) entry.resize(entry.size() - url.port.size() - 1);
    if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
    if (!entry.empty() && (host == entry || host.ends_with("." + entry))) return true;
  }
  return false;
}

Result<std::optional<Proxy>> proxy_for(const Url& url) {
  auto [name, value] = variable(url.scheme + "_proxy");
  if (value.empty()) std::tie(name, value) = variable("all_proxy");
  if (value.empty() || is_this_machine(lower(url.host)) ||
      is_listed(url, variable("no_proxy").second)) {
    return std::nullopt;
  }
  QUIRE_ASSIGN(Proxy proxy, parse_proxy(name, value));
  return proxy;
}

}  // namespace quire::cli
