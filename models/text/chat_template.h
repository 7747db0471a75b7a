// A checkpoint's chat template: messages in, the prompt's text out, byte-equal with Transformers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "models/load/json.h"
#include "models/text/template_limits.h"

namespace quire::text {

// Immutable after compile(); render() may be called from any thread. No template reaches the host:
// values are data, and the filters, tests, functions and methods are a closed set.
class ChatTemplate {
 public:
  // Errors have the line and column.
  static Result<ChatTemplate> compile(std::string_view source, const TemplateLimits& limits = {});
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // context: the variables by name (messages, tools, add_generation_prompt, bos_token ...).
  // now_unix: seconds, what strftime_now formats, as UTC.
  Result<std::string> render(const Json& context, std::int64_t now_unix) const;

  // The template's own text.
  std::string_view source() const;

  // True when the template iterates over a message's content as a list of parts; false when it
  // takes a string, so that parts have to be joined first. Found at compile time.
  bool wants_content_parts() const;
  // True when the template asks whether something `is string`, so that it takes a content that is
  // one text as well.
  bool tests_for_text() const;

 private:
  struct Compiled;
  explicit ChatTemplate(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

// The templates that a checkpoint ships: chat_template.jinja, chat_template.json, the
// additional_chat_templates folder, or tokenizer_config.json's chat_template (text or named list),
// plus the special tokens that templates refer to.
struct ChatTemplates {
  std::map<std::string, ChatTemplate> by_name;  // "default", "tool_use", "rag" ...
  Json special_tokens = Json::object();         // bos_token, eos_token ... as text

  // "tool_use" when there are tools and such a template, else "default"; null when none fits.
  const ChatTemplate* choose(bool has_tools) const;
};

// A folder without a template gives an empty map, not an error.
Result<ChatTemplates> load_chat_templates(const std::string& folder);

}  // namespace quire::text
