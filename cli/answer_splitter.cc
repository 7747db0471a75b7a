// Calls of tools stay content here: the command line offers the model no tools.
#include "cli/answer_splitter.h"

#include <algorithm>

namespace quire::cli {
namespace {

text::AnswerParserOptions parser_options(const text::ReasoningFormat& format,
                                         std::string_view prompt) {
  text::AnswerParserOptions options;
  options.format.reasoning = &format;
  const std::size_t end = prompt.find_last_not_of(" \t\r\n");
  options.reasoning_is_open = end != std::string_view::npos && !format.is_harmony &&
                              prompt.substr(0, end + 1).ends_with(format.begin);
  return options;
}

}  // namespace

AnswerSplitter::AnswerSplitter(const text::ReasoningFormat& format, std::string_view prompt)
    : parser_(parser_options(format, prompt)) {}

void AnswerSplitter::deliver(const text::AnswerEvents& events, const TextSink& sink) {
  for (const text::AnswerEvent& event : events) {
    const bool is_reasoning = event.kind == text::AnswerEvent::Kind::kReasoning;
    sink(is_reasoning ? TextKind::kReasoning : TextKind::kContent, event.text);
  }
}

void show_markers(const engine::Engine& engine, PromptedRequest& prompted) {
  if (prompted.reasoning == nullptr) return;
  text::AnswerFormat format;
  format.reasoning = prompted.reasoning;
  std::vector<std::int32_t>& visible = prompted.request.visible_special_ids;
  for (const std::string& marker : text::markers_of(format)) {
    const auto ids = engine.tokenizer().encode(marker, {.add_special_tokens = false});
    for (const std::int32_t id : ids.value_or(std::vector<std::int32_t>())) {
      if (engine.tokenizer().is_special(id)) visible.push_back(id);
    }
  }
  std::ranges::sort(visible);
  visible.erase(std::unique(visible.begin(), visible.end()), visible.end());
}

Result<Answer> run_split(engine::Engine& engine, PromptedRequest prompted, const TextSink& sink,
                         const std::atomic<bool>& cancelled) {
  if (prompted.reasoning == nullptr) {
    return run_request(engine, std::move(prompted.request), sink, cancelled);
  }
  show_markers(engine, prompted);
  AnswerSplitter splitter(*prompted.reasoning, prompted.prompt);
  std::string content, reasoning;
  const TextSink sort = [&](TextKind kind, std::string_view text) {
    (kind == TextKind::kReasoning ? reasoning : content) += text;
    sink(kind, text);
  };
  Result<Answer> answer = run_request(
      engine, std::move(prompted.request),
      [&](TextKind, std::string_view text) { splitter.push(text, sort); }, cancelled);
  if (!answer) return answer;
  splitter.finish(answer->finish_reason != "stop", sort);
  answer->text = std::move(content);
  answer->reasoning = std::move(reasoning);
  return answer;
}

}  // namespace quire::cli
