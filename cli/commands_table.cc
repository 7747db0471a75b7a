// The table of commands.
#include <algorithm>
#include <vector>

#include "bench/commands.h"
#include "cli/command.h"

namespace quire::cli {
namespace {

constexpr Command kCommands[] = {
    {.name = "serve",
     .group = "Serve and talk",
     .words = "MODEL",
     .summary = "serve a model over HTTP (OpenAI-compatible)",
     .description =
         "Loads a model and answers many clients at once. When it is ready, standard output has "
         "one line, \"quire: ready on http://HOST:PORT\"; all else goes to standard error. SIGTERM "
         "and Ctrl-C let requests in flight finish; a second one ends them.",
     .setting_groups = "Model Loading Memory Scheduling Processor Server Log Debugging",
     .option_names = "revision cache-dir endpoint token ca-file offline",
     .examples = "quire serve demo  # the bundled toy, on http://127.0.0.1:8000\n"
                 "quire serve org/repo --port 8080  # from the cache, or pulled\n"
                 "quire serve DIR --kv-cache-memory 8G --max-num-seqs 32\n"
                 "quire serve --config serve.yaml  # the same flags as \"name: value\" lines",
     .run = serve_command,
     .words_max = 1},
    {.name = "chat",
     .group = "Serve and talk",
     .words = "[MODEL]",
     .summary = "talk to a model in the terminal",
     .description =
         "Loads a model into this process, or talks to a server with --url. Ctrl-C stops the "
         "answer, Ctrl-D ends the program. A line that ends with \\ goes on; \"\"\" opens and "
         "closes a text of several lines. /help lists the commands.",
     .setting_groups = "Model Loading Memory Processor Log",
     .option_names =
         "url api-key remote-model system reasoning-effort session history temperature top-k top-p "
         "min-p repetition-penalty max-tokens seed stop revision cache-dir endpoint "
         "token ca-file offline",
     .examples = "quire chat demo\n"
                 "quire chat org/repo --system \"Answer in one sentence.\"\n"
                 "quire chat --url http://127.0.0.1:8000",
     .run = chat_command,
     .words_max = 1,
     .is_quiet = true},
    {.name = "generate",
     .group = "Serve and talk",
     .words = "MODEL [PROMPT]",
     .summary = "answer one prompt, or a file of prompts",
     .description =
         "The prompt is the word behind the model, --prompt, or standard input. It is put into the "
         "chat template if the model has one; --raw continues the text itself. With --batch every "
         "line of a file is a request of its own; they run side by side, and the answers come in "
         "the order of the lines. With --json or --batch an answer is an object with text, "
         "finish_reason and usage, and with reasoning_content where the model marks its reasoning.",
     .setting_groups = "Model Loading Memory Scheduling Processor Log",
     .option_names = "prompt system reasoning-effort raw batch json temperature top-k top-p min-p "
                     "repetition-penalty max-tokens seed stop ignore-eos revision cache-dir "
                     "endpoint token ca-file offline",
     .examples = "quire generate demo \"Tell me a short story.\" --max-tokens 80\n"
                 "quire generate demo --raw --temperature 0 < start.txt\n"
                 "quire generate demo --batch prompts.jsonl > answers.jsonl",
     .run = generate_command,
     .words_max = 2,
     .is_quiet = true},
    {.name = "models",
     .group = "Models",
     .summary = "families that load, and what the local cache holds",
     .description = "Lists the model families and the repositories in the Hugging Face cache, with "
                    "what would load of them.",
     .setting_groups = "Log",
     .option_names = "json cache-dir",
     .examples = "quire models\nquire models --json",
     .run = models_command,
     .is_quiet = true},
    {.name = "pull",
     .group = "Models",
     .words = "ORG/REPO[@REVISION] [FILE...]",
     .summary = "download a model into the Hugging Face cache",
     .description =
         "Fetches what is needed to run the model (configuration, tokenizer, template, "
         "safetensors) "
         "into the cache that Transformers uses as well, in parallel parts. A download that was "
         "cut "
         "off goes on where it stopped; sizes and checksums are verified. FILE names files to "
         "fetch "
         "instead, with * for any letters. Mirrors: HF_ENDPOINT; proxies: https_proxy, http_proxy, "
         "no_proxy. Prints the folder of the snapshot.",
     .setting_groups = "Log",
     .option_names =
         "revision cache-dir endpoint token ca-file offline connections part-size retries "
         "hub-timeout force json",
     .examples = "quire pull org/repo\n"
                 "quire pull org/repo@v1.0\n"
                 "quire pull org/repo config.json \"tokenizer*\"  # these files only\n"
                 "HF_ENDPOINT=https://mirror.example quire pull org/repo",
     .run = pull_command,
     .words_min = 1,
     .words_max = 64,
     .is_quiet = true},
    {.name = "inspect",
     .group = "Models",
     .words = "MODEL",
     .summary = "what a checkpoint is, and whether it loads",
     .description =
         "Reads the configuration and the headers of the weights, not the weights: family, blocks "
         "by layer, tensors claimed, left out and missing, memory by format, bytes of KV cache for "
         "a token, states, the context that fits, and what would not load and why. Exit status 1 "
         "if it would not load.",
     .setting_groups = "Model Loading Memory Log",
     .option_names = "tensors json revision cache-dir endpoint token ca-file offline",
     .examples = "quire inspect demo\nquire inspect org/repo --json",
     .run = inspect_command,
     .words_max = 1,
     .is_quiet = true},
    {.name = "quantize",
     .group = "Models",
     .words = "SOURCE TARGET",
     .summary = "write an MLX checkpoint of 2 to 8 bits",
     .description =
         "Reads a float checkpoint tensor by tensor and writes a quantized one that mlx-lm loads, "
         "too. Reports the error of each tensor.",
     .setting_groups = "Processor Log",
     .option_names =
         "bits group-size mixed shard-size eval-text overwrite tensors json revision cache-dir "
         "endpoint token ca-file offline",
     .examples = "quire quantize demo demo-4bit\n"
                 "quire quantize org/repo out --bits 4 --mixed \"*down_proj=6,lm_head=8\" "
                 "--eval-text text.txt",
     .run = quantize_command,
     .words_min = 2,
     .words_max = 2,
     .is_quiet = true},
    {.name = "doctor",
     .group = "Look and measure",
     .words = "[MODEL]",
     .summary = "what this machine can do, measured in seconds",
     .description =
         "Prints cores, instruction sets, memory and its limits, and measures memory bandwidth and "
         "arithmetic with the kernels themselves. With a model it says what fits and which speed "
         "to expect.",
     .setting_groups = "Model Loading Memory Processor Log",
     .option_names = "seconds json revision cache-dir endpoint token ca-file offline",
     .examples = "quire doctor\nquire doctor org/repo",
     .run = doctor_command,
     .words_max = 1,
     .is_quiet = true},
    {.name = "bench",
     .group = "Look and measure",
     .words = "serve|latency|throughput",
     .summary = "load test of any server, and offline benchmarks",
     .description = "Each benchmark has flags of its own: quire bench serve --help.",
     .examples = "quire bench serve --url http://127.0.0.1:8000 --concurrency 16\n"
                 "quire bench latency --model demo"},
    {.name = "tokenize",
     .group = "Look and measure",
     .words = "MODEL",
     .summary = "text to token ids and back, line by line",
     .description =
         "Reads {\"text\": ...} or {\"ids\": [...]} line by line from standard input and "
         "answers line by line.",
     .setting_groups = "Model Log",
     .option_names = "revision cache-dir endpoint token ca-file offline",
     .examples = "echo '{\"text\": \"Hello\"}' | quire tokenize demo",
     .run = tokenize_command,
     .words_max = 1,
     .is_quiet = true},
    {.name = "apply-template",
     .group = "Look and measure",
     .summary = "a chat template over a context",
     .description = "Reads the template's variables as one JSON object from standard input and "
                    "writes the prompt's text.",
     .option_names = "template now",
     .examples = "echo '{\"messages\": []}' | quire apply-template --template "
                 "demo/chat_template.jinja",
     .run = apply_template_command},
    {.name = "completion",
     .group = "Shell",
     .words = "bash|zsh|fish",
     .summary = "a completion script for your shell",
     .description = "Prints the script; the first lines of it say where it goes.",
     .examples = "eval \"$(quire completion bash)\"  # in ~/.bashrc",
     .run = completion_command,
     .words_min = 1,
     .words_max = 1},
    {.name = "man",
     .group = "Shell",
     .summary = "the manual page, as troff",
     .description = "Prints the source of quire(1).",
     .examples = "quire man | man -l -",
     .run = man_command},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  const auto* found = std::ranges::find(kCommands, name, &Command::name);
  return found == std::end(kCommands) ? nullptr : found;
}

std::vector<server::FlagTable> flag_tables(const Command& command, Options& options) {
  std::vector<server::FlagTable> tables;
  if (!command.setting_groups.empty()) {
    tables.push_back({server::setting_rows(command.setting_groups), &options.settings});
  }
  tables.push_back({option_rows(command.option_names), &options});
  return tables;
}

}  // namespace quire::cli
