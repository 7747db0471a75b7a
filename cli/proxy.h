// Which proxy a URL goes through, as the environment says it.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "cli/http_client.h"

namespace quire::cli {

struct Proxy {
  std::string host, port;
  std::string authorization;  // value of Proxy-Authorization; may be empty

  std::string name() const { return host + ":" + port; }
};

// https_proxy or http_proxy by the URL's scheme, else all_proxy, each also in capitals; none for
// this machine itself and for what no_proxy names: host names with their subdomains, addresses,
// either with a port, separated by commas; * for all. kInvalid names the variable whose value is no
// http:// URL.
Result<std::optional<Proxy>> proxy_for(const Url& url);

// Whether the list of no_proxy has the URL's host.
bool is_listed(const Url& url, std::string_view no_proxy);

}  // namespace quire::cli
