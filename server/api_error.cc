// The SDKs retry 408, 409, 429 and 5xx twice by themselves; x-should-retry stops them.
#include "server/api_error.h"

#include "models/load/json.h"

namespace quire::server {

ApiError api_error(const Error& error) {
  ErrorKind kind = kServerError;
  switch (error.code) {
    case ErrorCode::kInvalid:
      kind = kBadRequest;
      break;
    case ErrorCode::kNotFound:
      kind = kPathNotFound;
      break;
    case ErrorCode::kUnsupported:
      kind = kUnsupportedField;
      break;
    case ErrorCode::kOverloaded:
      kind = kRateLimited;
      break;
    case ErrorCode::kCancelled:
      kind = kUnavailable;
      break;
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      break;
  }
  return ApiError{kind, error.message, error.param};
}

std::string error_body(const ApiError& error) {
  Json inner = Json::object();
  inner["message"] = error.message;
  inner["type"] = error.kind.type;
  inner["param"] = error.param.empty() ? Json(nullptr) : Json(error.param);
  inner["code"] = error.kind.code.empty() ? Json(nullptr) : Json(error.kind.code);
  for (const auto& [name, number] : error.numbers) inner[name] = number;
  Json body = Json::object();
  body["error"] = std::move(inner);
  return dump_json(body);
}

HttpResponse error_response(const ApiError& error) {
  HttpResponse response;
  response.status = error.kind.status;
  response.body = error_body(error);
  if (error.kind.status == 429 || error.kind.status == 503) {
    response.fields.push_back({"Retry-After", std::to_string(error.retry_after_s)});
  } else if (error.kind.status >= 500) {
    response.fields.push_back({"x-should-retry", "false"});
  }
  return response;
}

}  // namespace quire::server
