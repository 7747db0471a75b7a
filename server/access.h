// Who may ask: API keys, the origins of browsers, the names this server answers to.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "server/http_types.h"

namespace quire::server {

struct Settings;

// A set of keys of which only digests are kept. Empty: no key is needed.
class ApiKeys {
 public:
  // kInvalid for an empty or overlong key, without repeating it.
  Status add(std::string_view key);
  // One key a line; blank lines and lines that begin with # are none. kInvalid for a file without
  // any key.
  Status add_file(const std::string& path);

  bool empty() const { return digests_.empty(); }
  std::size_t size() const { return digests_.size(); }
  // Takes the same time whether a key differs early, late or in its length.
  bool accepts(std::string_view key) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  std::vector<Digest> digests_;
};

struct AccessRules {
  ApiKeys keys;
  std::vector<std::string> origins;  // exactly as browsers send them, or "*"
  std::vector<std::string> hosts;    // names or addresses without port; empty: any
};

// Reads the keys of the settings and their file.
Result<AccessRules> load_access(const Settings& settings);

// The 401 or 403 of a request that may not be answered, or null. is_public: needs no key.
std::unique_ptr<HttpResponse> check_access(const AccessRules& rules, const HttpRequest& request,
                                           bool is_public);

// The 204 of a browser's preflight from an allowed origin, or null for anything else.
std::unique_ptr<HttpResponse> answer_preflight(const AccessRules& rules,
                                               const HttpRequest& request);

// Lets the page of an allowed origin read the answer.
void add_cors_fields(const AccessRules& rules, const HttpRequest& request, HttpResponse& response);

}  // namespace quire::server
