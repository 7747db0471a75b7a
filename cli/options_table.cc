// The table of the commands' own flags; the engine's are in server/settings_table.cc.
#include <algorithm>
#include <limits>

#include "base/check.h"
#include "cli/options.h"

namespace quire::cli {
namespace {

using server::FlagPlace;
using server::FlagSpec;

constexpr double kTokensMax = 1e12;

#define QUIRE_PLACE(member) \
  [](void* options) -> FlagPlace { return &static_cast<Options*>(options)->member; }

constexpr FlagSpec kSpecs[] = {
    {"url", "", "Conversation", "URL",
     "talk to an OpenAI-compatible server instead of loading a model", 0, 0, "", QUIRE_PLACE(url)},
    {"api-key", "", "Conversation", "KEY", "key that the server wants", 0, 0, "",
     QUIRE_PLACE(client_key), true},
    {"remote-model", "", "Conversation", "NAME", "which of the server's models; default: its first",
     0, 0, "", QUIRE_PLACE(remote_model)},
    {"system", "sys", "Conversation", "TEXT", "system prompt", 0, 0, "", QUIRE_PLACE(system)},
    {"session", "", "Conversation", "FILE",
     "conversation to go on with; written as well when the chat ends", 0, 0, "",
     QUIRE_PLACE(session)},
    {"history", "", "Conversation", "FILE",
     "file of the lines typed; default: ~/.local/state/quire/history", 0, 0, "",
     QUIRE_PLACE(history)},
    {"prompt", "p", "Conversation", "TEXT",
     "the prompt; default: the words given, or standard input", 0, 0, "", QUIRE_PLACE(prompt)},
    {"reasoning-effort", "", "Conversation", "EFFORT",
     "how much the model reasons, where its chat template knows it; none: not at all", 0, 0,
     "none minimal low medium high xhigh max", QUIRE_PLACE(reasoning_effort)},
    {"raw", "no-chat-template ignore-chat-template", "Conversation", "",
     "continue the text as it is, without the chat template", 0, 0, "", QUIRE_PLACE(raw)},
    {"batch", "", "Conversation", "FILE",
     "JSON lines in, JSON lines out: {\"prompt\": ...} or {\"messages\": [...]}, with \"id\", "
     "\"max_tokens\", \"temperature\", \"seed\" ... as they are needed; - for standard input",
     0, 0, "", QUIRE_PLACE(batch)},

    {"temperature", "temp", "Sampling", "T", "0: the likeliest token; default: the model's own", 0,
     100, "", QUIRE_PLACE(temperature)},
    {"top-k", "", "Sampling", "N", "draw from the N likeliest tokens; 0: off", 0, 1e6, "",
     QUIRE_PLACE(top_k)},
    {"top-p", "", "Sampling", "P", "draw from the likeliest tokens of this probability together", 0,
     1, "", QUIRE_PLACE(top_p)},
    {"min-p", "", "Sampling", "P", "drop tokens below this share of the likeliest", 0, 1, "",
     QUIRE_PLACE(min_p)},
    {"repetition-penalty", "repeat-penalty", "Sampling", "X", "above 1: repeat less", 0.01, 10, "",
     QUIRE_PLACE(repetition_penalty)},
    {"max-tokens", "n-predict n", "Sampling", "TOKENS",
     "longest answer; 0: what the context leaves", 0, kTokensMax, "", QUIRE_PLACE(max_tokens)},
    {"seed", "s", "Sampling", "N", "the same seed gives the same answer", 0,
     std::numeric_limits<std::int32_t>::max(), "", QUIRE_PLACE(seed)},
    {"stop", "", "Sampling", "TEXTS",
     "texts that end the answer, separated by commas; may be given again", 0, 0, "",
     QUIRE_PLACE(stop)},
    {"ignore-eos", "", "Sampling", "", "do not stop where the model ends its answer", 0, 0, "",
     QUIRE_PLACE(ignore_eos)},

    {"json", "", "Output", "", "one JSON object (per line) instead of text", 0, 0, "",
     QUIRE_PLACE(json)},
    {"tensors", "", "Output", "", "list every tensor, too", 0, 0, "", QUIRE_PLACE(tensors)},

    {"revision", "", "Hub", "NAME", "branch, tag or commit; default: main", 0, 0, "",
     QUIRE_PLACE(revision)},
    {"cache-dir", "download-dir", "Hub", "DIR",
     "the cache; default: HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub", 0, 0, "",
     QUIRE_PLACE(cache_dir)},
    {"endpoint", "", "Hub", "URL", "the hub or a mirror of it; default: HF_ENDPOINT", 0, 0, "",
     QUIRE_PLACE(endpoint)},
    {"token", "hf-token", "Hub", "TOKEN", "access token; default: HF_TOKEN or the stored login", 0,
     0, "", QUIRE_PLACE(token), true},
    {"ca-file", "cacert", "Hub", "FILE",
     "certificate authorities to trust (PEM); default: SSL_CERT_FILE or the system's", 0, 0, "",
     QUIRE_PLACE(ca_file)},
    {"offline", "", "Hub", "", "use what the cache has; also by HF_HUB_OFFLINE=1", 0, 0, "",
     QUIRE_PLACE(offline)},
    {"connections", "", "Hub", "N", "parts that are downloaded at once", 1, 64, "",
     QUIRE_PLACE(connections)},
    {"hub-timeout", "", "Hub", "S", "longest silence of the hub", 0.1, 1e5, "",
     QUIRE_PLACE(hub_timeout_s)},
    {"part-size", "", "Hub", "BYTES", "files are fetched in parts of this size, with K, M or G",
     4096, 1 << 30, "", QUIRE_PLACE(part_bytes)},
    {"retries", "", "Hub", "N", "further attempts for a part that does not come", 0, 100, "",
     QUIRE_PLACE(retries)},
    {"force", "", "Hub", "", "download files again that the cache has", 0, 0, "",
     QUIRE_PLACE(force)},

    {"bits", "q-bits", "Quantization", "N", "bits of a weight", 2, 8, "2 3 4 5 6 8",
     QUIRE_PLACE(bits)},
    {"group-size", "q-group-size", "Quantization", "N", "weights that share a scale and a bias", 32,
     128, "32 64 128", QUIRE_PLACE(group_size)},
    {"mixed", "", "Quantization", "RULES",
     "other widths by name, the first rule that fits: PATTERN=BITS, PATTERN=BITS/GROUP or "
     "PATTERN=none, separated by commas; * matches anything: *down_proj=6,lm_head=8",
     0, 0, "", QUIRE_PLACE(mixed)},
    {"shard-size", "", "Quantization", "BYTES", "largest file, with K, M or G", 0, 0, "",
     QUIRE_PLACE(shard_size)},
    {"eval-text", "", "Quantization", "FILE",
     "compare the log-probability of this text before and after", 0, 0, "", QUIRE_PLACE(eval_text)},
    {"overwrite", "", "Quantization", "", "replace what the target folder holds", 0, 0, "",
     QUIRE_PLACE(overwrite)},

    {"seconds", "", "Measurement", "S", "how long each measurement takes", 0.05, 60, "",
     QUIRE_PLACE(seconds)},

    {"template", "", "Text", "FILE", "the chat template (Jinja)", 0, 0, "",
     QUIRE_PLACE(template_file)},
    {"now", "", "Text", "TIME",
     "what strftime_now shows, as 2026-11-21T12:00:00; default: the clock", 0, 0, "",
     QUIRE_PLACE(now)},
};

#undef QUIRE_PLACE

}  // namespace

std::span<const FlagSpec> option_specs() { return kSpecs; }

std::vector<const FlagSpec*> option_rows(std::string_view names) {
  std::vector<const FlagSpec*> rows;
  for (const std::string_view name : server::split_words(names)) {
    const auto* found = std::ranges::find(kSpecs, name, &FlagSpec::name);
    CHECK(found != std::end(kSpecs), "no flag {}", name);
    rows.push_back(found);
  }
  return rows;
}

}  // namespace quire::cli
