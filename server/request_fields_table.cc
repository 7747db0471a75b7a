// The known fields, by subject. A row is all there is to say about the validation of a plain field.
#include "server/request_fields.h"

namespace quire::server {
namespace {

using enum FieldType;
using enum FieldState;

constexpr double kInt32Max = 2147483647;
constexpr double kInt64Max = 9223372036854775807.0;
constexpr double kFloatMax = 3e38;
constexpr double kLogprobsMax = 1000;  // --max-logprobs narrows it

constexpr FieldSpec required(FieldSpec spec, unsigned by) {
  spec.required_by = by;
  return spec;
}

constexpr FieldSpec integer(std::string_view name, unsigned endpoints, double min, double max) {
  return {name, endpoints, kInteger, kSupported, min, max};
}

constexpr FieldSpec number(std::string_view name, unsigned endpoints, double min, double max) {
  return {name, endpoints, kNumber, kSupported, min, max};
}

constexpr FieldSpec refused(FieldSpec spec, std::string_view neutral = {}) {
  spec.state = kRefused;
  spec.neutral = neutral;
  return spec;
}

constexpr FieldSpec kSpecs[] = {
    // What to answer.
    {"model", ~0u, kString},
    required({"messages", kTemplated | kMessages | kCountTokens, kArray},
             kChat | kApplyTemplate | kMessages | kCountTokens),
    required({"prompt", kCompletions | kTokenize | kLlamaCpp, kAny}, kCompletions | kNative),
    {"tools", kTemplated | kResponses | kMessages | kCountTokens, kArray},
    {"tool_choice", kChat | kResponses, kAny},
    {"tool_choice", kMessages | kCountTokens, kObject},
    {"parallel_tool_calls", kChat | kResponses, kBool},
    {"parse_tool_calls", kChat, kBool},
    {"documents", kTemplated, kArray},
    {"response_format", kOpenAi, kObject},
    {"chat_template_kwargs", kTemplated | kResponses | kMessages, kObject},
    {"add_generation_prompt", kTemplated, kBool},
    {"continue_final_message", kTemplated, kBool},
    {"reasoning_effort", kChat, kString},
    {"enable_thinking", kTemplated | kResponses | kMessages, kBool},
    {"thinking", kTemplated, kAny},
    {"include_reasoning", kChat, kBool},
    {"separate_reasoning", kChat, kBool},
    {"reasoning_format", kChat, kString},
    integer("reasoning_budget", kChat | kResponses, -1, kInt32Max),
    integer("thinking_token_budget", kChat | kResponses, -1, kInt32Max),
    {"prediction", kChat, kObject},
    {"add_special_tokens", kGenerating | kTokenize, kBool},
    integer("truncate_prompt_tokens", kGenerating, -1, kInt64Max),
    {"truncation_side", kGenerating, kString},
    {"echo", kOpenAi, kBool},
    {"chat_template", kTemplated, kString},  // with --trust-request-chat-template
    {"functions", kChat, kArray},
    {"function_call", kChat, kAny},

    // What the output must match.
    {"structured_outputs", kGenerating, kObject},
    {"guided_json", kGenerating, kAny},
    {"guided_regex", kGenerating, kString},
    {"guided_choice", kGenerating, kArray},
    {"guided_grammar", kGenerating, kString},
    {"guided_whitespace_pattern", kGenerating, kString},
    {"json_schema", kGenerating, kAny},
    {"grammar", kGenerating, kString},
    {"regex", kGenerating, kString},
    {"ebnf", kGenerating, kString},

    // Length and stops.
    required(integer("max_tokens", kOpenAi | kMessages | kLlamaCpp, 0, kInt64Max), kMessages),
    integer("max_completion_tokens", kChat, 0, kInt64Max),
    integer("n_predict", kOpenAi | kLlamaCpp, -1, kInt64Max),
    integer("min_tokens", kGenerating, 0, kInt64Max),
    {"ignore_eos", kGenerating, kBool},
    {"stop", kOpenAi | kResponses | kLlamaCpp, kAny},
    {"stop_token_ids", kGenerating, kArray},
    {"include_stop_str_in_output", kGenerating, kBool},
    {"no_stop_trim", kGenerating, kBool},
    {"skip_special_tokens", kGenerating | kDetokenize, kBool},
    {"stop_regex", kGenerating, kAny},
    integer("t_max_predict_ms", kGenerating, -1, kInt64Max),
    number("timeout", kGenerating, 0.001, 1e9),
    integer("deadline_ms", kGenerating, 1, 1e12),

    // Sampling.
    number("temperature", kGenerating, 0, kFloatMax),
    number("top_p", kGenerating, 0, 1),
    integer("top_k", kGenerating, -1, kInt32Max),
    number("min_p", kGenerating, 0, 1),
    number("typical_p", kGenerating, 0, 1),
    number("typ_p", kGenerating, 0, 1),
    number("repetition_penalty", kGenerating, 0, kFloatMax),
    number("presence_penalty", kGenerating, -2, 2),
    number("frequency_penalty", kGenerating, -2, 2),
    {"logit_bias", kGenerating, kAny},
    number("repeat_penalty", kGenerating, 0, kFloatMax),
    integer("repeat_last_n", kGenerating, -1, kInt32Max),
    number("top_n_sigma", kGenerating, -1, kFloatMax),
    number("xtc_probability", kGenerating, 0, 1),
    number("xtc_threshold", kGenerating, 0, 1),
    number("dry_multiplier", kGenerating, 0, kFloatMax),
    number("dry_base", kGenerating, 0, kFloatMax),
    integer("dry_allowed_length", kGenerating, 0, kInt32Max),
    integer("dry_penalty_last_n", kGenerating, -1, kInt32Max),
    {"dry_sequence_breakers", kGenerating, kArray},
    integer("mirostat", kGenerating, 0, 2),
    number("mirostat_tau", kGenerating, 0, 1000),
    number("mirostat_eta", kGenerating, 0, 1000),
    number("dynatemp_range", kGenerating, 0, kFloatMax),
    number("dynatemp_exponent", kGenerating, 0, 1000),
    number("adaptive_target", kGenerating, -1, 1),
    number("adaptive_decay", kGenerating, 0, 0.99),
    integer("min_keep", kGenerating, 0, kInt32Max),
    {"samplers", kGenerating, kAny},
    {"bad_words", kGenerating, kArray},
    {"allowed_token_ids", kGenerating, kArray},
    integer("seed", kGenerating, -kInt64Max, kInt64Max),
    integer("n", kOpenAi, 1, 16),
    integer("best_of", kCompletions, 1, 16),

    // What is told besides the text.
    {"stream", kGenerating, kBool},
    {"stream_options", kOpenAi | kResponses, kObject},
    integer("stream_interval", kGenerating, 1, 1024),
    {"logprobs", kChat, kBool},
    integer("logprobs", kCompletions, 0, kLogprobsMax),
    integer("top_logprobs", kChat | kResponses, 0, kLogprobsMax),
    integer("prompt_logprobs", kOpenAi, 0, kLogprobsMax),
    {"logprob_token_ids", kOpenAi, kArray},
    {"return_token_ids", kOpenAi, kBool},
    {"return_tokens_as_token_ids", kOpenAi, kBool},
    {"return_prompt_text", kOpenAi, kBool},
    {"return_token_offsets", kOpenAi | kTokenize, kBool},
    {"detokenize", kOpenAi, kBool},
    integer("n_probs", kOpenAi | kLlamaCpp, 0, kLogprobsMax),
    {"post_sampling_probs", kLlamaCpp, kBool},
    {"return_tokens", kLlamaCpp, kBool},
    {"response_fields", kLlamaCpp, kArray},
    {"receipt", kGenerating, kBool},
    {"request_id", kGenerating, kAny},  // of the answer, where the X-Request-Id field is absent
    {"rid", kGenerating, kAny},

    // Where and when it runs.
    integer("priority", kGenerating, -kInt32Max, kInt32Max),
    {"service_tier", kGenerating, kString},
    {"cache_salt", kGenerating, kString},

    // /v1/responses.
    required({"input", kResponses, kAny}, kResponses),
    {"instructions", kResponses, kString},
    integer("max_output_tokens", kResponses, 1, kInt64Max),
    {"text", kResponses, kObject},
    {"reasoning", kResponses, kObject},
    {"previous_response_id", kResponses, kString},
    {"store", kResponses, kBool},
    {"metadata", kResponses, kObject},
    {"include", kResponses, kArray},
    {"max_tool_calls", kResponses, kInteger, kIgnored},
    {"truncation", kResponses, kString},
    refused({"background", kResponses, kBool}, "false"),
    refused({"conversation", kResponses, kAny}),
    refused({"prompt", kResponses, kObject}),

    // /v1/messages.
    {"system", kMessages | kCountTokens, kAny},
    {"stop_sequences", kMessages, kArray},
    {"thinking", kMessages | kCountTokens, kObject},
    {"output_config", kMessages | kCountTokens, kObject},
    {"output_format", kMessages | kCountTokens, kObject},
    refused({"mcp_servers", kMessages | kCountTokens, kArray}, "[]"),
    refused({"container", kMessages, kAny}),
    {"context_management", kMessages | kCountTokens, kAny, kIgnored},
    {"cache_control", kMessages | kCountTokens, kAny, kIgnored},
    {"inference_geo", kMessages, kAny, kIgnored},
    {"speed", kMessages | kCountTokens, kAny, kIgnored},

    // /v1/embeddings, /v1/rerank, /v1/score, /classify.
    required({"input", kEmbeddings | kClassify, kAny}, kEmbeddings | kClassify),
    {"encoding_format", kEmbeddings, kString},
    integer("dimensions", kEmbeddings, 1, kInt32Max),
    {"normalize", kEmbeddings, kBool},
    {"add_special_tokens", kEmbeddings, kBool},
    integer("truncate_prompt_tokens", kEmbeddings, -1, kInt32Max),
    required({"query", kRerank, kAny}, kRerank),
    required({"documents", kRerank, kArray}, kRerank),
    integer("top_n", kRerank, 1, kInt32Max),
    {"return_documents", kRerank, kBool},
    {"instruction", kRerank | kScore, kString},
    {"text_1", kScore, kAny},
    {"text_2", kScore, kAny},
    {"data_1", kScore, kAny},  // vLLM's other names of the same
    {"data_2", kScore, kAny},
    {"queries", kScore, kAny},
    {"documents", kScore, kAny},
    {"items", kScore, kAny},
    {"user", kEmbeddings | kRerank | kScore | kClassify, kAny, kIgnored},

    // Text between a beginning and an end.
    {"suffix", kCompletions, kString},
    {"input_prefix", kInfill, kString},
    {"input_suffix", kInfill, kString},
    {"input_extra", kInfill, kArray},

    // Bodies of /tokenize and /detokenize.
    {"content", kTokenize, kAny},
    required({"tokens", kDetokenize, kArray}, kDetokenize),
    {"add_special", kTokenize, kBool},
    {"parse_special", kTokenize, kBool},
    {"with_pieces", kTokenize, kBool},
    {"return_token_strs", kTokenize, kBool},

    // Known, would change the output, not available.
    refused({"modalities", kChat, kArray}, "[\"text\"] []"),
    refused({"audio", kChat, kObject}),
    refused({"web_search_options", kChat, kObject}),
    refused({"media_io_kwargs", kChat, kObject}, "{}"),
    refused({"mm_processor_kwargs", kChat, kObject}, "{}"),
    refused({"prompt_embeds", kCompletions, kAny}),
    {"stream_reasoning", kChat, kBool, kIgnored},
    refused({"use_beam_search", kGenerating, kBool}, "false"),
    refused({"length_penalty", kGenerating, kNumber}, "1.0"),
    refused({"early_stopping", kGenerating, kAny}, "false"),
    refused({"logits_processors", kGenerating, kArray}, "[]"),
    refused({"n_probs", kResponses | kMessages, kInteger}, "0"),
    refused({"post_sampling_probs", kGenerating & ~kLlamaCpp, kBool}, "false"),
    refused({"return_prompt_text", kGenerating & ~kOpenAi, kBool}, "false"),
    refused({"return_token_offsets", kGenerating & ~kOpenAi, kBool}, "false"),
    refused({"return_tokens", kGenerating & ~kLlamaCpp, kBool}, "false"),
    {"return_progress", kGenerating, kBool, kIgnored},
    refused({"detokenize", kGenerating & ~kOpenAi, kBool}, "true"),
    refused({"n_indent", kGenerating, kInteger}, "0"),
    {"n_keep", kGenerating, kInteger, kIgnored},
    {"n_discard", kGenerating, kInteger, kIgnored},
    refused({"grammar_lazy", kGenerating, kBool}, "false"),
    refused({"grammar_triggers", kGenerating, kArray}, "[]"),
    {"guided_decoding_backend", kGenerating, kString, kIgnored},
    refused({"lora", kGenerating, kAny}, "[]"),
    refused({"lora_path", kGenerating, kAny}),
    refused({"response_fields", kGenerating & ~kLlamaCpp, kArray}, "[]"),

    // Known, without influence on the output.
    {"user", kGenerating, kAny, kIgnored},
    {"safety_identifier", kGenerating, kAny, kIgnored},
    {"metadata", kGenerating & ~kResponses, kAny, kIgnored},
    {"store", kGenerating & ~kResponses, kAny, kIgnored},
    {"verbosity", kGenerating, kAny, kIgnored},
    {"moderation", kGenerating, kAny, kIgnored},
    {"prompt_cache_key", kGenerating, kAny, kIgnored},
    {"prompt_cache_options", kGenerating, kAny, kIgnored},
    {"prompt_cache_retention", kGenerating, kAny, kIgnored},
    {"cache_prompt", kGenerating, kBool, kIgnored},
    {"n_cache_reuse", kGenerating, kInteger, kIgnored},
    {"id_slot", kGenerating, kInteger, kIgnored},
    {"session_id", kGenerating, kAny, kIgnored},
    {"custom_labels", kGenerating, kAny, kIgnored},
    {"timings_per_token", kGenerating, kBool, kIgnored},
    {"t_max_prompt_ms", kLlamaCpp, kInteger, kIgnored},  // llama.cpp ignores it, llama.vim sends it
    {"spaces_between_special_tokens", kGenerating, kBool, kIgnored},  // none are ever put there
    {"sse_ping_interval", kGenerating, kAny, kIgnored},
    {"kv_transfer_params", kGenerating, kAny, kIgnored},
    {"vllm_xargs", kGenerating, kAny, kIgnored},
    {"keep_alive", kGenerating, kAny, kIgnored},
    {"ttl", kGenerating, kAny, kIgnored},
};

}  // namespace

std::span<const FieldSpec> field_specs() { return kSpecs; }

}  // namespace quire::server
