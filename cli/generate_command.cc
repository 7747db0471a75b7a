// `quire generate`: one prompt to standard output, or a file of them side by side.
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>

#include "cli/answer_splitter.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/interruption.h"
#include "cli/model_source.h"
#include "cli/printer.h"
#include "server/chat_renderer.h"

namespace quire::cli {
namespace {

struct Generator {
  std::unique_ptr<engine::Engine> engine;
  server::ChatRenderer render;                       // empty: texts are continued as they are
  const text::ReasoningFormat* reasoning = nullptr;  // null: answers are content only
};

Result<Generator> open_generator(const Options& options) {
  Generator generator;
  QUIRE_ASSIGN(const std::string folder, find_model(options));
  if (!options.raw) {
    QUIRE_ASSIGN(server::LoadedChat chat, server::load_chat(folder));
    generator.render = std::move(chat.render);
    generator.reasoning = chat.format.reasoning;
    if (!generator.render && !options.system.empty()) {
      return fail(ErrorCode::kUnsupported, "--system: {} has no chat template", folder);
    }
  }
  QUIRE_ASSIGN(generator.engine, load_engine(options, folder));
  return generator;
}

// The request of a prompt, or of messages where they are no null.
Result<PromptedRequest> make_request(const Generator& generator, const Options& options,
                                     const std::string& prompt, Json messages) {
  const engine::ModelCard& card = generator.engine->card();
  PromptedRequest prompted;
  prompted.prompt = prompt;
  const bool is_chat = generator.render && !options.raw;
  if (!messages.is_null() && !is_chat) {
    return fail(ErrorCode::kUnsupported, "\"messages\" need a chat template");
  }
  if (is_chat) {
    text::ChatRequest chat;
    if (messages.is_null()) {
      messages = Json::array();
      if (!options.system.empty()) {
        messages.push_back({{"role", "system"}, {"content", options.system}});
      }
      messages.push_back({{"role", "user"}, {"content", prompt}});
    }
    chat.messages = std::move(messages);
    chat.kwargs = reasoning_kwargs(options);
    QUIRE_ASSIGN(prompted.prompt, generator.render(chat));
    prompted.reasoning = generator.reasoning;
  }
  engine::GenerateRequest& request = prompted.request;
  QUIRE_ASSIGN(request.prompt, generator.engine->tokenizer().encode(
                                   prompted.prompt, {.add_special_tokens = !is_chat}));
  request.sampling = sampling_of(options, card);
  const auto length = static_cast<std::int64_t>(request.prompt.size());
  if (length >= card.context_max) {
    return fail(ErrorCode::kInvalid, "the prompt has {} tokens, the context {} (--max-model-len)",
                length, card.context_max);
  }
  std::int64_t& most = request.sampling.max_tokens;
  most = std::min(most == 0 ? card.context_max : most, card.context_max - length);
  return prompted;
}

// "reasoning_content" is there for each answer of a model that marks its reasoning.
Json answer_json(const Answer& answer, bool has_reasoning) {
  Json object = {{"text", answer.text}};
  if (has_reasoning) object["reasoning_content"] = answer.reasoning;
  object.update({{"finish_reason", answer.finish_reason},
                 {"usage",
                  {{"prompt_tokens", answer.prompt_tokens},
                   {"completion_tokens", answer.completion_tokens},
                   {"total_tokens", answer.prompt_tokens + answer.completion_tokens},
                   {"prompt_tokens_details", {{"cached_tokens", answer.cached_tokens}}}}},
                 {"seconds", answer.seconds},
                 {"first_token_seconds", answer.first_token_s}});
  return object;
}

std::string read_standard_input() {
  if (::isatty(STDIN_FILENO) == 1) write_error("type the prompt; Ctrl-D on a new line ends it\n");
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.ends_with('\n')) text.pop_back();  // of the last line, not of the text
  return text;
}

int generate_one(const Options& options, const std::string& prompt) {
  auto generator = open_generator(options);
  if (!generator) return report("generate", generator.error());
  auto request = make_request(*generator, options, prompt, nullptr);
  if (!request) return report("generate", request.error());
  const bool has_reasoning = request->reasoning != nullptr;
  Printer printer(terminal_style().colour);
  const Interruption interruption;
  const auto answer = run_split(
      *generator->engine, std::move(*request),
      [&](TextKind kind, std::string_view text) {
        if (!options.json) printer.text(kind, text);
      },
      interruption.flag());
  if (!answer) return report("generate", answer.error());
  if (options.json) {
    write_out(dump_json(answer_json(*answer, has_reasoning)) + "\n");
  } else {
    printer.text(TextKind::kContent, "\n");
  }
  return interruption.flag() ? interruption.exit_status() : kExitOk;
}

// --- batches ------------------------------------------------------------------------------------

// A line's own sampling fields, by the names of the flags with _ for -.
Status apply_fields(const Json& line, Options& options, std::string& prompt, Json& messages) {
  const server::FlagTable table{
      option_rows("system temperature top-k top-p min-p repetition-penalty max-tokens seed stop "
                  "ignore-eos"),
      &options};
  std::vector<std::string> words;
  for (const auto& [key, value] : line.items()) {
    if (key == "prompt") {
      QUIRE_ASSIGN(prompt, json_string(value, "prompt"));
    } else if (key == "messages") {
      messages = value;
    } else if (key == "stop") {
      options.stop.clear();
      Json list = value;
      if (!value.is_array()) list = Json::array({value});
      for (const Json& text : list) {
        QUIRE_ASSIGN(std::string stop, json_string(text, "stop"));
        options.stop.push_back(std::move(stop));
      }
    } else if (key != "id") {
      std::string name = key;
      std::ranges::replace(name, '_', '-');
      words.push_back(fmt::format("--{}={}", name,
                                  value.is_string() ? value.get<std::string>() : dump_json(value)));
    }
  }
  const server::ParsedFlags parsed = parse_flags(std::span(&table, 1), {words, {}});
  if (!parsed.errors.empty()) return fail(ErrorCode::kInvalid, "{}", parsed.errors.front());
  if (find_member(line, "prompt") == nullptr && messages.is_null()) {
    return fail(ErrorCode::kInvalid, "neither \"prompt\" nor \"messages\"");
  }
  return {};
}

// Many requests in flight; their answers leave in the order of the lines.
class Batch {
 public:
  Batch(const Generator& generator, const Options& options)
      : generator_(generator),
        options_(options),
        in_flight_max_(static_cast<std::size_t>(options.settings.engine.max_num_seqs) * 2) {}

  int run(std::istream& in) {
    std::string line;
    while (!interruption_.flag() && std::getline(in, line)) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      wait_for(in_flight_max_ - 1);
      start(line);
    }
    wait_for(0);
    if (interruption_.flag()) return interruption_.exit_status();
    return failed_ ? kExitFailure : kExitOk;
  }

 private:
  struct Item {
    Json id;
    Answer answer;
    std::string error;
    std::optional<AnswerSplitter> splitter;  // where the model marks its reasoning
    bool finished = false;

    void take(std::string_view text) {
      if (splitter) {
        splitter->push(text, sink());
      } else {
        answer.text += text;
      }
    }
    TextSink sink() {
      return [this](TextKind kind, std::string_view text) {
        (kind == TextKind::kReasoning ? answer.reasoning : answer.text) += text;
      };
    }
  };

  void start(const std::string& line) {
    const std::size_t index = started_++;
    Item item;
    item.id = index;
    auto prompted = read(line, item);
    if (!prompted) {
      item.error = prompted.error().message;
      item.finished = true;
    } else if (prompted->reasoning != nullptr) {
      show_markers(*generator_.engine, *prompted);
      item.splitter.emplace(*prompted->reasoning, prompted->prompt);
    }
    {
      const std::lock_guard lock(mutex_);
      items_.emplace(index, std::move(item));
      if (!prompted) ++ended_;
    }
    if (!prompted) return;
    const auto id = generator_.engine->submit(
        std::move(prompted->request),
        [this, index](engine::Output&& output) { take(index, std::move(output)); });
    if (!id) finish(index, id.error().message);
    if (id) ids_.push_back(*id);
  }

  Result<PromptedRequest> read(const std::string& line, Item& item) const {
    QUIRE_ASSIGN(const Json parsed, parse_json(line));
    if (!parsed.is_object()) return fail(ErrorCode::kInvalid, "the line is no JSON object");
    if (const Json* id = find_member(parsed, "id")) item.id = *id;
    Options options = options_;
    std::string prompt;
    Json messages = nullptr;
    QUIRE_TRY(apply_fields(parsed, options, prompt, messages));
    return make_request(generator_, options, prompt, std::move(messages));
  }

  void take(std::size_t index, engine::Output&& output) {
    const std::lock_guard lock(mutex_);
    Item& item = items_.at(index);
    item.take(output.text);
    if (output.finish == engine::FinishReason::kNone) return;
    item.finished = true;
    ++ended_;
    if (output.finish == engine::FinishReason::kError) item.error = output.error.message;
    item.answer.finish_reason = finish_word(output.finish);
    if (item.splitter) item.splitter->finish(item.answer.finish_reason != "stop", item.sink());
    item.answer.prompt_tokens = output.usage.prompt_tokens;
    item.answer.completion_tokens = output.usage.completion_tokens;
    item.answer.cached_tokens = output.usage.cached_tokens;
    item.answer.first_token_s = to_seconds(output.timings.first_token - output.timings.arrival);
    item.answer.seconds = to_seconds(output.timings.finished - output.timings.arrival);
    ended_signal_.notify_one();
  }

  void finish(std::size_t index, const std::string& error) {
    const std::lock_guard lock(mutex_);
    items_.at(index).error = error;
    items_.at(index).finished = true;
    ++ended_;
  }

  // Until at most `most` requests are in flight; writes what is complete.
  void wait_for(std::size_t most) {
    std::unique_lock lock(mutex_);
    while (true) {
      while (!items_.empty() && items_.begin()->second.finished) {
        write(items_.begin()->second);
        items_.erase(items_.begin());
      }
      if (started_ - ended_ <= most) return;
      ended_signal_.wait_for(lock, std::chrono::milliseconds(50));
      if (interruption_.flag() && !cancelled_) {
        cancelled_ = true;
        lock.unlock();
        for (const engine::RequestId id : ids_) generator_.engine->cancel(id);
        lock.lock();
      }
    }
  }

  void write(const Item& item) {
    Json out = {{"id", item.id}};
    if (item.error.empty()) {
      const Json answer = answer_json(item.answer, item.splitter.has_value());
      for (const auto& [key, value] : answer.items()) out[key] = value;
    } else {
      failed_ = true;
      out["error"] = item.error;
    }
    write_out(dump_json(out) + "\n");
  }

  const Generator& generator_;
  const Options& options_;
  const std::size_t in_flight_max_;
  const Interruption interruption_;
  std::mutex mutex_;
  std::condition_variable ended_signal_;
  std::map<std::size_t, Item> items_;  // by line; what was written is gone
  std::vector<engine::RequestId> ids_;
  std::size_t started_ = 0, ended_ = 0;
  bool failed_ = false, cancelled_ = false;
};

int generate_batch(const Options& options) {
  std::ifstream file;
  if (options.batch != "-") {
    file.open(options.batch, std::ios::binary);
    if (!file) {
      return report("generate", {ErrorCode::kIo, fmt::format("cannot read {}", options.batch)});
    }
  }
  auto generator = open_generator(options);
  if (!generator) return report("generate", generator.error());
  const int status = Batch(*generator, options).run(options.batch == "-" ? std::cin : file);
  return status;
}

}  // namespace

int generate_command(Invocation& invocation) {
  Options& options = invocation.options;
  const auto refuse = [](std::string_view message) {
    write_error(fmt::format("quire generate: {}\nTry: quire generate --help\n", message));
    return kExitUsage;
  };
  std::vector<std::string> prompts = invocation.words;
  if (!options.prompt.empty()) prompts.push_back(options.prompt);
  if (prompts.size() > 1) return refuse("the prompt was given twice");
  if (!options.batch.empty() && !prompts.empty()) return refuse("--batch brings its own prompts");
  if (!options.batch.empty()) return generate_batch(options);
  return generate_one(options, prompts.empty() ? read_standard_input() : prompts.front());
}

}  // namespace quire::cli
