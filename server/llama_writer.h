// The answers of llama.cpp's own endpoints, in the shape that its server gives them.
#pragma once

#include <string>
#include <vector>

#include "server/openai_request.h"

namespace quire::server {

struct LlamaShape {
  int n_probs = 0;                  // candidates shown for each token; 0: no probabilities
  bool post_sampling = false;       // as probabilities after the samplers, not as raw logprobs
  std::vector<std::string> fields;  // "a" and "a/b" to keep of the whole answer; empty: all
  Json settings = Json::object();   // what the tokens are drawn by
};

// The sampling of a request under llama.cpp's names.
Json llama_settings(const engine::GenerateRequest& request);

WriterMaker make_llama_writer(LlamaShape shape);

}  // namespace quire::server
