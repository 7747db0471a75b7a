// The fields a request may have: one table with type, range, default and state.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/load/json.h"
#include "server/api_error.h"

namespace quire::server {

// Bits: a field may belong to several.
enum Endpoint : unsigned {
  kNoBody = 0,
  kChat = 1,
  kCompletions = 2,
  kTokenize = 4,
  kDetokenize = 8,
  kApplyTemplate = 16,
  kResponses = 32,
  kMessages = 64,
  kCountTokens = 128,  // of a body of kMessages
  kInfill = 256,
  kEmbeddings = 512,
  kRerank = 1024,
  kScore = 2048,
  kClassify = 4096,
  kNative = 8192,  // llama.cpp's own /completion
  kLlamaCpp = kInfill | kNative,
  kOpenAi = kChat | kCompletions,
  kGenerating = kOpenAi | kResponses | kMessages | kLlamaCpp,
  kTemplated = kChat | kTokenize | kApplyTemplate,  // takes OpenAI's messages
};

enum class FieldType { kAny, kBool, kInteger, kNumber, kString, kObject, kArray };

enum class FieldState {
  kSupported,
  kRefused,  // would change the output, is not available here: only its neutral value is taken
  kIgnored,  // known, without influence on the output
};

struct FieldSpec {
  std::string_view name;
  unsigned endpoints;
  FieldType type;
  FieldState state = FieldState::kSupported;
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
  std::string_view neutral = {};  // refused fields: JSON texts that change nothing, one a space
  unsigned required_by = 0;       // of the endpoints, those that cannot do without it
};

std::span<const FieldSpec> field_specs();
const FieldSpec* find_field(std::string_view name, Endpoint endpoint);

// Checks every member of `body` against the table; null counts as absent. Returns a warning for
// each unknown field, which with `strict` is an error instead, as is one that looks like a typing
// mistake.
tl::expected<std::vector<std::string>, ApiError> check_fields(const Json& body, Endpoint endpoint,
                                                              bool strict);

// Typed access to a body that check_fields() has passed.
class Fields {
 public:
  explicit Fields(const Json& body) : body_(&body) {}
  // The member, or null when it is absent or null.
  const Json* get(std::string_view name) const;
  bool flag(std::string_view name, bool fallback) const;
  std::int64_t integer(std::string_view name, std::int64_t fallback) const;
  double number(std::string_view name, double fallback) const;
  std::string text(std::string_view name, std::string fallback) const;

 private:
  const Json* body_;
};

}  // namespace quire::server
