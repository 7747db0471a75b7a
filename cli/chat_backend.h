// Who answers: an engine in this process, or a server.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/options.h"
#include "engine/engine.h"
#include "models/load/json.h"

namespace quire::cli {

enum class TextKind { kContent, kReasoning };
using TextSink = std::function<void(TextKind kind, std::string_view text)>;

struct Answer {
  std::string text;  // without the reasoning, where the model marks it
  std::string reasoning;
  std::string finish_reason;  // stop, length, abort ...
  std::int64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
  double first_token_s = 0, seconds = 0;
};

class ChatBackend {
 public:
  virtual ~ChatBackend() = default;
  virtual std::string name() const = 0;
  // The answer to the messages; the sink gets its text as it comes. `cancelled` ends it early: what
  // came until then is the answer, with finish_reason "abort".
  virtual Result<Answer> answer(const Json& messages, const Options& options, const TextSink& sink,
                                const std::atomic<bool>& cancelled) = 0;
};

// Loads the model with a progress bar.
Result<std::unique_ptr<ChatBackend>> open_local_backend(const Options& options);
// Asks the server for its models.
Result<std::unique_ptr<ChatBackend>> open_remote_backend(const Options& options);

// "stop", "length", "abort", "error", "timeout".
std::string_view finish_word(engine::FinishReason reason);

// What the flags say about sampling; the rest as the checkpoint recommends it.
engine::SamplingParams sampling_of(const Options& options, const engine::ModelCard& card);

// --reasoning-effort as variables of a chat template, as the server maps the field of that name.
Json reasoning_kwargs(const Options& options);

// Finds and loads the model of the options, with a progress bar.
Result<std::unique_ptr<engine::Engine>> load_engine(const Options& options,
                                                    const std::string& folder);

// Submits one request and waits for its end.
Result<Answer> run_request(engine::Engine& engine, engine::GenerateRequest request,
                           const TextSink& sink, const std::atomic<bool>& cancelled);

}  // namespace quire::cli
