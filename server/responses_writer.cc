// A stream has one open item at a time; its events are numbered from 0.
#include "server/responses_writer.h"

#include <utility>

#include "server/answer_values.h"
#include "server/content_tokens.h"
#include "server/ids.h"
#include "server/usage_json.h"

namespace quire::server {
namespace {

using engine::FinishReason;
using Kind = text::AnswerEvent::Kind;

Json text_part(Kind kind, const std::string& text, const Json& logprobs) {
  if (kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", logprobs}};
}

// One item of the output: reasoning, a message or a call.
struct Item {
  Kind kind = Kind::kContent;
  std::string id;
  std::string text;               // or the call's arguments
  Json logprobs = Json::array();  // of the text's tokens, where they were asked for
  std::string call_id, name;
  bool cut = false;

  Json json(bool done) const {
    const char* const status = !done ? "in_progress" : cut ? "incomplete" : "completed";
    if (kind == Kind::kCallBegin) {
      return {{"id", id},     {"type", "function_call"}, {"status", status}, {"call_id", call_id},
              {"name", name}, {"arguments", text}};
    }
    Json content = Json::array();
    if (done) content.push_back(text_part(kind, text, logprobs));
    if (kind == Kind::kReasoning) {
      return {{"id", id},
              {"type", "reasoning"},
              {"summary", Json::array()},
              {"content", std::move(content)},
              {"status", status}};
    }
    return {{"id", id},
            {"type", "message"},
            {"status", status},
            {"role", "assistant"},
            {"content", std::move(content)}};
  }
};

class ResponsesWriter final : public AnswerWriter {
 public:
  ResponsesWriter(const GenerationPlan& plan, const engine::Engine& engine,
                  std::shared_ptr<const ResponseContext> context, std::string id)
      : plan_(plan),
        content_tokens_(engine.tokenizer()),
        context_(std::move(context)),
        id_("resp_" + std::move(id)) {}

  std::string whole(const std::vector<ChoiceState>& choices) override;
  void note(const AnswerPiece& piece) override;
  std::string piece(const AnswerPiece& piece, std::vector<ChoiceState>& choices) override;
  std::string stream_end(const std::vector<ChoiceState>& choices) override;
  std::string stream_error(const ApiError& error) override;

 private:
  Json response(std::string_view status) const;
  Json finished(const std::vector<ChoiceState>& choices) const;
  // Ends the answer and keeps it; gives the response.
  Json close(const std::vector<ChoiceState>& choices, std::string& out);
  void keep(const Json& response, const text::Answer& answer) const;
  std::string event(std::string_view type, Json data);
  Json place() const;
  void begin(Kind kind, const text::AnswerEvent& it, std::string& out);
  void extend(const std::string& text, const Json& logprobs, std::string& out);
  void end(bool cut, std::string& out);
  void add(const text::AnswerEvent& it, const Json& logprobs, std::string& out);
  void add_all(const AnswerPiece& piece, std::string& out);

  const GenerationPlan& plan_;
  ContentTokens content_tokens_;
  std::shared_ptr<const ResponseContext> context_;
  std::string id_;
  std::int64_t created_ = unix_seconds();
  std::int64_t sequence_number_ = 0;
  std::vector<Item> items_;  // the last one may be open
  bool is_open_ = false;
  bool begun_ = false;
};

Json ResponsesWriter::response(std::string_view status) const {
  Json out = Json::object();
  out["id"] = id_;
  out["object"] = "response";
  out["created_at"] = created_;
  out["status"] = status;
  out["background"] = false;
  out["error"] = nullptr;
  out["incomplete_details"] = nullptr;
  out["model"] = plan_.model;
  out["output"] = Json::array();
  out.update(context_->echo);
  out["usage"] = nullptr;
  if (!plan_.warnings.empty()) out["warnings"] = plan_.warnings;
  return out;
}

Json ResponsesWriter::finished(const std::vector<ChoiceState>& choices) const {
  const bool cut = finish_reason_name(choices.front()) == "length";
  Json out = response(cut ? "incomplete" : "completed");
  if (cut) out["incomplete_details"] = {{"reason", "max_output_tokens"}};
  for (const Item& item : items_) out["output"].push_back(item.json(true));
  const UsageTotals sum = sum_usage(plan_, choices);
  out["usage"] = {{"input_tokens", sum.prompt},
                  {"input_tokens_details", {{"cached_tokens", sum.cached}}},
                  {"output_tokens", sum.completion},
                  {"output_tokens_details", {{"reasoning_tokens", sum.reasoning}}},
                  {"total_tokens", sum.prompt + sum.completion}};
  out["timings"] = timings_json(plan_, choices);
  if (plan_.receipt) out["receipt"] = receipt_json(plan_, choices, SteadyClock().now());
  return out;
}

void ResponsesWriter::keep(const Json& response, const text::Answer& answer) const {
  if (context_->store == nullptr) return;
  Json message = {{"role", "assistant"}, {"content", answer.content}};
  if (!answer.reasoning.empty()) message["reasoning_content"] = answer.reasoning;
  for (const text::ToolCall& call : answer.calls) {
    message["tool_calls"].push_back(
        {{"id", call.id},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  Json conversation = context_->conversation;
  conversation.push_back(std::move(message));
  context_->store->put(id_, {dump_json(response), dump_json(conversation)}, SteadyClock().now());
}

std::string ResponsesWriter::event(std::string_view type, Json data) {
  Json out = {{"type", type}, {"sequence_number", sequence_number_++}};
  out.update(data);
  return fmt::format("event: {}\ndata: {}\n\n", type, dump_json(out));
}

Json ResponsesWriter::place() const {
  Json out = {{"item_id", items_.back().id}, {"output_index", items_.size() - 1}};
  if (items_.back().kind != Kind::kCallBegin) out["content_index"] = 0;
  return out;
}

void ResponsesWriter::begin(Kind kind, const text::AnswerEvent& it, std::string& out) {
  const char* const prefix = kind == Kind::kReasoning ? "rs_"
                             : kind == Kind::kContent ? "msg_"
                                                      : "fc_";
  Item item;
  item.kind = kind;
  item.id = prefix + random_id();
  if (kind == Kind::kCallBegin) {
    item.call_id = it.call_id;
    item.name = it.text;
  }
  items_.push_back(std::move(item));
  is_open_ = true;
  out += event("response.output_item.added",
               {{"output_index", items_.size() - 1}, {"item", items_.back().json(false)}});
  if (kind == Kind::kCallBegin) return;
  Json part = place();
  part["part"] = text_part(kind, "", Json::array());
  out += event("response.content_part.added", std::move(part));
}

void ResponsesWriter::extend(const std::string& text, const Json& logprobs, std::string& out) {
  Item& item = items_.back();
  item.text += text;
  for (const Json& one : logprobs) item.logprobs.push_back(one);
  Json delta = place();
  delta["delta"] = text;
  if (item.kind == Kind::kContent) delta["logprobs"] = logprobs;
  const char* const type = item.kind == Kind::kContent ? "response.output_text.delta"
                           : item.kind == Kind::kReasoning
                               ? "response.reasoning_text.delta"
                               : "response.function_call_arguments.delta";
  out += event(type, std::move(delta));
}

void ResponsesWriter::end(bool cut, std::string& out) {
  if (!is_open_) return;
  is_open_ = false;
  Item& item = items_.back();
  item.cut = cut;
  Json done = place();
  if (item.kind == Kind::kCallBegin) {
    done["name"] = item.name;
    done["arguments"] = item.text;
    out += event("response.function_call_arguments.done", std::move(done));
  } else {
    Json part = done;
    part["part"] = text_part(item.kind, item.text, item.logprobs);
    done["text"] = item.text;
    const bool content = item.kind == Kind::kContent;
    if (content) done["logprobs"] = item.logprobs;
    out += event(content ? "response.output_text.done" : "response.reasoning_text.done",
                 std::move(done));
    out += event("response.content_part.done", std::move(part));
  }
  out += event("response.output_item.done",
               {{"output_index", items_.size() - 1}, {"item", item.json(true)}});
}

void ResponsesWriter::add(const text::AnswerEvent& it, const Json& logprobs, std::string& out) {
  const Kind kind = it.kind == Kind::kArguments ? Kind::kCallBegin : it.kind;
  if (!is_open_ || items_.back().kind != kind || it.kind == Kind::kCallBegin) {
    end(false, out);
    begin(kind, it, out);
  }
  if (it.kind != Kind::kCallBegin) extend(it.text, logprobs, out);
}

void ResponsesWriter::add_all(const AnswerPiece& piece, std::string& out) {
  if (plan_.logprobs >= 0) content_tokens_.push(piece.output->tokens, piece.content);
  for (const text::AnswerEvent& it : *piece.events) {
    const bool has_logprobs = plan_.logprobs >= 0 && it.kind == Kind::kContent;
    add(it, has_logprobs ? content_tokens_.logprobs(it.text.size(), plan_.logprobs) : Json::array(),
        out);
  }
}

// A whole answer has the items that a stream would have: its events are made and dropped.
void ResponsesWriter::note(const AnswerPiece& piece) {
  std::string ignored;
  add_all(piece, ignored);
}

std::string ResponsesWriter::piece(const AnswerPiece& piece, std::vector<ChoiceState>&) {
  std::string out;
  if (!begun_) {
    begun_ = true;
    out += event("response.created", {{"response", response("in_progress")}});
    out += event("response.in_progress", {{"response", response("in_progress")}});
  }
  add_all(piece, out);
  return out;
}

Json ResponsesWriter::close(const std::vector<ChoiceState>& choices, std::string& out) {
  const ChoiceState& state = choices.front();
  if (items_.empty()) begin(Kind::kContent, {}, out);
  end(finish_reason_name(state) == "length", out);
  Json response = finished(choices);
  keep(response, state.answer);
  return response;
}

std::string ResponsesWriter::stream_end(const std::vector<ChoiceState>& choices) {
  std::string out;
  const Json response = close(choices, out);
  return out +
         event(response["status"] == "incomplete" ? "response.incomplete" : "response.completed",
               {{"response", response}});
}

std::string ResponsesWriter::whole(const std::vector<ChoiceState>& choices) {
  std::string ignored;
  return dump_json(close(choices, ignored));
}

std::string ResponsesWriter::stream_error(const ApiError& error) {
  const bool cancelled = error.kind.code == kCancelled.code;
  Json failed = response(cancelled ? "cancelled" : "failed");
  failed["error"] = {{"code", "server_error"}, {"message", error.message}};
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (is_open_ && i + 1 == items_.size()) items_[i].cut = true;
    failed["output"].push_back(items_[i].json(true));
  }
  std::string out;
  if (!begun_) out += event("response.created", {{"response", response("in_progress")}});
  return out + event("response.failed", {{"response", std::move(failed)}});
}

}  // namespace

WriterMaker make_responses_writer(std::shared_ptr<const ResponseContext> context) {
  return [context = std::move(context)](const GenerationPlan& plan, const engine::Engine& engine,
                                        std::string id) -> std::unique_ptr<AnswerWriter> {
    return std::make_unique<ResponsesWriter>(plan, engine, context, std::move(id));
  };
}

}  // namespace quire::server
