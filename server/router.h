// Which path and method reach which handler: one table, and the answers to what is not in it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_exchange.h"

namespace quire::server {

enum class BodyKind {
  kNone,  // a body is read and dropped
  kJson,  // required
};

struct Route {
  std::string path;    // as it stands in the request; a final {id} takes the rest of the path
  std::string method;  // GET (answers HEAD too), POST or DELETE
  BodyKind body = BodyKind::kNone;
  bool on_worker = false;   // may take its time
  bool needs_model = true;  // 503 while the model loads
  bool is_public = false;   // needs no API key
  bool generates = false;   // 503 while the server drains
  std::function<void(const ExchangePtr&)> handle;
};

class Router {
 public:
  void add(Route route);
  std::size_t size() const { return routes_.size(); }

  // The route, or null; then `refusal` is the 404, 405, 411, 415 or 204 (OPTIONS) to answer with.
  const Route* find(const HttpRequest& request, std::unique_ptr<HttpResponse>& refusal) const;
  // The path is one that anybody may ask for.
  bool is_public(std::string_view path) const;
  // The pattern that a path belongs to, "none" without: a metric's label.
  std::string_view pattern(std::string_view path) const;

 private:
  std::vector<Route> routes_;
};

// The part of the path that {id} stands for, with %XX decoded.
std::string path_id(std::string_view path, std::string_view pattern);

}  // namespace quire::server
