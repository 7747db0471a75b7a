// What a request asks its output to match, from the fields of OpenAI, vLLM, SGLang and llama.cpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/grammar/grammar.h"
#include "server/request_fields.h"

namespace quire::server {

// A grammar that is yet to be compiled.
struct GrammarWish {
  std::string key;    // equal keys, equal grammars
  std::string field;  // that asked for it, for errors
  std::function<Result<grammar::Grammar>()> build;
  std::shared_ptr<const Json> schema = {};  // of a grammar of JSON
};

// Nothing when the request leaves its output free. Two fields that each ask for something are
// refused, as is what no grammar can say.
tl::expected<std::optional<GrammarWish>, ApiError> read_structure(const Fields& fields);

}  // namespace quire::server
