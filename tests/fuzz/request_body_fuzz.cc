// Bodies of every endpoint over an engine that is never asked: validation and planning must come
// to a plan or to an error that can be answered. The first byte chooses the endpoint.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "engine/grammar/matcher.h"
#include "server/api_error.h"
#include "server/llama_request.h"
#include "server/messages_request.h"
#include "server/openai_request.h"
#include "server/responses_request.h"
#include "server/token_endpoints.h"
#include "tests/server/fake_engine.h"

namespace {

using namespace quire;          // NOLINT: a program of one function
using namespace quire::server;  // NOLINT

quire::Result<std::string> render(const text::ChatRequest& chat) {
  std::string out = dump_json(chat.messages);
  if (!chat.tools.is_null()) out += dump_json(chat.tools);
  return out.substr(0, 256);
}

struct World {
  World() : engine(FakeEngineOptions{}) {
    backend.engine = &engine;
    backend.render_chat = render;
    backend.render_own = render;
    backend.model_names = {"m"};
    backend.grammars = &grammars;
    backend.answer_format.tools = text::find_tool_format("hermes", {}).value();
    backend.answer_format.reasoning = text::find_reasoning_format("qwen3", {}).value();
    backend.detect_format = text::detect_answer_format;
    backend.prompt_bytes_max = 2'000;
    policy.trust_chat_template = true;
  }
  FakeEngine engine;
  grammar::GrammarStore grammars{engine.tokenizer(), engine.card().vocab};
  Backend backend;
  RequestPolicy policy;
  std::shared_ptr<ResponseStore> store = std::make_shared<ResponseStore>();
};

void check(const tl::expected<GenerationPlan, ApiError>& plan) {
  if (!plan) {
    const int status = plan.error().kind.status;
    if (status < 400 || status >= 500) std::abort();
    if (!parse_json(error_body(plan.error()))) std::abort();
  } else if (plan->prompts.empty() || plan->n < 1) {
    std::abort();
  }
}

void check(const HttpResponse& response) {
  if (response.status >= 500 || !parse_json(response.body)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 9) {
    case 0:
      check(plan_generation(kChat, body, world.backend, world.policy));
      break;
    case 1:
      check(plan_generation(kCompletions, body, world.backend, world.policy));
      break;
    case 2:
      check(plan_responses(body, world.backend, world.policy, world.store));
      break;
    case 3:
      check(plan_messages(body, world.backend, world.policy));
      break;
    case 4:
      check(plan_llama(kInfill, body, world.backend, world.policy));
      break;
    case 8:
      check(plan_llama(kNative, body, world.backend, world.policy));
      break;
    case 5:
      check(count_tokens_answer(world.backend, world.policy, body));
      break;
    case 6:
      check(tokenize_answer(world.backend, world.policy, body));
      break;
    default:
      check(detokenize_answer(world.backend, world.policy, body));
  }
  return 0;
}
