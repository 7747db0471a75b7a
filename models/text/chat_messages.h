// A chat request's messages to the prompt's text, as Transformers and vLLM prepare and render them.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "models/load/json.h"
#include "models/text/chat_template.h"

namespace quire::text {

struct ChatRequest {
  Json messages = Json::array();
  Json tools = nullptr;      // null: none; else a list of objects
  Json documents = nullptr;  // null: none; else a list of objects
  // chat_template_kwargs: further variables of the template; may not rename what the request has
  // fields for.
  Json kwargs = Json::object();
  bool add_generation_prompt = true;
  // The prompt ends with the final message's content instead of a new turn.
  bool continue_final_message = false;
  // One of the checkpoint's templates by name; empty: as ChatTemplates::choose says.
  std::string template_name = {};
  // A template of the request's own; the caller decides whether it may bring one.
  std::string template_source = {};
};

// A content of null reaches the template as it is; only when the template then fails is it rendered
// again with empty texts, because many templates concatenate it without looking.
// Refuses malformed requests with Error::param naming the field ("messages[2].content"), and
// passes on what the template itself raises.
Result<std::string> render_chat(const ChatTemplates& templates, const ChatRequest& request,
                                std::int64_t now_unix);

// How a template takes a message's content.
enum class ContentFormat : std::uint8_t {
  kText,    // one text; parts are joined with newlines, as vLLM does it
  kParts,   // a list of parts; a text becomes a list of one
  kEither,  // as the client sent it
};
ContentFormat content_format_of(const ChatTemplate& chat_template);

// The messages as the template sees them: tool_calls' arguments parsed to objects, reasoning under
// all its names, content in the template's format.
Result<Json> prepare_messages(const Json& messages, ContentFormat format);

}  // namespace quire::text
