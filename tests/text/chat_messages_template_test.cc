// Requests to prompts. Expected texts are written by hand from what vLLM and Transformers document:
// text parts joined by newlines, arguments parsed, the final message cut behind its content.
#include <gtest/gtest.h>

#include "models/text/chat_messages.h"

namespace quire::text {
namespace {

ChatTemplates templates_with(const char* source) {
  ChatTemplates templates;
  auto compiled = ChatTemplate::compile(source);
  EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().message);
  templates.by_name.emplace("default", *std::move(compiled));
  return templates;
}

Json json(std::string_view text) {
  auto parsed = parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return *parsed;
}

std::string render(const char* source, const ChatRequest& request) {
  const auto text = render_chat(templates_with(source), request, 0);
  return text ? *text : "error: " + text.error().message;
}

ChatRequest with_messages(std::string_view messages) {
  ChatRequest request;
  request.messages = json(messages);
  return request;
}

constexpr const char* kPlain =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}>{% endif %}";
constexpr const char* kParts =
    "{% for m in messages %}[{{ m.role }}]{% for p in m.content %}<{{ p.type }}:{{ p.text }}>"
    "{% endfor %}{% endfor %}";

TEST(RenderChat, GivesContentInTheTemplatesFormat) {
  const auto list = R"([{"role": "user", "content": [{"type": "text", "text": "a"}, "b",
                                                     {"type": "input_text", "text": "c"}]}])";
  EXPECT_EQ(render(kPlain, with_messages(list)), "[user]a\nb\nc>");
  EXPECT_EQ(render(kParts, with_messages(list)), "[user]<text:a><text:b><text:c>");
  EXPECT_EQ(render(kParts, with_messages(R"([{"role": "user", "content": "a"}])")),
            "[user]<text:a>");
  const char* either =
      "{% for m in messages %}{% if m.content is string %}s:{{ m.content }}{% else %}"
      "{% for p in m.content %}p:{{ p.text }}{% endfor %}{% endif %}{% endfor %}";
  EXPECT_EQ(render(either, with_messages(R"([{"role": "user", "content": "a"}])")), "s:a");
  EXPECT_EQ(render(either, with_messages(list)), "p:ap:bp:c");
}

TEST(RenderChat, KeepsMediaPartsForTemplatesThatTakeThem) {
  const auto media = R"([{"role": "user", "content": [{"type": "image", "url": "x"},
                                                      {"type": "text", "text": "a"}]}])";
  EXPECT_EQ(render(kParts, with_messages(media)), "[user]<image:><text:a>");
  const auto refused = render_chat(templates_with(kPlain), with_messages(media), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "messages[0].content[0].type");
  EXPECT_NE(refused.error().message.find("'image'"), std::string::npos);
}

TEST(RenderChat, RefusesMalformedMessagesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "messages"},
      {R"([1])", "messages[0]"},
      {R"([{"content": "a"}])", "messages[0].role"},
      {R"([{"role": 1}])", "messages[0].role"},
      {R"([{"role": "user", "content": 5}])", "messages[0].content"},
      {R"([{"role": "user", "content": [5]}])", "messages[0].content[0]"},
      {R"([{"role": "user", "content": [{"type": "text"}]}])", "messages[0].content[0].text"},
      {R"([{"role": "user", "content": [{"text": "a"}]}])", "messages[0].content[0].type"},
      {R"([{"role": "assistant", "tool_calls": 1}])", "messages[0].tool_calls"},
      {R"([{"role": "assistant", "tool_calls": [{}]}])", "messages[0].tool_calls[0].function"},
  };
  for (const auto& [messages, param] : cases) {
    const auto refused = render_chat(templates_with(kPlain), with_messages(messages), 0);
    ASSERT_FALSE(refused) << messages;
    EXPECT_EQ(refused.error().param, param) << messages;
  }
}

TEST(RenderChat, ParsesArgumentsAndAliasesReasoning) {
  const char* source =
      "{% for m in messages %}{{ m.reasoning_content }}|{{ m.reasoning }}|{{ m.thinking }}"
      "{% for c in m.tool_calls %}{{ c.function.arguments|tojson }}{% endfor %};{% endfor %}";
  const auto messages = R"([
      {"role": "assistant", "content": "", "reasoning": "r",
       "tool_calls": [{"function": {"name": "f", "arguments": "{\"b\": 1, \"a\": [2]}"}},
                      {"function": {"name": "f", "arguments": {"x": 1}}},
                      {"function": {"name": "f", "arguments": "oops"}},
                      {"function": {"name": "f"}}]},
      {"role": "assistant", "content": "", "reasoning_content": "c", "tool_calls": []}])";
  EXPECT_EQ(render(source, with_messages(messages)),
            R"(r|r|r{"b": 1, "a": [2]}{"x": 1}{}{};c|c|c;)");
}

TEST(RenderChat, PassesVariablesAndRefusesReservedOnes) {
  ChatRequest request = with_messages(R"([{"role": "user", "content": "a"}])");
  request.kwargs = json(R"({"enable_thinking": true, "bos_token": "<x>"})");
  request.tools = json(R"([{"type": "function"}])");
  request.documents = json(R"([{"title": "t"}])");
  request.add_generation_prompt = false;
  ChatTemplates templates = templates_with(
      "{{ bos_token }}{{ eos_token }}{{ enable_thinking }}{{ tools|length }}{{ documents[0].title "
      "}}"
      "{{ add_generation_prompt }}");
  templates.special_tokens = json(R"({"bos_token": "<s>", "eos_token": "</s>"})");
  EXPECT_EQ(*render_chat(templates, request, 0), "<x></s>True1tFalse");
  for (const char* name : {"tokenize", "chat_template", "messages", "tools", "documents",
                           "add_generation_prompt", "continue_final_message"}) {
    request.kwargs = Json{{name, true}};
    const auto refused = render_chat(templates, request, 0);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().param, "chat_template_kwargs");
    EXPECT_NE(refused.error().message.find(name), std::string::npos);
  }
}

TEST(RenderChat, ContinuesTheFinalMessage) {
  ChatRequest request = with_messages(
      R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "Sure, "}])");
  request.continue_final_message = true;
  EXPECT_TRUE(render(kPlain, request).starts_with("error: "));  // both cannot be meant
  request.add_generation_prompt = false;
  EXPECT_EQ(render("{% for m in messages %}<{{ m.content }}>{% endfor %}!", request), "<q><Sure, ");
  EXPECT_EQ(render("{% for m in messages %}<{{ m.content|trim }}>{% endfor %}!", request),
            "<q><Sure,");
  EXPECT_EQ(render(kParts, request), "[user]<text:q>[assistant]<text:Sure, ");
  EXPECT_TRUE(render("{{ messages[0].content }}", request).starts_with("error: "));
  request.messages = Json::array();
  EXPECT_TRUE(render(kPlain, request).starts_with("error: "));
}

// A template that can print null does; one that cannot gets an empty text in its place.
TEST(RenderChat, FallsBackToEmptyTextsForMissingContent) {
  const auto messages = R"([{"role": "assistant", "content": null}, {"role": "assistant"}])";
  EXPECT_EQ(
      render("{% for m in messages %}{{ m.content is none }}{% endfor %}", with_messages(messages)),
      "TrueFalse");
  EXPECT_EQ(render("{% for m in messages %}{{ '<' + m.content + '>' }}{% endfor %}",
                   with_messages(messages)),
            "<><>");
}

TEST(RenderChat, ChoosesTheTemplate) {
  ChatTemplates templates = templates_with("plain");
  templates.by_name.emplace("tool_use", *ChatTemplate::compile("tools"));
  templates.by_name.emplace("rag", *ChatTemplate::compile("rag"));
  ChatRequest request = with_messages("[]");
  EXPECT_EQ(*render_chat(templates, request, 0), "plain");
  request.tools = json(R"([{"type": "function"}])");
  EXPECT_EQ(*render_chat(templates, request, 0), "tools");
  request.template_name = "rag";
  EXPECT_EQ(*render_chat(templates, request, 0), "rag");
  request.template_name = "none";
  EXPECT_EQ(render_chat(templates, request, 0).error().code, ErrorCode::kNotFound);
  request.template_source = "own {{ messages|length }}";
  EXPECT_EQ(*render_chat(templates, request, 0), "own 0");
  EXPECT_EQ(render_chat(ChatTemplates{}, with_messages("[]"), 0).error().code,
            ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace quire::text
