// Answers taken apart. Oracles: for each format an answer in the spelling that its authors publish,
// with the parts written out by hand; and for each of them, every way to cut its bytes in two, and
// random cuts into many, must give the same answer as the whole.
#include "models/text/answer/answer_parser.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "models/load/json.h"

namespace quire::text {
namespace {

Json tools() {
  return *parse_json(R"([{"type":"function","function":{"name":"f","parameters":{"type":"object",
    "properties":{"city":{"type":"string"},"n":{"type":"integer"},"on":{"type":"boolean"},
    "list":{"type":"array"},"note":{"type":["string","null"]}}}}},
    {"type":"function","function":{"name":"g","parameters":{"type":"object"}}}])");
}

AnswerParserOptions options_of(std::string_view tool_format, std::string_view reasoning = "none") {
  AnswerParserOptions options;
  options.format.tools = find_tool_format(tool_format, {}).value();
  options.format.reasoning = find_reasoning_format(reasoning, {}).value();
  options.parse_calls = options.format.tools != nullptr;
  options.tools = tools();
  return options;
}

Answer parse(const AnswerParserOptions& options, const std::vector<std::string>& pieces,
             bool cut = false) {
  AnswerParser parser(options);
  Answer answer;
  std::string raw, sourced;
  for (const std::string& piece : pieces) {
    answer.apply(parser.push(piece));
    raw += piece;
  }
  answer.apply(parser.finish(cut));
  std::size_t end = 0;
  for (const TextSpan& span : parser.take_content_spans()) {
    EXPECT_GE(span.begin, end);
    end = span.end;
    sourced += raw.substr(span.begin, span.end - span.begin);
  }
  EXPECT_EQ(sourced, answer.content) << "of " << raw;
  return answer;
}

std::string shown(const Answer& answer) {
  std::string out = "R[" + answer.reasoning + "] C[" + answer.content + "]";
  for (const ToolCall& call : answer.calls) out += " " + call.name + "(" + call.arguments + ")";
  return out;
}

struct Case {
  std::string_view tools, reasoning;
  std::string text;
  std::string wanted;  // as shown()
};

const Case kCases[] = {
    {"hermes", "none",
     "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>",
     R"x(R[] C[] f({"city": "Rome"}))x"},
    {"hermes", "qwen3",
     "<think>\nlet me see\n</think>\n\nI look.\n<tool_call>\n{\"arguments\": {}, \"name\": \"g\"}\n"
     "</tool_call>\n<tool_call>{\"name\": \"f\", \"arguments\": {\"n\": 2}}</tool_call>",
     R"x(R[let me see] C[I look.] g({}) f({"n": 2}))x"},
    {"hermes", "none", "a < b <tool_ but <tool_calling> none",
     "R[] C[a < b <tool_ but <tool_calling> none]"},
    {"hermes", "none",
     "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"n\\\": 1}\"}</tool_call>",
     R"x(R[] C[] f({"n": 1}))x"},
    {"hermes", "none", "<tool_call>{\"name\": \"g\"}</tool_call> done", "R[] C[done] g({})"},
    {"qwen3_coder", "none",
     "<tool_call>\n<function=f>\n<parameter=city>\nSan\nMarino "
     "\"x\"\n</parameter>\n<parameter=n>\n5\n"
     "</parameter>\n<parameter=on>\nTrue\n</parameter>\n<parameter=list>\n[1, {\"a\": 2}]\n"
     "</parameter>\n<parameter=note>\nnull\n</parameter>\n</function>\n</tool_call>",
     R"x(R[] C[] f({"city": "San\nMarino \"x\"", "n": 5, "on": true, "list": [1,{"a":2}], )x"
     R"x("note": null}))x"},
    {"qwen3_coder", "none",
     "Ok\n<function=f>\n<parameter=city>\n12\n</parameter>\n</function>\n</tool_call>",
     R"x(R[] C[Ok] f({"city": "12"}))x"},
    {"llama3_json", "none",
     "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"n\": 1}}; {\"name\": \"g\", "
     "\"parameters\": {}}",
     R"x(R[] C[] f({"n": 1}) g({}))x"},
    {"llama3_json", "none", "{\"name\": \"f\", \"parameters\": {\"n\": 1}}",
     R"x(R[] C[] f({"n": 1}))x"},
    {"llama3_json", "none", "{\"answer\": 1}", R"x(R[] C[{"answer": 1}])x"},
    {"pythonic", "none", "[f(city=\"R[o](m)e\", n=-3, on=True, list=[1, 'a'], note=None), g()]",
     R"x(R[] C[] f({"city":"R[o](m)e","n":-3,"on":true,"list":[1,"a"],"note":null}) g({}))x"},
    {"pythonic", "none", "[1, 2] are numbers", "R[] C[[1, 2] are numbers]"},
    {"llama4_pythonic", "none", "<|python_start|>[f(n=1)]<|python_end|>",
     R"x(R[] C[] f({"n":1}))x"},
    {"olmo3", "none", "<function_calls>\nf(n=1)\ng()\n</function_calls>",
     R"x(R[] C[] f({"n":1}) g({}))x"},
    {"lfm2", "none", "<|tool_call_start|>[f(city=\"x\")]<|tool_call_end|>Checking.",
     R"x(R[] C[Checking.] f({"city":"x"}))x"},
    {"mistral", "none",
     "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"n\": 1}, \"id\": \"abcdefghi\"}, {\"name\": "
     "\"g\", \"arguments\": {}}]",
     R"x(R[] C[] f({"n": 1}) g({}))x"},
    {"mistral_v11", "mistral",
     "[THINK]hm[/THINK]Sure.[TOOL_CALLS]f[ARGS]{\"n\": 1}[TOOL_CALLS]g[CALL_ID]123456789[ARGS]{}",
     R"x(R[hm] C[Sure.] f({"n": 1}) g({}))x"},
    {"deepseek_v3", "none",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"n\": "
     "1}\n```<｜tool▁call▁end｜>\n"
     "<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><"
     "｜tool▁calls▁end｜>",
     R"x(R[] C[] f({"n": 1}) g({}))x"},
    {"deepseek_v31", "qwen3",
     "</think>Hi<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"n\": "
     "1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     R"x(R[] C[</think>Hi] f({"n": 1}))x"},
    {"deepseek_v32", "none",
     "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"city\" "
     "string=\"true\">7</｜DSML｜parameter>\n"
     "<｜DSML｜parameter name=\"n\" "
     "string=\"false\">7</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
     R"x(R[] C[] f({"city": "7", "n": 7}))x"},
    {"glm45", "qwen3",
     "<think>t</think>\n<tool_call>f\n<arg_key>city</arg_key>\n<arg_value>Rome</"
     "arg_value>\n<arg_key>n</arg_key>\n"
     "<arg_value>3</arg_value>\n</tool_call>\n<tool_call>g</tool_call>",
     R"x(R[t] C[] f({"city": "Rome", "n": 3}) g({}))x"},
    {"longcat", "none",
     "<longcat_tool_call>f\n<longcat_arg_key>n</longcat_arg_key>\n<longcat_arg_value>3</"
     "longcat_arg_value>\n</longcat_tool_call>",
     R"x(R[] C[] f({"n": 3}))x"},
    {"kimi_k2", "none",
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"
     "\"n\": 1}<|tool_call_end|>"
     "<|tool_call_begin|>functions.g:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_"
     "section_end|>",
     R"x(R[] C[] f({"n": 1}) g({}))x"},
    {"openai", "openai_gptoss",
     "<|channel|>analysis<|message|>think<|end|><|start|>assistant<|channel|>commentary<|message|>"
     "pre<|end|>"
     "<|start|>assistant<|channel|>commentary to=functions.f "
     "<|constrain|>json<|message|>{\"n\":1}<|call|>",
     R"x(R[think] C[pre] f({"n":1}))x"},
    {"openai", "openai_gptoss",
     "<|channel|>analysis<|message|>t<|end|><|start|>assistant to=functions.g<|channel|>commentary "
     "json<|message|>{}",
     "R[t] C[] g({})"},
    {"openai", "openai_gptoss", "<|channel|>final<|message|>Hello <b>", "R[] C[Hello <b>]"},
    {"gemma4", "gemma4",
     "<|channel>thought\nwell\n<channel|>Go<|tool_call>call:f{city:<|\"|>a}b, "
     "\"c<|\"|>,n:1,list:[<|\"|>x<|\"|>,2]}<tool_call|>",
     R"x(R[well] C[Go] f({"city":"a}b, \"c","n":1,"list":["x",2]}))x"},
    {"functiongemma", "none",
     "<start_function_call>call:f{city:<escape>Rome<escape>}<end_function_call>",
     R"x(R[] C[] f({"city":"Rome"}))x"},
    {"granite", "granite",
     "Here is my thought process: hm. Here is my response: ok <|tool_call|>[{\"name\": \"f\", "
     "\"arguments\": {\"n\": 1}}]",
     R"x(R[hm.] C[ok] f({"n": 1}))x"},
    {"granite-20b-fc", "none", "<function_call> {\"name\": \"f\", \"arguments\": {\"n\": 1}}",
     R"x(R[] C[] f({"n": 1}))x"},
    {"phi4_mini_json", "none", "functools[{\"name\": \"f\", \"arguments\": {\"n\": 1}}]",
     R"x(R[] C[] f({"n": 1}))x"},
    {"minimax_m2", "qwen3",
     "<think>\nt\n</think>\n<minimax:tool_call>\n<invoke name=\"f\">\n<parameter "
     "name=\"city\">Rome</parameter>\n</invoke>\n"
     "<invoke name=\"g\">\n</invoke>\n</minimax:tool_call>",
     R"x(R[t] C[] f({"city": "Rome"}) g({}))x"},
    {"minicpm5", "none", "<function name=\"f\"><param name=\"n\">4</param></function>",
     R"x(R[] C[] f({"n": 4}))x"},
    {"seed_oss", "seed_oss",
     "<seed:think>t</seed:think><seed:tool_call>\n<function=f>\n<parameter=n>4</parameter>\n</"
     "function>\n</seed:tool_call>",
     R"x(R[t] C[] f({"n": 4}))x"},
    {"cohere", "cohere",
     "<|START_THINKING|>plan<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", "
     "\"tool_name\": \"f\", \"parameters\": {\"n\": 1}}\n]<|END_ACTION|>",
     R"x(R[plan] C[] f({"n": 1}))x"},
    {"cohere", "cohere", "<|START_THINKING|>p<|END_THINKING|><|START_RESPONSE|>Hi.<|END_RESPONSE|>",
     "R[p] C[Hi.]"},
    {"hunyuan_a13b", "none",
     "<tool_calls>[{\"name\": \"f\", \"arguments\": {\"n\": 1}}]</tool_calls>",
     R"x(R[] C[] f({"n": 1}))x"},
    {"internlm", "none",
     "ok<|action_start|><|plugin|>{\"name\": \"f\", \"parameters\": {\"n\": 1}}<|action_end|>",
     R"x(R[] C[ok] f({"n": 1}))x"},
    {"apertus", "none", "<|tools_prefix|>[{\"f\": {\"n\": 1}}, {\"g\": {}}]<|tools_suffix|>",
     R"x(R[] C[] f({"n": 1}) g({}))x"},
    {"functionary", "none", "<function=f>{\"n\": 1}</function>", R"x(R[] C[] f({"n": 1}))x"},
    {"gigachat3", "none", "function call<|role_sep|>\n{\"name\": \"f\", \"arguments\": {\"n\": 1}}",
     R"x(R[] C[] f({"n": 1}))x"},
    {"xlam", "none", "[{\"name\": \"f\", \"arguments\": {\"n\": 1}}]", R"x(R[] C[] f({"n": 1}))x"},
    {"none", "qwen3", "<think>\n\n</think>\n\nHello\n", "R[] C[Hello\n]"},
    {"none", "kimi", "◁think▷a b◁/think▷c", "R[a b] C[c]"},
    {"none", "none", "<think>x</think> y ", "R[] C[<think>x</think> y ]"},
    {"none", "qwen3", "text <think>is</think> text", "R[] C[text <think>is</think> text]"},
    // What is no call comes back as it was.
    {"hermes", "none", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": }}\n</tool_call>",
     "R[] C[<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": }}\n</tool_call>]"},
    {"hermes", "none", "<tool_call>\n{\"arguments\": {}}\n</tool_call> so",
     "R[] C[<tool_call>\n{\"arguments\": {}}\n</tool_call> so]"},
    {"hermes", "none", "<tool_call>{\"name\": \"f\", \"arg",
     "R[] C[<tool_call>{\"name\": \"f\", \"arg]"},
    {"mistral", "none", "[TOOL_CALLS] none", "R[] C[[TOOL_CALLS] none]"},
    {"pythonic", "none", "[f(a=)]", "R[] C[[f(a=)]]"},
    {"qwen3_coder", "none", "<tool_call>\n<function=f>\noops",
     "R[] C[<tool_call>\n<function=f>\noops]"},
    {"deepseek_v3", "none", "<｜tool▁calls▁begin｜>x", "R[] C[<｜tool▁calls▁begin｜>x]"},
};

TEST(AnswerParser, EveryFormat) {
  for (const Case& c : kCases) {
    EXPECT_EQ(shown(parse(options_of(c.tools, c.reasoning), {c.text})), c.wanted)
        << c.tools << ": " << c.text;
  }
}

TEST(AnswerParser, EverySplitGivesTheSame) {
  Rng rng(5);
  for (const Case& c : kCases) {
    for (const bool enforced : {false, true}) {
      AnswerParserOptions options = options_of(c.tools, c.reasoning);
      options.calls_are_enforced = enforced;
      const Answer whole = parse(options, {c.text});
      for (std::size_t at = 0; at <= c.text.size(); ++at) {
        ASSERT_EQ(parse(options, {c.text.substr(0, at), c.text.substr(at)}), whole)
            << c.text << " cut at " << at;
      }
      for (int round = 0; round < 20; ++round) {
        std::vector<std::string> pieces;
        for (std::size_t at = 0; at < c.text.size();) {
          const std::size_t size = 1 + rng.below(5);
          pieces.push_back(c.text.substr(at, size));
          at += size;
        }
        ASSERT_EQ(parse(options, pieces), whole) << c.text;
      }
    }
  }
}

// Nothing is lost: without calls and reasoning all bytes come back; whatever stands there, the
// parser neither fails nor depends on the pieces.
TEST(AnswerParser, AnyTextAtAll) {
  Rng rng(6);
  std::vector<std::string> words = {
      " ", "\n", "{",    "}", "[",    "]",         "\"",           ":", ",", "f", "(", ")",
      "=", "\\", "\xC3", "1", "name", "arguments", "functions.f:0"};
  for (const ToolFormat& format : tool_formats()) {
    for (const std::string& marker : markers_of({&format, nullptr})) words.push_back(marker);
  }
  for (const ToolFormat& format : tool_formats()) {
    const std::vector<std::string> own = markers_of({&format, nullptr});
    for (int round = 0; round < 150; ++round) {
      std::string text;
      std::vector<std::string> pieces;
      for (std::uint64_t n = rng.below(25); n > 0; --n) {
        const bool use_own = !own.empty() && rng.below(3) == 0;
        pieces.push_back(use_own ? own[rng.below(own.size())] : words[rng.below(words.size())]);
        text += pieces.back();
      }
      for (const bool cut : {false, true}) {
        AnswerParserOptions options = options_of(format.name(), "qwen3");
        const Answer whole = parse(options, {text}, cut);
        ASSERT_EQ(parse(options, pieces, cut), whole) << format.name() << ": " << text;
        std::string kept = whole.content;
        std::erase_if(kept, [](char c) { return c == ' ' || c == '\n'; });
        std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
        if (whole.calls.empty() && format.shape != CallShape::kHarmony && !cut) {
          ASSERT_EQ(kept, text) << format.name();
        }
        text.clear();
        for (const std::string& piece : pieces) text += piece;
      }
    }
  }
}

TEST(AnswerParser, ArgumentsGrowWhereAGrammarHolds) {
  AnswerParserOptions options = options_of("hermes");
  options.calls_are_enforced = true;
  AnswerParser parser(options);
  EXPECT_TRUE(parser.push("<tool_call>\n{\"name\": \"f").empty());
  const AnswerEvents begin = parser.push("\", \"arguments\": {\"ci");
  ASSERT_EQ(begin.size(), 2u);
  EXPECT_EQ(begin[0].kind, AnswerEvent::Kind::kCallBegin);
  EXPECT_EQ(begin[0].text, "f");
  EXPECT_EQ(begin[0].call_id, "call_0");
  EXPECT_EQ(begin[1].text, "{\"ci");
  const AnswerEvents more = parser.push("ty\": 1");
  ASSERT_EQ(more.size(), 1u);
  EXPECT_EQ(more[0].kind, AnswerEvent::Kind::kArguments);
  EXPECT_EQ(more[0].text, "ty\": 1");
}

TEST(AnswerParser, CutAnswers) {
  EXPECT_EQ(shown(parse(options_of("hermes"),
                        {"<tool_call>{\"name\": \"f\", \"arguments\": {\"n\": 1"}, true)),
            "R[] C[] f({\"n\": 1)");
  EXPECT_EQ(shown(parse(options_of("none", "qwen3"), {"<think>half a tho"}, true)),
            "R[half a tho] C[]");
  AnswerParserOptions open = options_of("none", "qwen3");
  open.reasoning_is_open = true;
  EXPECT_EQ(shown(parse(open, {"all\n</think>\n\nof it"})), "R[all] C[of it]");
  AnswerParserOptions hidden = open;
  hidden.show_reasoning = false;
  EXPECT_EQ(shown(parse(hidden, {"all\n</think>\n\nof it"})), "R[] C[of it]");
  AnswerParserOptions one = options_of("hermes");
  one.calls_max = 1;
  EXPECT_EQ(
      shown(parse(
          one, {"<tool_call>{\"name\":\"g\"}</tool_call><tool_call>{\"name\":\"g\"}</tool_call>"})),
      "R[] C[<tool_call>{\"name\":\"g\"}</tool_call>] g({})");
}

// A thought that runs into a call has ended (Qwen and Kimi do this).
TEST(AnswerParser, ACallEndsTheReasoning) {
  EXPECT_EQ(shown(parse(options_of("hermes", "qwen3"),
                        {"<think>hm\n<tool_call>{\"name\":\"g\"}</tool_call>"})),
            "R[hm] C[] g({})");
}

// The letters of the content also stand in what is left out, before and behind it.
TEST(AnswerParser, TellsWhereTheContentStands) {
  const auto spans_of = [](std::string_view tools, std::string_view reasoning,
                           const std::string& text) {
    AnswerParser parser(options_of(tools, reasoning));
    parser.push(text);
    parser.finish(false);
    return parser.take_content_spans();
  };
  EXPECT_EQ(spans_of("none", "qwen3", "<think>t</think>\n\nt < t"), (TextSpans{{18, 23}}));
  EXPECT_EQ(spans_of("hermes", "none", "e <tool_call>{\"name\": \"g\"}</tool_call> <to\n e"),
            (TextSpans{{0, 1}, {39, 45}}));
  EXPECT_EQ(spans_of("hermes", "none", " <tool_call>g</tool_call>"), (TextSpans{{0, 25}}))
      << "what turns out to be no call";
  EXPECT_EQ(spans_of("openai", "openai",
                     "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final"
                     "<|message|>a<|return|>"),
            (TextSpans{{83, 84}}));
}

}  // namespace
}  // namespace quire::text
