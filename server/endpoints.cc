// The table of endpoints, in the order in which the documentation shows them.
#include "server/endpoints.h"

namespace quire::server {
namespace {

constexpr EndpointSpec kSpecs[] = {
    {"POST", "/v1/chat/completions", "Generation", "OpenAI chat completion, whole or streamed",
     kChat, kGeneration},
    {"POST", "/v1/completions", "Generation", "OpenAI text completion, whole or streamed",
     kCompletions, kGeneration},

    {"GET", "/v1/models", "Models", "the served names of the model, with its context length"},
    {"GET", "/v1/models/{id}", "Models", "one served name"},

    {"POST", "/tokenize", "Tokens", "text or messages to token ids", kTokenize},
    {"POST", "/detokenize", "Tokens", "token ids to text", kDetokenize},
    {"POST", "/apply-template", "Tokens", "messages to the prompt's text", kApplyTemplate},

    {"GET", "/livez", "Probes", "200 while the process answers", kNoBody, kPublic | kProbe},
    {"GET", "/health", "Probes", "200 when the model is loaded and the engine makes steps", kNoBody,
     kPublic | kProbe},
    {"GET", "/readyz", "Probes", "as /health, and 503 while the server drains", kNoBody,
     kPublic | kProbe},
    {"GET", "/version", "Server", "the version", kNoBody, kProbe},
    {"GET", "/metrics", "Server", "Prometheus text format, under vLLM's and llama.cpp's names",
     kNoBody, kProbe},
    {"GET", "/props", "Server", "model, limits, defaults and settings, as llama.cpp tells them"},
    {"GET", "/slots", "Server", "the requests at work, as llama.cpp tells them"},
    {"GET", "/v1/cache/stats", "Server", "pages of the KV cache, hits and misses by reason"},
    {"POST", "/v1/cache/reset", "Server", "frees every cached page that no request holds"},
};

}  // namespace

std::span<const EndpointSpec> endpoint_specs() { return kSpecs; }

}  // namespace quire::server
