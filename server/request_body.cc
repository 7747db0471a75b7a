// Every endpoint with a body opens it here.
#include "server/request_body.h"

#include <algorithm>
#include <utility>

namespace quire::server {

tl::expected<Json, ApiError> parse_body(std::string_view body) {
  auto parsed = parse_json(body);
  if (!parsed) return tl::unexpected(api_error(parsed.error()));
  if (!parsed->is_object()) {
    return api_fail(kBadRequest, "", "the body must be a JSON object, got {}", parsed->type_name());
  }
  return std::move(*parsed);
}

tl::expected<CheckedBody, ApiError> open_body(std::string_view body, Endpoint endpoint,
                                              const RequestPolicy& policy) {
  auto json = parse_body(body);
  if (!json) return tl::unexpected(json.error());
  auto warnings = check_fields(*json, endpoint, policy.strict_fields);
  if (!warnings) return tl::unexpected(warnings.error());
  return CheckedBody{std::move(*json), std::move(*warnings)};
}

tl::expected<void, ApiError> check_model(const Fields& fields, const Backend& backend) {
  const Json* model = fields.get("model");
  if (model == nullptr) return {};
  const auto& name = model->get_ref<const std::string&>();
  const auto& known = backend.model_names;
  if (std::find(known.begin(), known.end(), name) != known.end()) return {};
  return api_fail(kModelNotFound, "model", "the model \"{}\" does not exist; this server has {}",
                  name.substr(0, 128), fmt::join(known, ", "));
}

}  // namespace quire::server
