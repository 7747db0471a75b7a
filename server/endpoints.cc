// The table of endpoints, in the order in which the documentation shows them.
#include "server/endpoints.h"

#include <algorithm>

namespace quire::server {
namespace {

constexpr EndpointSpec kSpecs[] = {
    {"POST", "/v1/chat/completions", "Generation", "OpenAI chat completion, whole or streamed",
     kChat, kGeneration, "/chat/completions"},
    {"POST", "/v1/completions", "Generation", "OpenAI text completion, whole or streamed",
     kCompletions, kGeneration},

    {"POST", "/v1/responses", "Generation", "OpenAI response, whole or as typed events", kResponses,
     kGeneration, "/responses"},
    {"GET", "/v1/responses/{id}", "Generation", "a stored response"},
    {"DELETE", "/v1/responses/{id}", "Generation", "forgets a stored response"},
    {"POST", "/v1/responses/{id}/cancel", "Generation", "ends a response that is being made"},
    {"POST", "/v1/responses/input_tokens", "Generation", "how many tokens a response's prompt has",
     kResponses},
    {"POST", "/v1/messages", "Generation", "Anthropic message, whole or as events", kMessages,
     kGeneration},
    {"POST", "/v1/messages/count_tokens", "Generation", "how many tokens a message's prompt has",
     kCountTokens},
    {"POST", "/completion", "Generation", "llama.cpp's own completion, whole or streamed", kNative,
     kGeneration, "/completions"},
    {"POST", "/infill", "Generation", "llama.cpp's fill-in-the-middle, for models that have it",
     kInfill, kGeneration},
    {"POST", "/v1/embeddings", "Embeddings", "vectors of texts, for embedding models", kEmbeddings,
     0, "/embeddings"},
    {"POST", "/v1/rerank", "Embeddings", "documents in the order of their relevance to a query",
     kRerank, 0, "/rerank /v2/rerank /reranking /v1/reranking"},
    {"POST", "/v1/score", "Embeddings", "how well pairs of texts belong together", kScore, 0,
     "/score"},
    {"POST", "/classify", "Embeddings", "what a judging model says of a text: yes or no", kClassify,
     0, "/v1/classify"},
    {"GET", "/v1/requests", "Requests", "the generating requests that are being answered"},
    {"DELETE", "/v1/requests/{id}", "Requests",
     "ends the requests whose x-request-id this is, with an error"},

    {"GET", "/v1/engine/live", "Requests",
     "the engine at work: steps, requests, pages, prefixes; with ?stream=1 as events"},

    {"GET", "/v1/models", "Models", "the served names of the model, with its context length",
     kNoBody, 0, "/models"},
    {"GET", "/v1/models/{id}", "Models", "one served name"},

    {"POST", "/tokenize", "Tokens", "text or messages to token ids", kTokenize, 0, "/v1/tokenize"},
    {"POST", "/detokenize", "Tokens", "token ids to text", kDetokenize, 0, "/v1/detokenize"},
    {"GET", "/tokenizer_info", "Tokens", "the tokenizer's special tokens and chat template"},
    {"POST", "/apply-template", "Tokens", "messages to the prompt's text", kApplyTemplate},

    {"GET", "/", "Page", "a page with a chat and pictures of the engine", kNoBody,
     kPublic | kProbe},
    {"GET", "/page/{id}", "Page", "a file of that page", kNoBody, kPublic | kProbe},

    {"GET", "/livez", "Probes", "200 while the process answers", kNoBody, kPublic | kProbe},
    {"GET", "/health", "Probes", "200 when the model is loaded and the engine makes steps", kNoBody,
     kPublic | kProbe, "/v1/health /ping"},
    {"GET", "/readyz", "Probes", "as /health, and 503 while the server drains", kNoBody,
     kPublic | kProbe},
    {"GET", "/version", "Server", "the version", kNoBody, kProbe},
    {"GET", "/metrics", "Server", "Prometheus text format, under vLLM's and llama.cpp's names",
     kNoBody, kProbe},
    {"GET", "/openapi.json", "Server", "this API as an OpenAPI document", kNoBody, kProbe},
    {"GET", "/props", "Server", "model, limits, defaults and settings, as llama.cpp tells them"},
    {"GET", "/slots", "Server", "the requests at work, as llama.cpp tells them"},
    {"GET", "/load", "Server", "how many requests run and wait, as vLLM tells it"},
    {"GET", "/v1/cache/stats", "Server", "pages of the KV cache, hits and misses by reason"},
    {"POST", "/v1/cache/reset", "Server", "frees every cached page that no request holds", kNoBody,
     0, "/reset_prefix_cache /flush_cache"},
};

}  // namespace

std::span<const EndpointSpec> endpoint_specs() { return kSpecs; }

std::vector<std::string_view> other_paths(const EndpointSpec& spec) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin < spec.also.size();) {
    const std::size_t end = std::min(spec.also.find(' ', begin), spec.also.size());
    out.push_back(spec.also.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

}  // namespace quire::server
