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

constexpr FieldSpec kSpecs[] = {
    // What to answer.
    {"model", ~0u, kString},
    {"messages", kTemplated, kArray},
    {"prompt", kCompletions | kTokenize, kAny},
    {"tools", kTemplated, kArray},
    {"tool_choice", kChat, kAny},
    {"parallel_tool_calls", kChat, kBool},
    {"documents", kTemplated, kArray},
    {"response_format", kChat | kCompletions, kObject},
    {"chat_template_kwargs", kTemplated, kObject},
    {"add_generation_prompt", kTemplated, kBool},
    {"continue_final_message", kTemplated, kBool},
    {"reasoning_effort", kChat, kString},
    {"enable_thinking", kTemplated, kBool},
    {"include_reasoning", kChat, kBool},
    {"separate_reasoning", kChat, kBool},
    {"reasoning_format", kChat, kString},
    {"reasoning_budget", kChat, kInteger, kSupported, -1, kInt32Max},
    {"thinking_token_budget", kChat, kInteger, kSupported, -1, kInt32Max},
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
    {"json_schema", kGenerating, kAny},
    {"grammar", kGenerating, kString},
    {"regex", kGenerating, kString},
    {"ebnf", kGenerating, kString},

    // Length and stops.
    {"max_tokens", kGenerating, kInteger, kSupported, 0, kInt64Max},
    {"max_completion_tokens", kChat, kInteger, kSupported, 0, kInt64Max},
    {"n_predict", kGenerating, kInteger, kSupported, -1, kInt64Max},
    {"min_tokens", kGenerating, kInteger, kSupported, 0, kInt64Max},
    {"ignore_eos", kGenerating, kBool},
    {"stop", kGenerating, kAny},
    {"stop_token_ids", kGenerating, kArray},
    {"include_stop_str_in_output", kGenerating, kBool},
    {"no_stop_trim", kGenerating, kBool},
    {"skip_special_tokens", kGenerating | kDetokenize, kBool},
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
    {"allowed_token_ids", kGenerating, kArray},
    {"seed", kGenerating, kInteger, kSupported, -kInt64Max, kInt64Max},
    {"n", kGenerating, kInteger, kSupported, 1, 16},
    {"best_of", kCompletions, kInteger, kSupported, 1, 16},

    // What is told besides the text.
    {"stream", kGenerating, kBool},
    {"stream_options", kGenerating, kObject},
    {"logprobs", kChat, kBool},
    {"logprobs", kCompletions, kInteger, kSupported, 0, kLogprobsMax},
    {"top_logprobs", kChat, kInteger, kSupported, 0, kLogprobsMax},
    {"prompt_logprobs", kGenerating, kInteger, kSupported, 0, kLogprobsMax},
    {"return_token_ids", kGenerating, kBool},
    {"return_tokens_as_token_ids", kGenerating, kBool},
    {"receipt", kGenerating, kBool},

    // Where and when it runs.
    {"priority", kGenerating, kInteger, kSupported, -kInt32Max, kInt32Max},
    {"cache_salt", kGenerating, kString},

    // Bodies of /tokenize and /detokenize.
    {"content", kTokenize, kAny},
    {"tokens", kDetokenize, kArray},
    {"add_special", kTokenize, kBool},
    {"parse_special", kTokenize, kBool},
    {"with_pieces", kTokenize, kBool},
    {"return_token_strs", kTokenize, kBool},

    // Known, would change the output, not available.
    {"suffix", kCompletions, kString, kRefused, kMin, kMax, "\"\""},
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
    {"bad_words", kGenerating, kArray, kRefused, kMin, kMax, "[]"},
    {"logits_processors", kGenerating, kArray, kRefused, kMin, kMax, "[]"},
    {"repeat_penalty", kGenerating, kNumber, kRefused, kMin, kMax, "1.0"},
    {"repeat_last_n", kGenerating, kInteger, kIgnored},
    {"top_n_sigma", kGenerating, kNumber, kRefused, kMin, kMax, "-1.0 0.0"},
    {"xtc_probability", kGenerating, kNumber, kRefused, kMin, kMax, "0.0"},
    {"xtc_threshold", kGenerating, kNumber, kIgnored},
    {"dry_multiplier", kGenerating, kNumber, kRefused, kMin, kMax, "0.0"},
    {"dry_base", kGenerating, kNumber, kIgnored},
    {"dry_allowed_length", kGenerating, kInteger, kIgnored},
    {"dry_penalty_last_n", kGenerating, kInteger, kIgnored},
    {"dry_sequence_breakers", kGenerating, kArray, kIgnored},
    {"mirostat", kGenerating, kInteger, kRefused, kMin, kMax, "0"},
    {"mirostat_tau", kGenerating, kNumber, kIgnored},
    {"mirostat_eta", kGenerating, kNumber, kIgnored},
    {"dynatemp_range", kGenerating, kNumber, kRefused, kMin, kMax, "0.0"},
    {"dynatemp_exponent", kGenerating, kNumber, kIgnored},
    {"adaptive_target", kGenerating, kNumber, kRefused, kMin, kMax, "-1.0"},
    {"adaptive_decay", kGenerating, kNumber, kIgnored},
    {"samplers", kGenerating, kAny, kRefused},
    {"min_keep", kGenerating, kInteger, kRefused, kMin, kMax, "0"},
    {"n_probs", kGenerating, kInteger, kRefused, kMin, kMax, "0"},
    {"post_sampling_probs", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"logprob_token_ids", kGenerating, kArray, kRefused, kMin, kMax, "[]"},
    {"return_prompt_text", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"return_token_offsets", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"return_tokens", kGenerating, kBool, kRefused, kMin, kMax, "false"},
    {"return_progress", kGenerating, kBool, kIgnored},
    {"spaces_between_special_tokens", kGenerating, kBool, kRefused, kMin, kMax, "true"},
    {"detokenize", kGenerating, kBool, kRefused, kMin, kMax, "true"},
    {"n_indent", kGenerating, kInteger, kRefused, kMin, kMax, "0"},
    {"n_keep", kGenerating, kInteger, kIgnored},
    {"n_discard", kGenerating, kInteger, kIgnored},
    {"t_max_predict_ms", kGenerating, kInteger, kRefused, kMin, kMax, "0 -1"},
    {"stop_regex", kGenerating, kAny, kRefused},
    {"grammar_lazy", kGenerating, kBool, kIgnored},
    {"grammar_triggers", kGenerating, kArray, kIgnored},
    {"guided_decoding_backend", kGenerating, kString, kIgnored},
    {"guided_whitespace_pattern", kGenerating, kString, kRefused},
    {"lora", kGenerating, kAny, kRefused, kMin, kMax, "[]"},
    {"lora_path", kGenerating, kAny, kRefused},
    {"response_fields", kGenerating, kArray, kRefused, kMin, kMax, "[]"},

    // Known, without influence on the output.
    {"user", kGenerating, kAny, kIgnored},
    {"safety_identifier", kGenerating, kAny, kIgnored},
    {"metadata", kGenerating, kAny, kIgnored},
    {"store", kGenerating, kAny, kIgnored},
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
