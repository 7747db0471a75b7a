// The engine's live view as the JSON of /v1/engine/live.
#pragma once

#include <functional>
#include <string>

#include "engine/live_view.h"
#include "models/load/json.h"

namespace quire::server {

// The X-Request-Id that a request was answered with, empty when it is not known.
using RequestNamer = std::function<std::string(engine::RequestId)>;

// Times are milliseconds on the engine's clock (`now` tells its state); docs/page.md lists the
// fields.
Json live_json(const engine::LiveView& view, const engine::ModelCard& card,
               const RequestNamer& namer);

// "f12r3c4": runs of pages with a letter each. f free, c cached, r held by one sequence; s by 2,
// t by 3 or 4, u by 5 to 8, v by 9 to 16, w by more.
std::string page_map(const std::vector<cache::PageRun>& runs);

}  // namespace quire::server
