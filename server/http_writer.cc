// Beast's own writer passes CR and LF of a field value on (Shielder audit, still so in Boost 1.81).
#include "server/http_writer.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace quire::server {
namespace {

bool is_clean(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

Status append_field(std::string& out, std::string_view name, std::string_view value) {
  if (name.empty() || !is_clean(name) || !is_clean(value)) {
    return fail(ErrorCode::kInvalid, "header field {} holds a line end",
                is_clean(name) ? name : "(name)");
  }
  out.append(name).append(": ").append(value).append("\r\n");
  return {};
}

constexpr std::array<std::pair<int, std::string_view>, 25> kReasons{{
    {100, "Continue"},
    {200, "OK"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {304, "Not Modified"},
    {502, "Bad Gateway"},
}};

}  // namespace

std::string_view reason_phrase(int status) {
  for (const auto& [code, phrase] : kReasons) {
    if (code == status) return phrase;
  }
  return "Unknown";
}

Result<std::string> format_head(const HttpResponse& response, const HeadOptions& options) {
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  if (response.status != 100) {
    QUIRE_TRY(append_field(
        out, "Date", fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr)))));
    QUIRE_TRY(append_field(out, "Server", "quire"));
  }
  if (options.framing != BodyFraming::kNone && !response.content_type.empty()) {
    QUIRE_TRY(append_field(out, "Content-Type", response.content_type));
  }
  if (!options.request_id.empty()) {
    QUIRE_TRY(append_field(out, "X-Request-Id", options.request_id));
  }
  if (options.processing_ms >= 0) {
    QUIRE_TRY(
        append_field(out, "openai-processing-ms", fmt::format("{:.0f}", options.processing_ms)));
  }
  for (const HttpField& field : response.fields) {
    QUIRE_TRY(append_field(out, field.name, field.value));
  }
  if (options.framing == BodyFraming::kLength) {
    QUIRE_TRY(append_field(out, "Content-Length", std::to_string(response.body.size())));
  } else if (options.framing == BodyFraming::kChunked) {
    QUIRE_TRY(append_field(out, "Transfer-Encoding", "chunked"));
  }
  if (response.status != 100) {
    QUIRE_TRY(append_field(out, "Connection", options.keep_alive ? "keep-alive" : "close"));
  }
  return out + "\r\n";
}

std::string format_chunk(std::string_view bytes) {
  if (bytes.empty()) return {};
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

bool is_request_id(std::string_view id) {
  constexpr std::size_t kIdBytes = 128;
  return !id.empty() && id.size() <= kIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == ':' || c == '-';
  });
}

std::optional<std::string> accepted_request_id(const HttpRequest& request) {
  const std::string* id = request.field("x-request-id");
  return id != nullptr && is_request_id(*id) ? std::optional(*id) : std::nullopt;
}

}  // namespace quire::server
