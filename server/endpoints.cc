// The table of endpoints, in the order in which the documentation shows them.
#include "server/endpoints.h"

namespace quire::server {
namespace {

constexpr EndpointSpec kSpecs[] = {
    {"POST", "/v1/chat/completions", "Generation", "OpenAI chat completion, whole or streamed",
     kChat, kGeneration},
    {"POST", "/v1/completions", "Generation", "OpenAI text completion, whole or streamed",
     kCompletions, kGeneration},

    {"POST", "/v1/responses", "Generation", "OpenAI response, whole or as typed events", kResponses,
     kGeneration},
    {"GET", "/v1/responses/{id}", "Generation", "a stored response"},
    {"DELETE", "/v1/responses/{id}", "Generation", "forgets a stored response"},
    {"POST", "/v1/messages", "Generation", "Anthropic message, whole or as events", kMessages,
     kGeneration},
    {"POST", "/v1/messages/count_tokens", "Generation", "how many tokens a message's prompt has",
     kCountTokens},
    {"POST", "/infill", "Generation", "llama.cpp's fill-in-the-middle, for models that have it",
     kInfill, kGeneration},
    {"POST", "/v1/embeddings", "Embeddings", "vectors of texts, for embedding models", kEmbeddings},
    {"POST", "/v1/rerank", "Embeddings", "documents in the order of their relevance to a query",
     kRerank},
    {"POST", "/v1/score", "Embeddings", "how well pairs of texts belong together", kScore},
    {"POST", "/classify", "Embeddings", "what a judging model says of a text: yes or no",
     kClassify},
    {"GET", "/v1/requests", "Requests", "the generating requests that are being answered"},
    {"DELETE", "/v1/requests/{id}", "Requests",
     "ends the requests whose x-request-id this is, with an error"},

    {"GET", "/v1/engine/live", "Requests",
     "the engine at work: steps, requests, pages, prefixes; with ?stream=1 as events"},

    {"GET", "/v1/models", "Models", "the served names of the model, with its context length"},
    {"GET", "/v1/models/{id}", "Models", "one served name"},

    {"POST", "/tokenize", "Tokens", "text or messages to token ids", kTokenize},
    {"POST", "/detokenize", "Tokens", "token ids to text", kDetokenize},
    {"GET", "/tokenizer_info", "Tokens", "the tokenizer's special tokens and chat template"},
    {"POST", "/apply-template", "Tokens", "messages to the prompt's text", kApplyTemplate},

    {"GET", "/", "Page", "a page with a chat and pictures of the engine", kNoBody,
     kPublic | kProbe},
    {"GET", "/page/{id}", "Page", "a file of that page", kNoBody, kPublic | kProbe},

    {"GET", "/livez", "Probes", "200 while the process answers", kNoBody, kPublic | kProbe},
    {"GET", "/health", "Probes", "200 when the model is loaded and the engine makes steps", kNoBody,
     kPublic | kProbe},
    {"GET", "/readyz", "Probes", "as /health, and 503 while the server drains", kNoBody,
     kPublic | kProbe},
    {"GET", "/version", "Server", "the version", kNoBody, kProbe},
    {"GET", "/metrics", "Server", "Prometheus text format, under vLLM's and llama.cpp's names",
     kNoBody, kProbe},
    {"GET", "/openapi.json", "Server", "this API as an OpenAPI document", kNoBody, kProbe},
    {"GET", "/props", "Server", "model, limits, defaults and settings, as llama.cpp tells them"},
    {"GET", "/slots", "Server", "the requests at work, as llama.cpp tells them"},
    {"GET", "/v1/cache/stats", "Server", "pages of the KV cache, hits and misses by reason"},
    {"POST", "/v1/cache/reset", "Server", "frees every cached page that no request holds"},
};

}  // namespace

std::span<const EndpointSpec> endpoint_specs() { return kSpecs; }

}  // namespace quire::server
