// Endpoints that tell about the server, its model and its cache; they generate nothing.
#pragma once

#include <string>

#include "server/api_error.h"
#include "server/backend.h"
#include "server/http_types.h"
#include "server/settings.h"

namespace quire::server {

inline constexpr std::string_view kVersion = "0.1.0";

HttpResponse models_answer(const Backend& backend, std::int64_t created);
HttpResponse model_answer(const Backend& backend, std::int64_t created, const std::string& id);
HttpResponse version_answer();
// What became of DELETE /v1/requests/{id}.
HttpResponse cancelled_answer(const std::string& id, std::size_t count);
HttpResponse props_answer(const Backend& backend, const Settings& settings);
HttpResponse slots_answer(const Backend& backend);
HttpResponse load_answer(const Backend& backend);
HttpResponse cache_stats_answer(const Backend& backend);
HttpResponse cache_reset_answer(const Backend& backend);

}  // namespace quire::server
