// An answer has one open block at a time; a new kind of event closes it and opens the next.
#include "server/messages_writer.h"

#include <algorithm>
#include <utility>

#include "server/sse_writer.h"
#include "server/usage_json.h"

namespace quire::server {
namespace {

using engine::FinishReason;
using Kind = text::AnswerEvent::Kind;

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

Json error_json(int status, const std::string& message) {
  return {{"type", "error"}, {"error", {{"type", error_type(status)}, {"message", message}}}};
}

// Why the message ended, and the stop sequence that was met.
std::pair<Json, Json> stop_of(const ChoiceState& state) {
  const bool matched = state.finish == FinishReason::kStop && !state.stop_reason.empty();
  if (matched) return {"stop_sequence", state.stop_reason};
  const std::string_view name = finish_reason_name(state);
  if (name == "tool_calls") return {"tool_use", nullptr};
  return {name == "length" ? "max_tokens" : "end_turn", nullptr};
}

// The arguments as an object; what a length limit has cut is not one.
Json parsed_arguments(const std::string& text) {
  auto parsed = parse_json(text.empty() ? "{}" : text);
  return parsed && parsed->is_object() ? std::move(*parsed) : Json::object();
}

// One block of the content: reasoning, text or a call.
struct Block {
  Kind kind = Kind::kContent;
  std::string text;  // or the call's arguments
  std::string call_id, name;

  // As it begins in a stream: `text` is still to come.
  Json head() const {
    switch (kind) {
      case Kind::kContent:
        return {{"type", "text"}, {"text", ""}};
      case Kind::kReasoning:
        return {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}};
      default:
        return {{"type", "tool_use"}, {"id", call_id}, {"name", name}, {"input", Json::object()}};
    }
  }
  Json delta(const std::string& piece) const {
    switch (kind) {
      case Kind::kContent:
        return {{"type", "text_delta"}, {"text", piece}};
      case Kind::kReasoning:
        return {{"type", "thinking_delta"}, {"thinking", piece}};
      default:
        return {{"type", "input_json_delta"}, {"partial_json", piece}};
    }
  }
  Json whole() const {
    Json out = head();
    if (kind == Kind::kContent) {
      out["text"] = text;
    } else if (kind == Kind::kReasoning) {
      out["thinking"] = text;
    } else {
      out["input"] = parsed_arguments(text);
    }
    return out;
  }
};

class MessagesWriter final : public AnswerWriter {
 public:
  MessagesWriter(const GenerationPlan& plan, std::string id)
      : plan_(plan), id_("msg_" + std::move(id)) {}

  std::string whole(const std::vector<ChoiceState>& choices) override;
  void note(const AnswerPiece& piece) override;
  std::string piece(const AnswerPiece& piece, std::vector<ChoiceState>& choices) override;
  std::string stream_end(const std::vector<ChoiceState>& choices) override;
  std::string stream_error(const ApiError& error) override {
    return event("error", error_json(error.kind.status, error.message));
  }

 private:
  static std::string event(std::string_view type, const Json& data) {
    return fmt::format("event: {}\ndata: {}\n\n", type, dump_json(data));
  }
  Json envelope() const;
  Json usage(const std::vector<ChoiceState>& choices) const;
  void add_costs(const std::vector<ChoiceState>& choices, Json& out) const;
  void add_event(const text::AnswerEvent& it, std::string& out);
  void open(Block block, std::string& out);
  void close(std::string& out);
  void delta(const Json& delta, std::string& out) const;
  std::size_t index() const { return blocks_.size() - 1; }

  const GenerationPlan& plan_;
  std::string id_;
  bool begun_ = false;
  std::vector<Block> blocks_;  // the last one may be open
  bool is_open_ = false;
};

Json MessagesWriter::envelope() const {
  Json out = Json::object();
  out["id"] = id_;
  out["type"] = "message";
  out["role"] = "assistant";
  out["model"] = plan_.model;
  out["content"] = Json::array();
  out["stop_reason"] = nullptr;
  out["stop_sequence"] = nullptr;
  return out;
}

// Tokens that came from the prefix cache are counted apart, as Anthropic does.
Json MessagesWriter::usage(const std::vector<ChoiceState>& choices) const {
  const UsageTotals sum = sum_usage(plan_, choices);
  return {{"input_tokens", sum.prompt - sum.cached},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", sum.cached},
          {"output_tokens", sum.completion}};
}

void MessagesWriter::add_costs(const std::vector<ChoiceState>& choices, Json& out) const {
  out["timings"] = timings_json(plan_, choices);
  if (plan_.receipt) out["receipt"] = receipt_json(plan_, choices, SteadyClock().now());
}

// A whole answer has the blocks that a stream would have: its events are made and dropped.
void MessagesWriter::note(const AnswerPiece& piece) {
  std::string ignored;
  for (const text::AnswerEvent& it : *piece.events) add_event(it, ignored);
}

std::string MessagesWriter::whole(const std::vector<ChoiceState>& choices) {
  std::string ignored;
  if (blocks_.empty()) open({}, ignored);
  Json out = envelope();
  for (const Block& block : blocks_) out["content"].push_back(block.whole());
  std::tie(out["stop_reason"], out["stop_sequence"]) = stop_of(choices.front());
  out["usage"] = usage(choices);
  add_costs(choices, out);
  if (!plan_.warnings.empty()) out["warnings"] = plan_.warnings;
  return dump_json(out);
}

void MessagesWriter::open(Block block, std::string& out) {
  blocks_.push_back(std::move(block));
  is_open_ = true;
  out += event("content_block_start", {{"type", "content_block_start"},
                                       {"index", index()},
                                       {"content_block", blocks_.back().head()}});
}

void MessagesWriter::close(std::string& out) {
  if (!is_open_) return;
  is_open_ = false;
  if (blocks_.back().kind == Kind::kReasoning) {
    delta({{"type", "signature_delta"}, {"signature", ""}}, out);
  }
  out += event("content_block_stop", {{"type", "content_block_stop"}, {"index", index()}});
}

void MessagesWriter::delta(const Json& delta, std::string& out) const {
  out += event("content_block_delta",
               {{"type", "content_block_delta"}, {"index", index()}, {"delta", delta}});
}

void MessagesWriter::add_event(const text::AnswerEvent& it, std::string& out) {
  const Kind kind = it.kind == Kind::kArguments ? Kind::kCallBegin : it.kind;
  const bool begins_call = it.kind == Kind::kCallBegin;
  if (!is_open_ || blocks_.back().kind != kind || begins_call) {
    close(out);
    open({kind, "", it.call_id, begins_call ? it.text : ""}, out);
  }
  if (begins_call) return;
  Block& block = blocks_.back();
  block.text += it.text;
  delta(block.delta(it.text), out);
}

std::string MessagesWriter::piece(const AnswerPiece& piece, std::vector<ChoiceState>&) {
  std::string out;
  if (!begun_) {
    begun_ = true;
    Json message = envelope();
    message["usage"] = {{"input_tokens", plan_.prompts.front().prompt_tokens},
                        {"cache_creation_input_tokens", 0},
                        {"cache_read_input_tokens", 0},
                        {"output_tokens", 0}};
    if (!plan_.warnings.empty()) message["warnings"] = plan_.warnings;
    out += event("message_start", {{"type", "message_start"}, {"message", std::move(message)}});
    out += event("ping", {{"type", "ping"}});
  }
  for (const text::AnswerEvent& it : *piece.events) add_event(it, out);
  return out;
}

std::string MessagesWriter::stream_end(const std::vector<ChoiceState>& choices) {
  std::string out;
  if (blocks_.empty()) open({}, out);
  close(out);
  const auto [reason, sequence] = stop_of(choices.front());
  Json end = {{"type", "message_delta"},
              {"delta", {{"stop_reason", reason}, {"stop_sequence", sequence}}},
              {"usage", usage(choices)}};
  add_costs(choices, end);
  out += event("message_delta", end);
  out += event("message_stop", {{"type", "message_stop"}});
  return out;
}

}  // namespace

std::unique_ptr<AnswerWriter> make_messages_writer(const GenerationPlan& plan,
                                                   const engine::Engine& /*engine*/,
                                                   std::string id) {
  return std::make_unique<MessagesWriter>(plan, std::move(id));
}

void use_anthropic_shape(const HttpRequest& request, HttpResponse& response) {
  if (response.status < 400 || !request.path.starts_with("/v1/messages")) return;
  const auto body = parse_json(response.body);
  if (!body) return;
  const Json* error = find_member(*body, "error");
  const Json* message = error == nullptr ? nullptr : find_member(*error, "message");
  if (message == nullptr || !message->is_string() || body->contains("type")) return;
  std::string text = message->get<std::string>();
  // What Anthropic's clients look for before they shorten a conversation.
  const Json* code = find_member(*error, "code");
  if (code != nullptr && *code == kContextLength.code) text = "prompt is too long: " + text;
  response.body = dump_json(error_json(response.status, text));
}

}  // namespace quire::server
