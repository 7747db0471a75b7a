// An engine in this process: one request at a time, its text handed over from the engine's thread.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>

#include "cli/answer_splitter.h"
#include "cli/chat_backend.h"
#include "cli/model_source.h"
#include "cli/progress.h"
#include "server/chat_renderer.h"

namespace quire::cli {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(20);

// Outputs on their way from the engine's thread.
class Mailbox {
 public:
  void put(engine::Output&& output) {
    {
      const std::lock_guard lock(mutex_);
      outputs_.push_back(std::move(output));
    }
    filled_.notify_one();
  }
  // Nothing when none came within the time.
  std::optional<engine::Output> take() {
    std::unique_lock lock(mutex_);
    if (!filled_.wait_for(lock, kPoll, [this] { return !outputs_.empty(); })) return std::nullopt;
    engine::Output output = std::move(outputs_.front());
    outputs_.pop_front();
    return output;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<engine::Output> outputs_;
};

class LocalBackend final : public ChatBackend {
 public:
  LocalBackend(std::unique_ptr<engine::Engine> engine, server::LoadedChat chat, std::string name)
      : engine_(std::move(engine)),
        render_(std::move(chat.render)),
        reasoning_(chat.format.reasoning),
        name_(std::move(name)) {}

  std::string name() const override { return name_; }

  Result<Answer> answer(const Json& messages, const Options& options, const TextSink& sink,
                        const std::atomic<bool>& cancelled) override {
    text::ChatRequest chat;
    chat.messages = messages;
    chat.kwargs = reasoning_kwargs(options);
    QUIRE_ASSIGN(const std::string prompt, render_(chat));
    engine::GenerateRequest request;
    QUIRE_ASSIGN(request.prompt,
                 engine_->tokenizer().encode(prompt, {.add_special_tokens = false}));
    const engine::ModelCard& card = engine_->card();
    request.sampling = sampling_of(options, card);
    const auto length = static_cast<std::int64_t>(request.prompt.size());
    if (length >= card.context_max) {
      return fail(ErrorCode::kInvalid,
                  "the conversation has {} tokens, the context {}: /clear begins anew", length,
                  card.context_max);
    }
    std::int64_t& most = request.sampling.max_tokens;
    most = std::min(most == 0 ? card.context_max : most, card.context_max - length);
    return run_split(*engine_, {prompt, std::move(request), reasoning_}, sink, cancelled);
  }

 private:
  std::unique_ptr<engine::Engine> engine_;
  server::ChatRenderer render_;
  const text::ReasoningFormat* reasoning_;  // null: the model has none
  std::string name_;
};

}  // namespace

std::string_view finish_word(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kStop:
      return "stop";
    case engine::FinishReason::kLength:
      return "length";
    case engine::FinishReason::kAbort:
      return "abort";
    case engine::FinishReason::kError:
      return "error";
    case engine::FinishReason::kTimeout:
      return "timeout";
    case engine::FinishReason::kNone:
      break;
  }
  return "";
}

engine::SamplingParams sampling_of(const Options& options, const engine::ModelCard& card) {
  engine::SamplingParams params;
  const auto value = [&](const char* name, double given, double built_in) {
    if (given >= 0) return given;
    const auto found = card.generation_defaults.find(name);
    return found == card.generation_defaults.end() ? built_in : found->second;
  };
  params.temperature = static_cast<float>(value("temperature", options.temperature, 1));
  params.top_k = static_cast<int>(value("top_k", options.top_k, 0));
  params.top_p = static_cast<float>(value("top_p", options.top_p, 1));
  params.min_p = static_cast<float>(value("min_p", options.min_p, 0));
  params.repetition_penalty =
      static_cast<float>(value("repetition_penalty", options.repetition_penalty, 1));
  if (options.seed >= 0) params.seed = static_cast<std::uint64_t>(options.seed);
  params.stop = options.stop;
  params.ignore_eos = options.ignore_eos;
  params.max_tokens = options.max_tokens;
  return params;
}

Json reasoning_kwargs(const Options& options) {
  Json kwargs = Json::object();
  if (options.reasoning_effort.empty()) return kwargs;
  const bool is_on = options.reasoning_effort != "none";
  kwargs["reasoning_effort"] = options.reasoning_effort;
  kwargs["enable_thinking"] = is_on;
  kwargs["thinking"] = is_on;  // as DeepSeek's templates call it
  return kwargs;
}

Result<std::unique_ptr<engine::Engine>> load_engine(const Options& options,
                                                    const std::string& folder) {
  engine::EngineConfig config = options.settings.engine;
  config.model = folder;
  Progress progress("loading", true);
  config.progress = [&progress](double share) { progress.update(share); };
  auto engine = engine::create_engine(config);
  if (!engine && (engine.error().code == ErrorCode::kInvalid ||
                  engine.error().code == ErrorCode::kUnsupported)) {
    engine.error().message += fmt::format("; quire inspect {} tells more", folder);
  }
  return engine;
}

Result<Answer> run_request(engine::Engine& engine, engine::GenerateRequest request,
                           const TextSink& sink, const std::atomic<bool>& cancelled) {
  const auto mailbox = std::make_shared<Mailbox>();
  QUIRE_ASSIGN(const engine::RequestId id,
               engine.submit(std::move(request), [mailbox](engine::Output&& output) {
                 mailbox->put(std::move(output));
               }));
  Answer answer;
  bool asked_to_end = false;
  while (true) {
    if (cancelled.load() && !asked_to_end) {
      asked_to_end = true;
      engine.cancel(id);
    }
    const std::optional<engine::Output> output = mailbox->take();
    if (!output) continue;
    if (!output->text.empty() && !asked_to_end) {
      answer.text += output->text;
      sink(TextKind::kContent, output->text);
    }
    if (output->finish == engine::FinishReason::kNone) continue;
    if (output->finish == engine::FinishReason::kError) {
      return tl::unexpected<Error>(output->error);
    }
    answer.finish_reason = finish_word(output->finish);
    answer.prompt_tokens = output->usage.prompt_tokens;
    answer.completion_tokens = output->usage.completion_tokens;
    answer.cached_tokens = output->usage.cached_tokens;
    const engine::Timings& times = output->timings;
    answer.first_token_s = to_seconds(times.first_token - times.arrival);
    answer.seconds = to_seconds(times.finished - times.arrival);
    return answer;
  }
}

Result<std::unique_ptr<ChatBackend>> open_local_backend(const Options& options) {
  QUIRE_ASSIGN(const std::string folder, find_model(options));
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::path(folder) / "config.json", ignored)) {
    return fail(ErrorCode::kNotFound,
                "{} has no config.json: a model is a folder with config.json, safetensors and "
                "tokenizer files",
                folder);
  }
  QUIRE_ASSIGN(server::LoadedChat chat, server::load_chat(folder));
  if (!chat.render) {
    return fail(ErrorCode::kUnsupported,
                "{} has no chat template; quire generate --raw continues plain text", folder);
  }
  QUIRE_ASSIGN(auto engine, load_engine(options, folder));
  return std::make_unique<LocalBackend>(std::move(engine), std::move(chat),
                                        options.settings.engine.model);
}

}  // namespace quire::cli
