// Compiling and rendering, with errors that name line and column.
#include "models/text/chat_template.h"

#include <algorithm>

#include "models/text/jinja/content_format.h"
#include "models/text/jinja/interpreter.h"
#include "models/text/jinja/lexer.h"
#include "models/text/jinja/parser.h"
#include "models/text/jinja/unicode.h"

namespace quire::text {
namespace {

constexpr std::size_t kSourceBytesMax = 4u << 20;

// "line 3, column 7" of a byte offset; columns count code points.
std::string place(std::string_view source, std::size_t offset) {
  const std::string_view before = source.substr(0, std::min(offset, source.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t newline = before.rfind('\n');
  const std::string_view start =
      newline == std::string_view::npos ? before : before.substr(newline + 1);
  return fmt::format("line {}, column {}", line, jinja::count_code_points(start) + 1);
}

std::int64_t count_values(const Json& json) {
  std::int64_t count = 1;
  if (json.is_structured()) {
    for (const Json& member : json) count += count_values(member);
  }
  return count;
}

}  // namespace

struct ChatTemplate::Compiled {
  jinja::Template source;
  TemplateLimits limits;
  bool wants_content_parts = false;
  bool tests_for_text = false;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::compile(std::string_view source, const TemplateLimits& limits) {
  if (source.size() > kSourceBytesMax) {
    return fail(ErrorCode::kInvalid, "chat template of {} bytes exceeds {}", source.size(),
                kSourceBytesMax);
  }
  if (!jinja::valid_utf8(source)) {
    return fail(ErrorCode::kInvalid, "chat template is not valid UTF-8");
  }
  try {
    auto compiled = std::make_unique<Compiled>();
    compiled->source = jinja::parse(source, limits.depth);
    compiled->limits = limits;
    compiled->wants_content_parts = jinja::iterates_over_content(compiled->source);
    compiled->tests_for_text = jinja::uses_test(compiled->source, "string");
    return ChatTemplate(std::move(compiled));
  } catch (const jinja::SyntaxError& error) {
    return fail(ErrorCode::kInvalid, "chat template, {}: {}",
                place(jinja::normalize_source(source), error.offset), error.message);
  } catch (const jinja::TemplateError& error) {
    return fail(ErrorCode::kInvalid, "chat template: {}", error.message);
  }
}

Result<std::string> ChatTemplate::render(const Json& context, std::int64_t now_unix) const {
  TemplateLimits limits = compiled_->limits;
  limits.fuel += std::min(limits.fuel_per_value * count_values(context), 15 * limits.fuel);
  const auto variable = [&](const std::string& name) -> std::optional<jinja::Value> {
    const Json* found = find_member(context, name);
    if (found == nullptr) return std::nullopt;
    return jinja::Value::from_json(*found);
  };
  jinja::Interpreter interpreter(compiled_->source, {variable, now_unix}, limits);
  try {
    return interpreter.run();
  } catch (const jinja::TemplateError& error) {
    return fail(ErrorCode::kInvalid, "chat template, {}: {}",
                place(compiled_->source.source, interpreter.offset()), error.message);
  }
}

std::string_view ChatTemplate::source() const { return compiled_->source.source; }

bool ChatTemplate::wants_content_parts() const { return compiled_->wants_content_parts; }

bool ChatTemplate::tests_for_text() const { return compiled_->tests_for_text; }

const ChatTemplate* ChatTemplates::choose(bool has_tools) const {
  const auto find = [&](const char* name) {
    const auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : &found->second;
  };
  const ChatTemplate* tool_use = has_tools ? find("tool_use") : nullptr;
  return tool_use != nullptr ? tool_use : find("default");
}

}  // namespace quire::text
