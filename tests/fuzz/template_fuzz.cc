// Any bytes as a template, over one context that has every kind of value: no crash, no leak, no
// runaway; what renders is valid UTF-8 within the output limit.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "models/text/chat_template.h"
#include "models/text/jinja/unicode.h"

namespace {

const quire::Json& context() {
  static const quire::Json kContext = quire::Json::parse(R"({
    "n": 7, "f": 2.5, "s": "Hello World", "u": "é世🌍", "t": true, "e": null, "l": [3, 1, 2],
    "d": {"a": 1, "b": [true, null, {"c": "x"}]}, "bos_token": "<s>", "add_generation_prompt": true,
    "messages": [{"role": "user", "content": "Hi"},
                 {"role": "assistant", "content": [{"type": "text", "text": "a"}],
                  "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]}]})");
  return kContext;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quire::text::TemplateLimits limits;
  limits.fuel = 20'000;
  limits.output_bytes = 1u << 16;
  limits.repeated_string_bytes = 1u << 14;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto compiled = quire::text::ChatTemplate::compile(source, limits);
  if (!compiled) return 0;
  const auto text = compiled->render(context(), 1'795'264'496);
  if (!text) return 0;
  CHECK(text->size() <= limits.output_bytes, "{} bytes", text->size());
  CHECK(quire::text::jinja::valid_utf8(*text));
  CHECK(*compiled->render(context(), 1'795'264'496) == *text, "two renders differ");
  return 0;
}
