// Any JSON as the request of a chat: preparing, rendering and continuing it never crashes, and what
// comes out is valid UTF-8. The template walks over all that a message may hold.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "models/text/chat_messages.h"
#include "models/text/jinja/unicode.h"

namespace {

constexpr const char* kSource = R"({%- macro show(v, depth=0) -%}
{%- if v is mapping -%}{ {%- for k, x in v|dictsort -%}{{ k|string|title }}
={{ show(x, depth + 1) }};
{%- endfor -%} }
{%- elif v is string -%}{{ v|trim|replace('a', 'b') }}{{ v[1:-1] }}
{{ v[::-1]|upper }}{{ v.split()|length }}
{%- elif v is sequence -%}[{%- for x in v -%}
{{ loop.previtem is defined }}{{ show(x) }},{%- endfor -%}]
{%- else -%}{{ v }}{{ v|int }}{{ '%s' % v }}{%- endif -%}
{%- endmacro -%}
{%- for m in messages -%}
<{{ m.role }}>{%- if m.content is string -%}{{ m.content }}
{%- else -%}{%- for p in m.content -%}{{ p.type }}{{ p.text }}{%- endfor -%}{%- endif -%}
{%- for c in m.tool_calls -%}{{ c.function.arguments|tojson(indent=1) }}{%- endfor -%}{{ show(m) }}
{%- endfor -%}{{ tools|tojson }}{{ show(x) }}
{{ messages|tojson(sort_keys=true, ensure_ascii=true) }})";

const quire::text::ChatTemplates& templates() {
  static const auto* const kTemplates = [] {
    static quire::text::ChatTemplates made;
    quire::text::TemplateLimits limits;
    limits.fuel = 20'000;
    auto compiled = quire::text::ChatTemplate::compile(kSource, limits);
    CHECK(compiled.has_value(), "{}", compiled.error().message);
    made.by_name.emplace("default", *std::move(compiled));
    made.by_name.emplace("plain",
                         *quire::text::ChatTemplate::compile(
                             "{% for m in messages %}{{ m.content }}{% endfor %}", limits));
    return &made;
  }();
  return *kTemplates;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto parsed = quire::parse_json(text);
  if (!parsed) return 0;
  quire::text::ChatRequest request;
  if (const auto* messages = quire::find_member(*parsed, "messages")) {
    request.messages = *messages;
    if (const auto* tools = quire::find_member(*parsed, "tools")) request.tools = *tools;
    if (const auto* kwargs = quire::find_member(*parsed, "kwargs")) request.kwargs = *kwargs;
  } else {
    request.messages = *parsed;
  }
  request.continue_final_message = (data[0] & 1) != 0;
  request.add_generation_prompt = (data[0] & 1) == 0;
  if ((data[0] & 2) != 0) request.template_name = "plain";
  const auto prompt = quire::text::render_chat(templates(), request, 0);
  if (prompt) CHECK(quire::text::jinja::valid_utf8(*prompt));
  return 0;
}
