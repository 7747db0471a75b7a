// Every path the server answers, described once: routing, access, /openapi.json and docs/api.md
// come from this table.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "server/request_fields.h"

namespace quire::server {

enum EndpointTrait : unsigned {
  kPublic = 1,      // answered without an API key
  kProbe = 2,       // answered while the model loads
  kGeneration = 4,  // refused while the server drains
};

struct EndpointSpec {
  std::string_view method;  // GET (answers HEAD too), POST or DELETE
  std::string_view path;    // a final {id} takes the rest of the path
  std::string_view group;
  std::string_view summary;
  Endpoint body = kNoBody;     // whose rows of the field table describe the JSON body
  unsigned traits = 0;         // of EndpointTrait
  std::string_view also = {};  // other paths of the same endpoint, separated by spaces
};

std::span<const EndpointSpec> endpoint_specs();

std::vector<std::string_view> other_paths(const EndpointSpec& spec);

}  // namespace quire::server
