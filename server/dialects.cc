// Every API has a file of its own that reads its requests; here is which.
#include "server/dialects.h"

#include "server/llama_request.h"
#include "server/messages_request.h"
#include "server/responses_request.h"

namespace quire::server {

tl::expected<GenerationPlan, ApiError> plan_dialect(
    Endpoint endpoint, std::string_view body, const Backend& backend, const RequestPolicy& policy,
    const std::shared_ptr<ResponseStore>& responses) {
  switch (endpoint) {
    case kResponses:
      return plan_responses(body, backend, policy, responses);
    case kMessages:
      return plan_messages(body, backend, policy);
    case kNative:
    case kInfill:
      return plan_llama(endpoint, body, backend, policy);
    default:
      return plan_generation(endpoint, body, backend, policy);
  }
}

}  // namespace quire::server
