// A presented key is hashed before it is compared, so that lengths and beginnings do not matter.
#include "server/access.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <fstream>

#include "server/api_error.h"
#include "server/settings.h"

namespace quire::server {
namespace {

constexpr std::size_t kKeyBytesMax = 512;
constexpr ErrorKind kNoKey{401, "invalid_request_error", "invalid_api_key"};
constexpr ErrorKind kForeignHost{403, "invalid_request_error", "host_not_allowed"};

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// Authorization: Bearer KEY as OpenAI's clients send it, x-api-key: KEY as Anthropic's do.
std::string_view presented_key(const HttpRequest& request) {
  constexpr std::string_view kBearer = "bearer ";
  if (const std::string* field = request.field("authorization")) {
    const std::string_view value = *field;
    if (value.size() > kBearer.size() &&
        equal_ignoring_case(value.substr(0, kBearer.size()), kBearer)) {
      return trimmed(value.substr(kBearer.size()));
    }
  }
  const std::string* field = request.field("x-api-key");
  return field != nullptr ? trimmed(*field) : std::string_view();
}

bool is_known_host(const std::vector<std::string>& hosts, std::string_view value) {
  const std::size_t colon = value.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (value.front() != '[' || value[colon - 1] == ']');
  const std::string_view name = has_port ? value.substr(0, colon) : value;
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
    return equal_ignoring_case(host, name) || equal_ignoring_case(fmt::format("[{}]", host), name);
  });
}

// The request's origin when its page may read the answer, else null.
const std::string* allowed_origin(const AccessRules& rules, const HttpRequest& request) {
  const std::string* origin = request.field("origin");
  if (origin == nullptr) return nullptr;
  const bool allowed =
      std::any_of(rules.origins.begin(), rules.origins.end(),
                  [&](const std::string& known) { return known == "*" || known == *origin; });
  return allowed ? origin : nullptr;
}

}  // namespace

Status ApiKeys::add(std::string_view key) {
  if (key.empty() || key.size() > kKeyBytesMax) {
    return fail_at("api-key", ErrorCode::kInvalid,
                   "an API key must have 1 to {} bytes, one of those given has {}", kKeyBytesMax,
                   key.size());
  }
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  if (std::find(digests_.begin(), digests_.end(), digest) == digests_.end()) {
    digests_.push_back(digest);
  }
  return {};
}

Status ApiKeys::add_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_at("api-key-file", ErrorCode::kIo, "cannot read --api-key-file {}", path);
  std::size_t count = 0;
  for (std::string line; std::getline(file, line);) {
    const std::string_view key = trimmed(line);
    if (key.empty() || key.front() == '#') continue;
    QUIRE_TRY(add(key));
    ++count;
  }
  if (count == 0) {
    return fail_at("api-key-file", ErrorCode::kInvalid, "--api-key-file {} holds no key", path);
  }
  return {};
}

bool ApiKeys::accepts(std::string_view key) const {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  int matches = 0;
  for (const Digest& known : digests_) {
    matches |= CRYPTO_memcmp(known.data(), digest.data(), digest.size()) == 0 ? 1 : 0;
  }
  return matches != 0;
}

Result<AccessRules> load_access(const Settings& settings) {
  AccessRules rules;
  for (const std::string& key : settings.api_keys) QUIRE_TRY(rules.keys.add(trimmed(key)));
  if (!settings.api_key_file.empty()) QUIRE_TRY(rules.keys.add_file(settings.api_key_file));
  rules.origins = settings.allowed_origins;
  rules.hosts = settings.allowed_hosts;
  return rules;
}

std::unique_ptr<HttpResponse> check_access(const AccessRules& rules, const HttpRequest& request,
                                           bool is_public) {
  const std::string* host = request.field("host");
  if (!rules.hosts.empty() && (host == nullptr || !is_known_host(rules.hosts, *host))) {
    return std::make_unique<HttpResponse>(error_response(
        {kForeignHost, "this server does not answer to that Host; see --allowed-hosts"}));
  }
  if (is_public || rules.keys.empty()) return nullptr;
  if (rules.keys.accepts(presented_key(request))) return nullptr;
  auto refusal = std::make_unique<HttpResponse>(error_response(
      {kNoKey, "a valid API key is needed, as Authorization: Bearer KEY or x-api-key: KEY"}));
  refusal->fields.push_back({"WWW-Authenticate", "Bearer"});
  return refusal;
}

std::unique_ptr<HttpResponse> answer_preflight(const AccessRules& rules,
                                               const HttpRequest& request) {
  if (request.method != "OPTIONS" || allowed_origin(rules, request) == nullptr ||
      request.field("access-control-request-method") == nullptr) {
    return nullptr;
  }
  auto response = std::make_unique<HttpResponse>();
  response->status = 204;
  response->fields.push_back({"Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE, OPTIONS"});
  const std::string* wanted = request.field("access-control-request-headers");
  response->fields.push_back({"Access-Control-Allow-Headers",
                              wanted != nullptr ? *wanted : "authorization, content-type"});
  response->fields.push_back({"Access-Control-Max-Age", "600"});
  return response;
}

void add_cors_fields(const AccessRules& rules, const HttpRequest& request, HttpResponse& response) {
  if (rules.origins.empty()) return;
  response.fields.push_back({"Vary", "Origin"});
  const std::string* origin = allowed_origin(rules, request);
  if (origin == nullptr) return;
  response.fields.push_back({"Access-Control-Allow-Origin", *origin});
  response.fields.push_back(
      {"Access-Control-Expose-Headers", "x-request-id, retry-after, openai-processing-ms"});
}

}  // namespace quire::server
