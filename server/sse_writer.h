// Server-sent events as OpenAI's SDKs parse them: one data line, no ids, no names.
#pragma once

#include <string>
#include <string_view>

#include "server/http_types.h"

namespace quire::server {

inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

// `json` holds no line ends. Empty gives nothing.
inline std::string sse_event(std::string_view json) {
  if (json.empty()) return {};
  std::string out;
  out.reserve(json.size() + 8);
  return out.append("data: ").append(json).append("\n\n");
}

// The head of an event stream: proxies must neither store nor buffer it.
inline HttpResponse sse_head() {
  HttpResponse head;
  head.content_type = "text/event-stream; charset=utf-8";
  head.fields = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  return head;
}

}  // namespace quire::server
