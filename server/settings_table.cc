// The table of settings: vLLM's names first, llama.cpp's as aliases.
#include <limits>

#include "server/settings.h"

namespace quire::server {
namespace {

constexpr double kIntMax = std::numeric_limits<int>::max();
constexpr double kTokensMax = 1e12;

#define QUIRE_PLACE(member) \
  [](void* settings) -> FlagPlace { return &static_cast<Settings*>(settings)->member; }

constexpr SettingSpec kSpecs[] = {
    {"model", "m", "Model", "MODEL",
     "folder of the checkpoint, its .safetensors file, or org/repo[@revision]", 0, 0, "",
     QUIRE_PLACE(engine.model)},
    {"served-model-name", "alias a", "Server", "NAMES",
     "names the API answers to, separated by commas; default: the folder's name", 0, 0, "",
     QUIRE_PLACE(served_model_name)},
    {"task", "", "Server", "TASK",
     "what the model is for besides generating; auto: what its modules.json says", 0, 0,
     "auto generate embed rerank", QUIRE_PLACE(task)},
    {"pooling", "", "Server", "KIND", "how an embedding model makes one vector of a text", 0, 0,
     "auto last mean cls", QUIRE_PLACE(pooling)},
    {"dtype", "", "Loading", "TYPE",
     "arithmetic: f32 is exact, bf16 converts; f16 keeps float weights as float16 and computes "
     "with "
     "them in f32; auto: f32 for small models, else as the weights are stored",
     0, 0, "auto f32|float32|float bf16|bfloat16 f16|float16|half", QUIRE_PLACE(engine.dtype)},
    {"quantization", "", "Loading", "KIND",
     "quantize the matrices of a float checkpoint at load: int8 (a scale for each row) or int4 "
     "(affine, groups of 64)",
     0, 0, "none int8 int4", QUIRE_PLACE(engine.quantization)},
    {"max-model-len", "ctx-size c", "Loading", "TOKENS",
     "longest sequence; 0: what the model says, within memory", 0, kTokensMax, "",
     QUIRE_PLACE(engine.max_model_len)},
    {"allow-unknown-config", "", "Loading", "", "load a config.json with keys that no one reads", 0,
     0, "", QUIRE_PLACE(engine.allow_unknown_config)},

    {"tool-call-parser", "", "Server", "NAME",
     "how the model writes tool calls: auto (by its chat template), none, or a format's name", 0, 0,
     "", QUIRE_PLACE(tool_call_parser)},
    {"reasoning-parser", "", "Server", "NAME",
     "how the model writes its reasoning: auto (by its chat template), none, or a format's name", 0,
     0, "", QUIRE_PLACE(reasoning_parser)},

    {"kv-cache-memory", "kv-cache-memory-bytes kv-cache-size", "Memory", "SIZE",
     "memory of the KV cache: bytes with K, M or G, a share of memory (30%), or auto", 0, 0, "",
     QUIRE_PLACE(engine.kv_cache_memory)},
    {"kv-cache-prefault", "", "Memory", "",
     "take the memory of the pages at start: first requests are faster, start is slower", 0, 0, "",
     QUIRE_PLACE(engine.kv_cache_prefault)},
    {"kv-cache-dtype", "", "Memory", "TYPE", "type of the cached keys and values", 0, 0,
     "auto f32|float32|float bf16|bfloat16 int8", QUIRE_PLACE(engine.kv_cache_dtype)},
    {"block-size", "", "Memory", "TOKENS", "tokens per page", 16, 64, "16 32 48 64",
     QUIRE_PLACE(engine.block_size)},
    {"enable-prefix-caching", "prefix-cache", "Memory", "",
     "share the pages of equal prompt beginnings", 0, 0, "", QUIRE_PLACE(engine.prefix_cache)},

    {"max-num-seqs", "parallel np", "Scheduling", "N", "sequences in one step", 1, 65536, "",
     QUIRE_PLACE(engine.max_num_seqs)},
    {"max-num-waiting", "max-queue", "Scheduling", "N",
     "requests that may wait; more are answered 429", 0, kIntMax, "",
     QUIRE_PLACE(engine.max_num_waiting)},
    {"max-waiting-tokens", "", "Scheduling", "TOKENS",
     "prompt tokens that may run and wait together; more are answered 429", 1, kTokensMax, "",
     QUIRE_PLACE(engine.max_waiting_tokens)},
    {"max-num-batched-tokens", "batch-size b", "Scheduling", "TOKENS", "tokens in one step", 1,
     1 << 20, "", QUIRE_PLACE(engine.max_num_batched_tokens)},
    {"step-target-ms", "", "Scheduling", "MS", "how long a step with prefill may take", 1, 60'000,
     "", QUIRE_PLACE(engine.step_target_ms)},
    {"speculation", "spec", "Scheduling", "KIND", "how tokens are guessed ahead", 0, 0,
     "none|off ngram", QUIRE_PLACE(engine.speculation)},
    {"max-draft-tokens", "", "Scheduling", "N", "guesses per sequence and step", 0, 64, "",
     QUIRE_PLACE(engine.max_draft_tokens)},

    {"threads", "t", "Processor", "N", "threads of the kernels; 0: all processors allowed", 0, 1024,
     "", QUIRE_PLACE(engine.threads)},
    {"isa", "", "Processor", "ISA", "instruction set of the kernels", 0, 0,
     "auto scalar avx2 avx512", QUIRE_PLACE(engine.isa)},

    {"tensor-parallel-size", "tp", "Processor", "N",
     "Quire computes in one process; --threads says how many cores it uses", 1, 1, "",
     QUIRE_PLACE(parallel_size)},
    {"pipeline-parallel-size", "pp", "Processor", "N",
     "Quire computes in one process; --threads says how many cores it uses", 1, 1, "",
     QUIRE_PLACE(parallel_size)},

    {"host", "", "Server", "ADDRESS", "address to listen on", 0, 0, "", QUIRE_PLACE(host)},
    {"port", "", "Server", "N", "port to listen on; 0: the system picks one", 0, 65535, "",
     QUIRE_PLACE(port)},
    {"uds", "", "Server", "PATH", "listen on a Unix socket instead of an address", 0, 0, "",
     QUIRE_PLACE(uds)},
    {"ssl-certfile", "ssl-cert-file", "Server", "FILE", "serve HTTPS: certificate chain (PEM)", 0,
     0, "", QUIRE_PLACE(ssl_certfile)},
    {"ssl-keyfile", "ssl-key-file", "Server", "FILE", "serve HTTPS: the certificate's key (PEM)", 0,
     0, "", QUIRE_PLACE(ssl_keyfile)},
    {"api-key", "", "Server", "KEYS",
     "key that clients must send, as Bearer or x-api-key; may be given again, and hold several "
     "separated by commas",
     0, 0, "", QUIRE_PLACE(api_keys), true},
    {"api-key-file", "", "Server", "FILE", "file with one API key a line", 0, 0, "",
     QUIRE_PLACE(api_key_file)},
    {"allowed-origins", "cors-origins", "Server", "ORIGINS",
     "web pages that may call the server (CORS), separated by commas; * for all", 0, 0, "",
     QUIRE_PLACE(allowed_origins)},
    {"allowed-hosts", "", "Server", "HOSTS",
     "names in the Host field that are answered, separated by commas; default: any", 0, 0, "",
     QUIRE_PLACE(allowed_hosts)},
    {"io-threads", "", "Server", "N", "threads that serve connections", 1, 64, "",
     QUIRE_PLACE(io_threads)},
    {"max-connections", "", "Server", "N", "open connections", 1, 1'000'000, "",
     QUIRE_PLACE(max_connections)},
    {"max-body-bytes", "", "Server", "BYTES", "size of a request's body", 1024, 1 << 30, "",
     QUIRE_PLACE(max_body_bytes)},
    {"max-logprobs", "", "Server", "N", "most logprobs a request may ask for per token", 0, 1000,
     "", QUIRE_PLACE(engine.max_logprobs)},
    {"strict-fields", "", "Server", "", "refuse requests with unknown fields", 0, 0, "",
     QUIRE_PLACE(strict_fields)},
    {"trust-request-chat-template", "", "Server", "",
     "use the chat template that a request brings; without it such requests are refused", 0, 0, "",
     QUIRE_PLACE(trust_request_chat_template)},
    {"receipts", "", "Server", "",
     "put a receipt into every answer: where its time and its tokens went", 0, 0, "",
     QUIRE_PLACE(receipts)},
    {"request-timeout", "timeout", "Server", "S", "longest life of a request", 0.001, 1e9, "",
     QUIRE_PLACE(request_timeout_s)},
    {"drain-timeout", "shutdown-timeout", "Server", "S",
     "how long SIGTERM lets requests in flight finish", 0, 1e6, "", QUIRE_PLACE(drain_timeout_s)},
    {"header-timeout", "", "Server", "S", "how long a header section may take", 0.01, 1e6, "",
     QUIRE_PLACE(header_timeout_s)},
    {"idle-timeout", "", "Server", "S", "how long a silent connection is kept", 0.01, 1e6, "",
     QUIRE_PLACE(idle_timeout_s)},
    {"stall-timeout", "", "Server", "S", "how long a stream's reader may take nothing", 0.01, 1e6,
     "", QUIRE_PLACE(stall_timeout_s)},
    {"heartbeat", "", "Server", "S", "silence of a stream before a comment is sent", 0.01, 1e6, "",
     QUIRE_PLACE(heartbeat_s)},
    {"watchdog", "", "Server", "S", "longest step before /health says 503", 0.1, 1e6, "",
     QUIRE_PLACE(watchdog_s)},
    {"log-level", "", "Log", "LEVEL", "what is written to standard error", 0, 0,
     "debug info warning error off", QUIRE_PLACE(log_level)},
    {"log-format", "", "Log", "FORMAT", "how it is written", 0, 0, "text json",
     QUIRE_PLACE(log_format)},

    {"debug-preempt-every", "", "Debugging", "STEPS", "preempt a sequence every so many steps", 0,
     kIntMax, "", QUIRE_PLACE(engine.debug_preempt_every)},
    {"debug-chunk-tokens", "", "Debugging", "TOKENS", "prefill in chunks of this size", 0, kIntMax,
     "", QUIRE_PLACE(engine.debug_chunk_tokens)},
    {"invariant-check-every", "", "Debugging", "STEPS", "audit the cache every so many steps", 0,
     kIntMax, "", QUIRE_PLACE(engine.invariant_check_every)},
};

#undef QUIRE_PLACE

}  // namespace

std::span<const SettingSpec> setting_specs() { return kSpecs; }

}  // namespace quire::server
