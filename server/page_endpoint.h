// The embedded page: "/" and the files that it loads from "page/".
#pragma once

#include <string_view>

#include "server/http_types.h"

namespace quire::server {

// The answer to GET / (name empty) or GET /page/{name}: gzipped where the client takes that, 304
// where it has the file already, 404 for other names. Under a content security policy that allows
// nothing but these files and this server.
HttpResponse page_answer(const HttpRequest& request, std::string_view name);

}  // namespace quire::server
