// The known fields, by subject. A row is all there is to say about the validation of a plain field.
#include "server/request_fields.h"

namespace quire::server {
namespace {

using enum FieldType;
using enum FieldState;

constexpr double kMin = std::numeric_limits<double>::lowest();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kInt32Max = 2147483647;
constexpr double kInt64Max = 9223372036854775807.0;
constexpr double kFloatMax = 3e38;
constexpr double kLogprobsMax = 1000;  // --max-logprobs narrows it

constexpr FieldSpec required(FieldSpec spec, unsigned by) {
  spec.required_by = by;
  return spec;
}

constexpr FieldSpec kSpecs[] = {
    // What to answer.
    {"model", ~0u, kString},
    required({"messages", kTemplated | kMessages | kCountTokens, kArray},
             kChat | kApplyTemplate | kMessages | kCountTokens),
    required({"prompt", kCompletions | kTokenize | kInfill, kAny}, kCompletions),
    {"tools", kTemplated | kResponses | kMessages | kCountTokens, kArray},
    {"tool_choice", kChat | kResponses, kAny},
    {"tool_choice", kMessages | kCountTokens, kObject},
    {"parallel_tool_calls", kChat | kResponses, kBool},
    {"documents", kTemplated, kArray},
    {"response_format", kOpenAi, kObject},
    {"chat_template_kwargs", kTemplated | kResponses | kMessages, kObject},
    {"add_generation_prompt", kTemplated, kBool},
    {"continue_final_message", kTemplated, kBool},
    {"reasoning_effort", kChat, kString},
    {"enable_thinking", kTemplated | kResponses | kMessages, kBool},
    {"include_reasoning", kChat, kBool},
    {"separate_reasoning", kChat, kBool},
    {"reasoning_format", kChat, kString},
    {"reasoning_budget", kChat | kResponses, kInteger, kSupported, -1, kInt32Max},
    {"thinking_token_budget", kChat | kResponses, kInteger, kSupported, -1, kInt32Max},
    {"prediction", kChat, kObject},
    {"add_special_tokens", kGenerating | kTokenize, kBool},
    {"truncate_prompt_tokens", kGenerating, kInteger, kSupported, -1, kInt64Max},
    {"truncation_side", kGenerating, kString},
    {"echo", kCompletions, kBool},
    {"echo", kChat, kBool, kRefused, kMin, kMax, "false"},

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
    required({"max_tokens", kOpenAi | kMessages | kInfill, kInteger, kSupported, 0, kInt64Max},
             kMessages),
    {"max_completion_tokens", kChat, kInteger, kSupported, 0, kInt64Max},
    {"n_predict", kOpenAi | kInfill, kInteger, kSupported, -1, kInt64Max},
    {"min_tokens", kGenerating, kInteger, kSupported, 0, kInt64Max},
    {"ignore_eos", kGenerating, kBool},
    {"stop", kOpenAi | kResponses | kInfill, kAny},
    {"stop_token_ids", kGenerating, kArray},
    {"include_stop_str_in_output", kGenerating, kBool},
    {"no_stop_trim", kGenerating, kBool},
    {"skip_special_tokens", kGenerating | kDetokenize, kBool},
    {"stop_regex", kGenerating, kAny},
    {"t_max_predict_ms", kGenerating, kInteger, kSupported, -1, kInt64Max},
    {"timeout", kGenerating, kNumber, kSupported, 0.001, 1e9},
    {"deadline_ms", kGenerating, kInteger, kSupported, 1, 1e12},

    // Sampling.
    {"temperature", kGenerating, kNumber, kSupported, 0, kFloatMax},
    {"top_p", kGenerating, kNumber, kSupported, 0, 1},
    {"top_k", kGenerating, kInteger, kSupported, -1, kInt32Max},
    {"min_p", kGenerating, kNumber, kSupported, 0, 1},
    {"typical_p", kGenerating, kNumber, kSupported, 0, 1},
    {"typ_p", kGenerating, kNumber, kSupported, 0, 1},
    {"repetition_penalty", kGenerating, kNumber, kSupported, 0, kFloatMax},
    {"presence_penalty", kGenerating, kNumber, kSupported, -2, 2},
    {"frequency_penalty", kGenerating, kNumber, kSupported, -2, 2},
    {"logit_bias", kGenerating, kAny},
    {"repeat_penalty", kGenerating, kNumber, kSupported, 0, kFloatMax},
    {"repeat_last_n", kGenerating, kInteger, kSupported, -1, kInt32Max},
    {"top_n_sigma", kGenerating, kNumber, kSupported, -1, kFloatMax},
    {"xtc_probability", kGenerating, kNumber, kSupported, 0, 1},
    {"xtc_threshold", kGenerating, kNumber, kSupported, 0, 1},
    {"dry_multiplier", kGenerating, kNumber, kSupported, 0, kFloatMax},
    {"dry_base", kGenerating, kNumber, kSupported, 0, kFloatMax},
    {"dry_allowed_length", kGenerating, kInteger, kSupported, 0, kInt32Max},
    {"dry_penalty_last_n", kGenerating, kInteger, kSupported, -1, kInt32Max},
    {"dry_sequence_breakers", kGenerating, kArray},
    {"mirostat", kGenerating, kInteger, kSupported, 0, 2},
    {"mirostat_tau", kGenerating, kNumber, kSupported, 0, 1000},
    {"mirostat_eta", kGenerating, kNumber, kSupported, 0, 1000},
    {"dynatemp_range", kGenerating, kNumber, kSupported, 0, kFloatMax},
    {"dynatemp_exponent", kGenerating, kNumber, kSupported, 0, 1000},
    {"adaptive_target", kGenerating, kNumber, kSupported, -1, 1},
    {"adaptive_decay", kGenerating, kNumber, kSupported, 0, 0.99},
    {"min_keep", kGenerating, kInteger, kSupported, 0, kInt32Max},
    {"samplers", kGenerating, kAny},
    {"bad_words", kGenerating, kArray},
    {"allowed_token_ids", kGenerating, kArray},
    {"seed", kGenerating, kInteger, kSupported, -kInt64Max, kInt64Max},
    {"n", kOpenAi, kInteger, kSupported, 1, 16},
    {"best_of", kCompletions, kInteger, kSupported, 1, 16},

    // What is told besides the text.
    {"stream", kGenerating, kBool},
    {"stream_options", kOpenAi | kResponses, kObject},
    {"logprobs", kChat, kBool},
    {"logprobs", kCompletions, kInteger, kSupported, 0, kLogprobsMax},
    {"top_logprobs", kChat, kInteger, kSupported, 0, kLogprobsMax},
    {"prompt_logprobs", kOpenAi, kInteger, kSupported, 0, kLogprobsMax},
    {"logprob_token_ids", kOpenAi, kArray},
    {"return_token_ids", kOpenAi, kBool},
    {"return_tokens_as_token_ids", kOpenAi, kBool},
    {"receipt", kGenerating, kBool},

    // Where and when it runs.
    {"priority", kGenerating, kInteger, kSupported, -kInt32Max, kInt32Max},
    {"cache_salt", kGenerating, kString},

    // /v1/responses.
    required({"input", kResponses, kAny}, kResponses),
    {"instructions", kResponses, kString},
    {"max_output_tokens", kResponses, kInteger, kSupported, 1, kInt64Max},
    {"text", kResponses, kObject},
    {"reasoning", kResponses, kObject},
    {"previous_response_id", kResponses, kString},
    {"store", kResponses, kBool},
    {"metadata", kResponses, kObject},
    {"include", kResponses, kArray, kIgnored},
    {"max_tool_calls", kResponses, kInteger, kIgnored},
    {"truncation", kResponses, kString, kRefused, kMin, kMax, "\"disabled\""},
    {"background", kResponses, kBool, kRefused, kMin, kMax, "false"},
    {"conversation", kResponses, kAny, kRefused},
    {"prompt", kResponses, kObject, kRefused},
    {"top_logprobs", kResponses, kInteger, kRefused, kMin, kMax, "0"},

    // /v1/messages.
    {"system", kMessages | kCountTokens, kAny},
    {"stop_sequences", kMessages, kArray},
    {"thinking", kMessages | kCountTokens, kObject},
    {"output_config", kMessages | kCountTokens, kObject},
    {"output_format", kMessages | kCountTokens, kObject},
    {"mcp_servers", kMessages | kCountTokens, kArray, kRefused, kMin, kMax, "[]"},
    {"container", kMessages, kAny, kRefused},
    {"context_management", kMessages | kCountTokens, kAny, kIgnored},
    {"cache_control", kMessages | kCountTokens, kAny, kIgnored},
    {"inference_geo", kMessages, kAny, kIgnored},
    {"speed", kMessages | kCountTokens, kAny, kIgnored},

    // /v1/embeddings, /v1/rerank, /v1/score, /classify.
    required({"input", kEmbeddings | kClassify, kAny}, kEmbeddings | kClassify),
    {"encoding_format", kEmbeddings, kString},
    {"dimensions", kEmbeddings, kInteger, kSupported, 1, kInt32Max},
    {"normalize", kEmbeddings, kBool},
    {"add_special_tokens", kEmbeddings, kBool},
    {"truncate_prompt_tokens", kEmbeddings, kInteger, kSupported, -1, kInt32Max},
    required({"query", kRerank, kString}, kRerank),
    required({"documents", kRerank, kArray}, kRerank),
    {"top_n", kRerank, kInteger, kSupported, 1, kInt32Max},
    {"return_documents", kRerank, kBool},
    {"instruction", kRerank | kScore, kString},
    required({"text_1", kScore, kAny}, kScore),
    required({"text_2", kScore, kAny}, kScore),
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
    {"functions", kChat, kArray, kRefused, kMin, kMax, "[]"},
    {"function_call", kChat, kAny, kRefused, kMin, kMax, "\"none\" \"auto\""},
    {"modalities", kChat, kArray, kRefused, kMin, kMax, "[\"text\"] []"},
    {"audio", kChat, kObject, kRefused},
    {"web_search_options", kChat, kObject, kRefused},
    {"chat_template", kTemplated, kString, kRefused},
    {"media_io_kwargs", kChat, kObject, kRefused, kMin, kMax, "{}"},
    {"mm_processor_kwargs", kChat, kObject, kRefused, kMin, kMax, "{}"},
    {"prompt_embeds", kCompletions, kAny, kRefused},
    {"stream_reasoning", kChat, kBool, kIgnored},
    {"parse_tool_calls", kChat, kBool, kIgnored},
    {"use_beam_search", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"length_penalty", kGenerating, kNumber, kRefused, kMin, kMax, "1.0"},
    {"early_stopping", kGenerating, kAny, kRefused, kMin, kMax, "false"},
    {"logits_processors", kGenerating, kArray, kRefused, kMin, kMax, "[]"},
    {"n_probs", kGenerating, kInteger, kRefused, kMin, kMax, "0"},
    {"post_sampling_probs", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"return_prompt_text", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"return_token_offsets", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"return_tokens", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"return_progress", kGenerating, kBool, kIgnored},
    {"detokenize", kGenerating, kBool, kRefused, kMin, kMax, "true"},
    {"n_indent", kGenerating, kInteger, kRefused, kMin, kMax, "0"},
    {"n_keep", kGenerating, kInteger, kIgnored},
    {"n_discard", kGenerating, kInteger, kIgnored},
    {"grammar_lazy", kGenerating, kBool, kIgnored},
    {"grammar_triggers", kGenerating, kArray, kIgnored},
    {"guided_decoding_backend", kGenerating, kString, kIgnored},
    {"lora", kGenerating, kAny, kRefused, kMin, kMax, "[]"},
    {"lora_path", kGenerating, kAny, kRefused},
    {"response_fields", kGenerating, kArray, kRefused, kMin, kMax, "[]"},

    // Known, without influence on the output.
    {"user", kGenerating, kAny, kIgnored},
    {"safety_identifier", kGenerating, kAny, kIgnored},
    {"metadata", kGenerating & ~kResponses, kAny, kIgnored},
    {"store", kGenerating & ~kResponses, kAny, kIgnored},
    {"service_tier", kGenerating, kAny, kIgnored},
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
    {"request_id", kGenerating, kAny, kIgnored},
    {"rid", kGenerating, kAny, kIgnored},
    {"timings_per_token", kGenerating, kBool, kIgnored},
    {"spaces_between_special_tokens", kGenerating, kBool, kIgnored},  // none are ever put there
    {"stream_interval", kGenerating, kAny, kIgnored},
    {"sse_ping_interval", kGenerating, kAny, kIgnored},
    {"kv_transfer_params", kGenerating, kAny, kIgnored},
    {"vllm_xargs", kGenerating, kAny, kIgnored},
    {"keep_alive", kGenerating, kAny, kIgnored},
    {"ttl", kGenerating, kAny, kIgnored},
};

}  // namespace

std::span<const FieldSpec> field_specs() { return kSpecs; }

}  // namespace quire::server
