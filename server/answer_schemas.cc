// What the answers of each endpoint must have; members that are not listed may be there as well.
#include <utility>

#include "base/check.h"
#include "server/openapi.h"

namespace quire::server {
namespace {

struct AnswerSchema {
  std::string_view method, path;
  std::string_view schema;  // JSON; required members only where absent ones would break a client
};

constexpr std::string_view kUsage = R"({"type":"object","required":["prompt_tokens",
  "completion_tokens","total_tokens","prompt_tokens_details"],"properties":{
  "prompt_tokens":{"type":"integer","minimum":0},"completion_tokens":{"type":"integer","minimum":0},
  "total_tokens":{"type":"integer","minimum":0},"prompt_tokens_details":{"type":"object",
  "required":["cached_tokens"]},"completion_tokens_details":{"type":"object"}}})";

constexpr AnswerSchema kSchemas[] = {
    {"POST", "/v1/chat/completions", R"({"type":"object",
      "required":["id","object","created","model","choices","usage"],"properties":{
      "id":{"type":"string"},"object":{"const":"chat.completion"},"created":{"type":"integer"},
      "model":{"type":"string"},"choices":{"type":"array","minItems":1,"items":{"type":"object",
      "required":["index","message","logprobs","finish_reason"],"properties":{
      "index":{"type":"integer"},"message":{"type":"object","required":["role","content"],
      "properties":{"role":{"const":"assistant"},"content":{"type":["string","null"]}}},
      "finish_reason":{"enum":["stop","length","tool_calls","function_call"]}}}},"usage":USAGE}})"},
    {"POST", "/v1/completions", R"({"type":"object",
      "required":["id","object","created","model","choices","usage"],"properties":{
      "id":{"type":"string"},"object":{"const":"text_completion"},"created":{"type":"integer"},
      "model":{"type":"string"},"choices":{"type":"array","minItems":1,"items":{"type":"object",
      "required":["index","text","logprobs","finish_reason"],"properties":{
      "index":{"type":"integer"},"text":{"type":"string"},
      "finish_reason":{"enum":["stop","length"]}}}},"usage":USAGE}})"},
    {"POST", "/v1/responses", R"({"type":"object",
      "required":["id","object","created_at","status","model","output","usage"],"properties":{
      "id":{"type":"string"},"object":{"const":"response"},"created_at":{"type":"integer"},
      "status":{"enum":["completed","incomplete"]},"model":{"type":"string"},
      "output":{"type":"array","minItems":1,"items":{"type":"object","required":["id","type"],
      "properties":{"type":{"enum":["message","reasoning","function_call"]}}}},
      "usage":{"type":"object","required":["input_tokens","output_tokens","total_tokens"]}}})"},
    {"GET", "/v1/responses/{id}", R"({"type":"object","required":["id","object","output"]})"},
    {"DELETE", "/v1/responses/{id}", R"({"type":"object","required":["id","object","deleted"]})"},
    {"POST", "/v1/responses/{id}/cancel", R"({"type":"object","required":["id","object","status"],
      "properties":{"status":{"const":"cancelled"}}})"},
    {"POST", "/v1/responses/input_tokens", R"({"type":"object","required":["object","input_tokens"],
      "properties":{"input_tokens":{"type":"integer","minimum":0}}})"},
    {"GET", "/load", R"({"type":"object","required":["server_load"],
      "properties":{"server_load":{"type":"integer","minimum":0}}})"},
    {"POST", "/v1/messages", R"({"type":"object",
      "required":["id","type","role","model","content","stop_reason","stop_sequence","usage"],
      "properties":{"id":{"type":"string"},"type":{"const":"message"},"role":{"const":"assistant"},
      "content":{"type":"array","minItems":1,"items":{"type":"object","required":["type"],
      "properties":{"type":{"enum":["text","thinking","tool_use"]}}}},
      "stop_reason":{"enum":["end_turn","max_tokens","stop_sequence","tool_use"]},
      "usage":{"type":"object","required":["input_tokens","output_tokens"]}}})"},
    {"POST", "/v1/messages/count_tokens", R"({"type":"object","required":["input_tokens"],
      "properties":{"input_tokens":{"type":"integer","minimum":0}}})"},
    {"POST", "/completion", R"({"anyOf":[{"type":"object"},{"type":"array",
      "items":{"type":"object"}}]})"},
    {"POST", "/infill", R"({"type":"object","properties":{"content":{"type":"string"},
      "stop":{"type":"boolean"}}})"},
    {"POST", "/v1/embeddings", R"({"type":"object","required":["object","data","model","usage"],
      "properties":{"object":{"const":"list"},"data":{"type":"array","minItems":1,"items":{
      "type":"object","required":["object","index","embedding"],"properties":{
      "embedding":{"type":["array","string"]}}}}}})"},
    {"POST", "/v1/rerank", R"({"type":"object","required":["id","model","results","usage"],
      "properties":{"results":{"type":"array","items":{"type":"object",
      "required":["index","relevance_score"]}}}})"},
    {"POST", "/v1/score", R"({"type":"object","required":["id","object","data","model","usage"],
      "properties":{"data":{"type":"array","items":{"type":"object",
      "required":["index","score"]}}}})"},
    {"POST", "/classify", R"({"type":"object","required":["id","object","data","model","usage"],
      "properties":{"data":{"type":"array","items":{"type":"object",
      "required":["index","label","probs","num_classes"]}}}})"},
    {"GET", "/v1/requests", R"({"type":"object","required":["object","data"],"properties":{
      "data":{"type":"array","items":{"type":"object","required":["id","path","state"]}}}})"},
    {"DELETE", "/v1/requests/{id}", R"({"type":"object","required":["id","cancelled","count"]})"},
    {"GET", "/v1/engine/live", R"({"type":"object","required":["now","model","running","waiting",
      "counters","cache","drafts","steps","requests","requests_total","finished"]})"},
    {"GET", "/v1/models", R"({"type":"object","required":["object","data"],"properties":{
      "object":{"const":"list"},"data":{"type":"array","minItems":1,"items":{"type":"object",
      "required":["id","object","created","owned_by","max_model_len","context_length"]}}}})"},
    {"GET", "/v1/models/{id}", R"({"type":"object",
      "required":["id","object","created","owned_by","max_model_len","context_length"]})"},
    {"POST", "/tokenize", R"({"type":"object","required":["count","max_model_len","tokens"],
      "properties":{"count":{"type":"integer","minimum":0},"tokens":{"type":"array"}}})"},
    {"POST", "/detokenize", R"({"type":"object","required":["prompt","content"]})"},
    {"GET", "/tokenizer_info", R"({"type":"object",
      "required":["bos_token","eos_token","pad_token","chat_template"]})"},
    {"POST", "/apply-template", R"({"type":"object","required":["prompt"],
      "properties":{"prompt":{"type":"string"}}})"},
    {"GET", "/health", R"({"type":"object","required":["status"]})"},
    {"GET", "/readyz", R"({"type":"object","required":["status"]})"},
    {"GET", "/version", R"({"type":"object","required":["version"]})"},
    {"GET", "/props", R"({"type":"object","required":["default_generation_settings",
      "total_slots","model_path","modalities","build_info"]})"},
    {"GET", "/slots", R"({"type":"array","items":{"type":"object",
      "required":["id","n_ctx","is_processing"]}})"},
    {"GET", "/v1/cache/stats", R"({"type":"object",
      "required":["pages","states","query_tokens","hit_tokens","miss_tokens"]})"},
    {"POST", "/v1/cache/reset", R"({"type":"object","required":["kv_pages_freed","states_freed"],
      "properties":{"kv_pages_freed":{"type":"integer"},"states_freed":{"type":"integer"}}})"},
    {"GET", "/openapi.json", R"({"type":"object","required":["openapi","info","paths"]})"},
};

}  // namespace

Json answer_schema(std::string_view method, std::string_view path) {
  if (path == "/livez" || path == "/metrics") return nullptr;
  if (path == "/" || path == "/page/{id}") return nullptr;
  for (const AnswerSchema& row : kSchemas) {
    if (row.method != method || row.path != path) continue;
    std::string text(row.schema);
    if (const std::size_t at = text.find("USAGE"); at != std::string::npos) {
      text.replace(at, 5, kUsage);
    }
    auto schema = parse_json(text);
    CHECK(schema.has_value(), "the schema of {} {}: {}", method, path, schema.error().message);
    return std::move(*schema);
  }
  CHECK(false, "{} {} has no schema of its answer", method, path);
  return nullptr;
}

}  // namespace quire::server
