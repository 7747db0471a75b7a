// A server that speaks OpenAI's chat completions, read as server-sent events.
#include <algorithm>

#include "base/clock.h"
#include "cli/chat_backend.h"
#include "cli/http_client.h"

namespace quire::cli {
namespace {

// The API's root: with or without /v1 and slashes at the end.
std::string api_root(std::string url) {
  if (url.find("://") == std::string::npos) url.insert(0, "http://");
  while (url.ends_with('/')) url.pop_back();
  return url.ends_with("/v1") ? url : url + "/v1";
}

std::string string_member(const Json& object, std::string_view key) {
  const Json* value = find_member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

std::int64_t integer_member(const Json& object, std::string_view key) {
  const Json* value = find_member(object, key);
  return value != nullptr && value->is_number_integer() ? value->get<std::int64_t>() : 0;
}

Error server_error(const HttpReply& reply) {
  std::string message = reply.body.substr(0, 300);
  if (const auto body = parse_json(reply.body)) {
    if (const Json* error = find_member(*body, "error"); error != nullptr) {
      const std::string text = string_member(*error, "message");
      if (!text.empty()) message = text;
    }
  }
  if (reply.status == 401) message += " (give the key with --api-key or QUIRE_API_KEY)";
  return {ErrorCode::kInvalid, fmt::format("the server answered {}: {}", reply.status, message)};
}

// Cuts a stream of events into their data.
class EventReader {
 public:
  void add(std::string_view bytes, const std::function<void(std::string_view)>& on_data) {
    pending_ += bytes;
    std::size_t begin = 0;
    for (std::size_t end; (end = pending_.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      std::string_view line(pending_.data() + begin, end - begin);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.starts_with("data:")) {
        line.remove_prefix(5);
        if (line.starts_with(' ')) line.remove_prefix(1);
        on_data(line);
      }
    }
    pending_.erase(0, begin);
  }

 private:
  std::string pending_;
};

class RemoteBackend final : public ChatBackend {
 public:
  RemoteBackend(std::string root, std::string model)
      : root_(std::move(root)), model_(std::move(model)) {}

  std::string name() const override { return model_; }

  Result<Answer> answer(const Json& messages, const Options& options, const TextSink& sink,
                        const std::atomic<bool>& cancelled) override {
    HttpCall call = call_of(root_ + "/chat/completions", options);
    call.method = "POST";
    call.fields.emplace_back("Content-Type", "application/json");
    call.fields.emplace_back("Accept", "text/event-stream");
    call.body = dump_json(request_json(messages, options));
    call.silence_s = 600;  // a long prompt is silent
    call.cancelled = &cancelled;
    Answer answer;
    Status fault;
    EventReader events;
    const Time begin = SteadyClock().now();
    const auto reply = http_call(call, [&](const HttpReply&, std::string_view bytes) -> Status {
      events.add(bytes, [&](std::string_view data) {
        if (data != "[DONE]" && fault) fault = take(data, begin, sink, answer);
      });
      return fault;
    });
    answer.seconds = to_seconds(SteadyClock().now() - begin);
    if (!reply && reply.error().code == ErrorCode::kCancelled) {
      answer.finish_reason = "abort";
      return answer;
    }
    if (!reply) return tl::unexpected<Error>(reply.error());
    if (reply->status != 200) return tl::unexpected<Error>(server_error(*reply));
    return answer;
  }

  static HttpCall call_of(std::string url, const Options& options) {
    HttpCall call;
    call.url = std::move(url);
    call.ca_file = options.ca_file;
    if (!options.client_key.empty()) {
      call.fields.emplace_back("Authorization", "Bearer " + options.client_key);
    }
    return call;
  }

 private:
  Json request_json(const Json& messages, const Options& options) const {
    Json body = {{"model", model_},
                 {"messages", messages},
                 {"stream", true},
                 {"stream_options", {{"include_usage", true}}}};
    if (options.temperature >= 0) body["temperature"] = options.temperature;
    if (options.top_p >= 0) body["top_p"] = options.top_p;
    if (options.top_k >= 0) body["top_k"] = options.top_k;
    if (options.min_p >= 0) body["min_p"] = options.min_p;
    if (options.repetition_penalty >= 0) body["repetition_penalty"] = options.repetition_penalty;
    if (options.max_tokens > 0) body["max_tokens"] = options.max_tokens;
    if (options.seed >= 0) body["seed"] = options.seed;
    if (!options.stop.empty()) body["stop"] = options.stop;
    if (!options.reasoning_effort.empty()) body["reasoning_effort"] = options.reasoning_effort;
    return body;
  }

  static Status take(std::string_view data, Time begin, const TextSink& sink, Answer& answer) {
    QUIRE_ASSIGN(const Json chunk, parse_json(data));
    if (const Json* error = find_member(chunk, "error"); error != nullptr && error->is_object()) {
      return fail(ErrorCode::kInvalid, "the server ended the answer: {}",
                  string_member(*error, "message"));
    }
    if (const Json* usage = find_member(chunk, "usage"); usage != nullptr && usage->is_object()) {
      answer.prompt_tokens = integer_member(*usage, "prompt_tokens");
      answer.completion_tokens = integer_member(*usage, "completion_tokens");
      if (const Json* details = find_member(*usage, "prompt_tokens_details")) {
        answer.cached_tokens = integer_member(*details, "cached_tokens");
      }
    }
    const Json* choices = find_member(chunk, "choices");
    if (choices == nullptr || !choices->is_array() || choices->empty()) return {};
    const Json& choice = choices->front();
    if (const std::string finish = string_member(choice, "finish_reason"); !finish.empty()) {
      answer.finish_reason = finish;
    }
    const Json* delta = find_member(choice, "delta");
    if (delta == nullptr) return {};
    const std::string text = string_member(*delta, "content");
    std::string reasoning = string_member(*delta, "reasoning_content");
    if (reasoning.empty()) reasoning = string_member(*delta, "reasoning");
    if ((!text.empty() || !reasoning.empty()) && answer.first_token_s == 0) {
      answer.first_token_s = to_seconds(SteadyClock().now() - begin);
    }
    answer.reasoning += reasoning;
    if (!reasoning.empty()) sink(TextKind::kReasoning, reasoning);
    if (!text.empty()) sink(TextKind::kContent, text);
    answer.text += text;
    return {};
  }

  std::string root_, model_;
};

}  // namespace

Result<std::unique_ptr<ChatBackend>> open_remote_backend(const Options& options) {
  const std::string root = api_root(options.url);
  HttpCall call = RemoteBackend::call_of(root + "/models", options);
  const auto reply = http_call(call);
  if (!reply && reply.error().code == ErrorCode::kIo) {
    return fail(ErrorCode::kIo,
                "--url {}: {}: does a server run there? quire serve MODEL starts one", options.url,
                reply.error().message);
  }
  if (!reply) return fail(reply.error().code, "--url: {}", reply.error().message);
  if (reply->status != 200) return tl::unexpected<Error>(server_error(*reply));
  QUIRE_ASSIGN(const Json body, parse_json(reply->body));
  std::vector<std::string> names;
  if (const Json* data = find_member(body, "data"); data != nullptr && data->is_array()) {
    for (const Json& model : *data) names.push_back(string_member(model, "id"));
  }
  if (names.empty()) return fail(ErrorCode::kNotFound, "{} has no model", root);
  const std::string& wanted = options.remote_model;
  if (!wanted.empty() && std::ranges::find(names, wanted) == names.end()) {
    return fail(ErrorCode::kNotFound, "{} has no model {}; it has {}", root, wanted,
                fmt::join(names, ", "));
  }
  return std::make_unique<RemoteBackend>(root, wanted.empty() ? names.front() : wanted);
}

}  // namespace quire::cli
