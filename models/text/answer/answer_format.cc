// The table of formats, the more specific ones first, and the choice among them.
#include "models/text/answer/answer_format.h"

#include <algorithm>

namespace quire::text {
namespace {

// DeepSeek's bars are U+FF5C, its underscores U+2581.
#define BAR "\xEF\xBD\x9C"
#define LOW "\xE2\x96\x81"

constexpr ToolFormat kTools[] = {
    {.names = "openai harmony gpt_oss",
     .evidence = "<|channel|>\n<|message|>\nfunctions.",
     .shape = CallShape::kHarmony},
    {.names = "deepseek_v32 deepseek_v4",
     .evidence = BAR "DSML" BAR "invoke",
     .shape = CallShape::kTags,
     .section_begin = "<" BAR "DSML" BAR "function_calls>",
     .section_end = "</" BAR "DSML" BAR "function_calls>",
     .call_begin = "<" BAR "DSML" BAR "invoke name=\"",
     .call_end = "</" BAR "DSML" BAR "invoke>",
     .name_end = "\">",
     .key_begin = "<" BAR "DSML" BAR "parameter name=\"",
     .key_end = ">",
     .value_end = "</" BAR "DSML" BAR "parameter>",
     .typed_values = true},
    {.names = "deepseek_v3 deepseek_r1",
     .evidence =
         "<" BAR "tool" LOW "call" LOW "begin" BAR ">\n<" BAR "tool" LOW "sep" BAR ">\n```json",
     .shape = CallShape::kNamedJson,
     .section_begin = "<" BAR "tool" LOW "calls" LOW "begin" BAR ">",
     .section_end = "<" BAR "tool" LOW "calls" LOW "end" BAR ">",
     .call_begin =
         "<" BAR "tool" LOW "call" LOW "begin" BAR ">function<" BAR "tool" LOW "sep" BAR ">",
     .call_end = "<" BAR "tool" LOW "call" LOW "end" BAR ">",
     .name_end = "\n```json\n",
     .arguments_end = "```"},
    {.names = "deepseek_v31",
     .evidence = "<" BAR "tool" LOW "call" LOW "begin" BAR ">\n<" BAR "tool" LOW "sep" BAR ">",
     .shape = CallShape::kNamedJson,
     .section_begin = "<" BAR "tool" LOW "calls" LOW "begin" BAR ">",
     .section_end = "<" BAR "tool" LOW "calls" LOW "end" BAR ">",
     .call_begin = "<" BAR "tool" LOW "call" LOW "begin" BAR ">",
     .call_end = "<" BAR "tool" LOW "call" LOW "end" BAR ">",
     .name_end = "<" BAR "tool" LOW "sep" BAR ">"},
    {.names = "kimi_k2",
     .evidence = "<|tool_calls_section_begin|>",
     .shape = CallShape::kNamedJson,
     .section_begin = "<|tool_calls_section_begin|>",
     .section_end = "<|tool_calls_section_end|>",
     .call_begin = "<|tool_call_begin|>",
     .call_end = "<|tool_call_end|>",
     .name_prefix = "functions.",
     .name_end = "<|tool_call_argument_begin|>",
     .native_ids = true},
    {.names = "minimax_m2 minimax",
     .evidence = "<minimax:tool_call>",
     .shape = CallShape::kTags,
     .section_begin = "<minimax:tool_call>",
     .section_end = "</minimax:tool_call>",
     .call_begin = "<invoke name=\"",
     .call_end = "</invoke>",
     .name_end = "\">",
     .key_begin = "<parameter name=\"",
     .key_end = "\">",
     .value_end = "</parameter>"},
    {.names = "seed_oss",
     .evidence = "<seed:tool_call>",
     .shape = CallShape::kTags,
     .section_begin = "<seed:tool_call>",
     .section_end = "</seed:tool_call>",
     .call_begin = "<function=",
     .call_end = "</function>",
     .name_end = ">",
     .key_begin = "<parameter=",
     .key_end = ">",
     .value_end = "</parameter>",
     .strips_newlines = true},
    {.names = "longcat",
     .evidence = "<longcat_tool_call>",
     .shape = CallShape::kTags,
     .call_begin = "<longcat_tool_call>",
     .call_end = "</longcat_tool_call>",
     .key_begin = "<longcat_arg_key>",
     .key_end = "</longcat_arg_key>",
     .value_begin = "<longcat_arg_value>",
     .value_end = "</longcat_arg_value>"},
    {.names = "glm45 glm47",
     .evidence = "<arg_key>",
     .shape = CallShape::kTags,
     .call_begin = "<tool_call>",
     .call_end = "</tool_call>",
     .key_begin = "<arg_key>",
     .key_end = "</arg_key>",
     .value_begin = "<arg_value>",
     .value_end = "</arg_value>"},
    {.names = "qwen3_coder qwen3_xml step3p5 nemotron_v3",
     .evidence = "<tool_call>\n<function=\n<parameter=",
     .shape = CallShape::kTags,
     .section_begin = "<tool_call>",
     .section_end = "</tool_call>",
     .call_begin = "<function=",
     .call_end = "</function>",
     .name_end = ">",
     .key_begin = "<parameter=",
     .key_end = ">",
     .value_end = "</parameter>",
     .section_optional = true,
     .strips_newlines = true},
    {.names = "minicpm5",
     .evidence = "<function name=\"\n<param name=\"",
     .shape = CallShape::kTags,
     .call_begin = "<function name=\"",
     .call_end = "</function>",
     .name_end = "\">",
     .key_begin = "<param name=\"",
     .key_end = "\">",
     .value_end = "</param>"},
    {.names = "gemma4",
     .evidence = "<|tool_call>",
     .shape = CallShape::kLiteral,
     .call_begin = "<|tool_call>call:",
     .call_end = "<tool_call|>",
     .quote = "<|\"|>"},
    {.names = "functiongemma",
     .evidence = "<start_function_call>",
     .shape = CallShape::kLiteral,
     .call_begin = "<start_function_call>call:",
     .call_end = "<end_function_call>",
     .quote = "<escape>"},
    {.names = "lfm2",
     .evidence = "<|tool_call_start|>",
     .shape = CallShape::kPython,
     .section_begin = "<|tool_call_start|>[",
     .section_end = "]<|tool_call_end|>",
     .separator = ","},
    {.names = "olmo3",
     .evidence = "<function_calls>",
     .shape = CallShape::kPython,
     .section_begin = "<function_calls>",
     .section_end = "</function_calls>"},
    {.names = "llama4_pythonic",
     .evidence = "<|python_start|>",
     .shape = CallShape::kPython,
     .section_begin = "<|python_start|>[",
     .section_end = "]<|python_end|>",
     .separator = ","},
    {.names = "cohere command_r cohere_command3",
     .evidence = "<|START_ACTION|>",
     .shape = CallShape::kJsonArray,
     .section_begin = "<|START_ACTION|>",
     .section_end = "<|END_ACTION|>",
     .name_key = "tool_name",
     .arguments_key = "parameters"},
    {.names = "apertus",
     .evidence = "<|tools_prefix|>",
     .shape = CallShape::kJsonArray,
     .section_begin = "<|tools_prefix|>",
     .section_end = "<|tools_suffix|>",
     .name_is_key = true},
    {.names = "internlm internlm2",
     .evidence = "<|action_start|>",
     .shape = CallShape::kJsonObject,
     .call_begin = "<|action_start|><|plugin|>",
     .call_end = "<|action_end|>",
     .arguments_key = "parameters"},
    {.names = "mistral_v11 mistral_args",
     .evidence = "[TOOL_CALLS]\n[ARGS]",
     .shape = CallShape::kNamedJson,
     .call_begin = "[TOOL_CALLS]",
     .name_end = "[ARGS]",
     .id_begin = "[CALL_ID]",
     .short_ids = true},
    {.names = "mistral mistral_v3",
     .evidence = "[TOOL_CALLS]",
     .shape = CallShape::kJsonArray,
     .section_begin = "[TOOL_CALLS]",
     .short_ids = true},
    {.names = "granite granite3",
     .evidence = "<|tool_call|>",
     .shape = CallShape::kJsonArray,
     .section_begin = "<|tool_call|>"},
    {.names = "granite-20b-fc granite_20b",
     .evidence = "<function_call>",
     .shape = CallShape::kJsonObject,
     .call_begin = "<function_call>"},
    {.names = "phi4_mini_json phi4 functools firefunction",
     .evidence = "functools[",
     .shape = CallShape::kJsonArray,
     .section_begin = "functools"},
    {.names = "hunyuan_a13b jamba apriel minimax_m1",
     .evidence = "<tool_calls>",
     .shape = CallShape::kJsonArray,
     .section_begin = "<tool_calls>",
     .section_end = "</tool_calls>"},
    {.names = "gigachat3 gigachat",
     .evidence = "function call<|role_sep|>",
     .shape = CallShape::kJsonObject,
     .call_begin = "function call<|role_sep|>"},
    {.names = "functionary functionary_v3_1",
     .evidence = "<function=\n</function>",
     .shape = CallShape::kNamedJson,
     .call_begin = "<function=",
     .call_end = "</function>",
     .name_end = ">"},
    {.names = "hermes qwen qwen2 qwen25 qwen3 granite4",
     .evidence = "<tool_call>",
     .shape = CallShape::kJsonObject,
     .call_begin = "<tool_call>",
     .call_end = "</tool_call>"},
    {.names = "llama3_json llama3 llama4_json",
     .evidence = "<|python_tag|>\n\"parameters\"",
     .shape = CallShape::kJsonObject,
     .section_begin = "<|python_tag|>",
     .separator = ";",
     .arguments_key = "parameters",
     .section_optional = true,
     .bare = true},
    {.names = "llama3_json",
     .evidence = "<|start_header_id|>\n\"parameters\"",
     .shape = CallShape::kJsonObject,
     .section_begin = "<|python_tag|>",
     .separator = ";",
     .arguments_key = "parameters",
     .section_optional = true,
     .bare = true},
    {.names = "pythonic toolace llama3_pythonic",
     .evidence = "[func_name1(params_name1=params_value1",
     .shape = CallShape::kPython,
     .section_begin = "[",
     .section_end = "]",
     .separator = ",",
     .bare = true},
    {.names = "xlam json",
     .evidence = "\x01",  // never by itself
     .shape = CallShape::kJsonArray,
     .bare = true},
};

constexpr ReasoningFormat kReasoning[] = {
    {.names = "openai_gptoss openai harmony gpt_oss",
     .evidence = "<|channel|>\n<|message|>",
     .begin = "<|channel|>analysis<|message|>",
     .end = "<|end|>",
     .is_harmony = true},
    {.names = "gemma4",
     .evidence = "<|channel>thought",
     .begin = "<|channel>thought",
     .end = "<channel|>"},
    {.names = "seed_oss",
     .evidence = "<seed:think>",
     .begin = "<seed:think>",
     .end = "</seed:think>"},
    {.names = "minimax_m3", .evidence = "<mm:think>", .begin = "<mm:think>", .end = "</mm:think>"},
    {.names = "kimi kimi_vl",
     .evidence = "\xE2\x97\x81think\xE2\x96\xB7",
     .begin = "\xE2\x97\x81think\xE2\x96\xB7",
     .end = "\xE2\x97\x81/think\xE2\x96\xB7"},
    {.names = "mistral magistral", .evidence = "[THINK]", .begin = "[THINK]", .end = "[/THINK]"},
    {.names = "cohere command_a cohere_command3",
     .evidence = "<|START_THINKING|>",
     .begin = "<|START_THINKING|>",
     .end = "<|END_THINKING|>",
     .content_begin = "<|START_RESPONSE|>",
     .content_end = "<|END_RESPONSE|>"},
    {.names = "granite",
     .evidence = "Here is my thought process:",
     .begin = "Here is my thought process:",
     .end = "Here is my response:"},
    {.names = "apriel",
     .evidence = "[BEGIN FINAL RESPONSE]",
     .begin = "Here are my reasoning steps:",
     .end = "[BEGIN FINAL RESPONSE]",
     .content_end = "[END FINAL RESPONSE]"},
    {.names = "qwen3 deepseek_r1 deepseek_v3 deepseek_v31 glm45 glm47 minimax_m2 hunyuan_a13b "
              "nemotron_v3 kimi_k2 step3 step3p5 olmo3 holo2 lfm2 smollm3 think",
     .evidence = "</think>",
     .begin = "<think>",
     .end = "</think>"},
    {.names = "thinking", .evidence = "</thinking>", .begin = "<thinking>", .end = "</thinking>"},
    {.names = "reasoning",
     .evidence = "</reasoning>",
     .begin = "<reasoning>",
     .end = "</reasoning>"},
    {.names = "thought", .evidence = "</thought>", .begin = "<thought>", .end = "</thought>"},
};

#undef BAR
#undef LOW

// Whether `list`, separated by spaces, has the name.
bool lists(std::string_view list, std::string_view name) {
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(' ', begin), list.size());
    if (list.substr(begin, end - begin) == name) return true;
    begin = end + 1;
  }
  return false;
}

// Every line of `evidence` occurs in the text.
bool shows(std::string_view text, std::string_view evidence) {
  for (std::size_t begin = 0; begin < evidence.size();) {
    const std::size_t end = std::min(evidence.find('\n', begin), evidence.size());
    if (text.find(evidence.substr(begin, end - begin)) == std::string_view::npos) return false;
    begin = end + 1;
  }
  return true;
}

template <class Format>
Result<const Format*> find_format(std::span<const Format> formats, std::string_view setting,
                                  std::string_view name, const Format* detected) {
  if (name == "auto" || name.empty()) return detected;
  if (name == "none") return static_cast<const Format*>(nullptr);
  std::string names = "auto none";
  for (const Format& format : formats) {
    if (lists(format.names, name)) return &format;
    if (!lists(names, format.name())) names.append(" ").append(format.name());
  }
  return fail_at(std::string(setting), ErrorCode::kInvalid, "{} '{}' is not known; there are: {}",
                 setting, name, names);
}

}  // namespace

std::span<const ToolFormat> tool_formats() { return kTools; }
std::span<const ReasoningFormat> reasoning_formats() { return kReasoning; }

AnswerFormat detect_answer_format(std::string_view chat_template) {
  AnswerFormat format;
  for (const ToolFormat& tools : kTools) {
    if (!shows(chat_template, tools.evidence)) continue;
    format.tools = &tools;
    break;
  }
  for (const ReasoningFormat& reasoning : kReasoning) {
    if (!shows(chat_template, reasoning.evidence)) continue;
    format.reasoning = &reasoning;
    break;
  }
  return format;
}

Result<const ToolFormat*> find_tool_format(std::string_view name, const AnswerFormat& detected) {
  return find_format(tool_formats(), "tool-call-parser", name, detected.tools);
}

Result<const ReasoningFormat*> find_reasoning_format(std::string_view name,
                                                     const AnswerFormat& detected) {
  return find_format(reasoning_formats(), "reasoning-parser", name, detected.reasoning);
}

std::vector<std::string> markers_of(const AnswerFormat& format) {
  std::vector<std::string> markers;
  const auto add = [&](std::initializer_list<std::string_view> texts) {
    for (const std::string_view text : texts) {
      if (!text.empty()) markers.emplace_back(text);
    }
  };
  if (const ToolFormat* tools = format.tools) {
    add({tools->section_begin, tools->section_end, tools->call_begin, tools->call_end,
         tools->name_end, tools->id_begin, tools->key_begin, tools->key_end, tools->value_begin,
         tools->value_end, tools->quote});
    if (tools->shape == CallShape::kHarmony) {
      add({"<|channel|>", "<|message|>", "<|constrain|>", "<|start|>", "<|end|>", "<|call|>"});
    }
  }
  if (const ReasoningFormat* reasoning = format.reasoning) {
    add({reasoning->begin, reasoning->end, reasoning->content_begin, reasoning->content_end});
  }
  return markers;
}

}  // namespace quire::text
