// Signals are blocked in every thread and taken one by one here, in the main thread.
#include "server/serve.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>
#include <string_view>

#include "base/log.h"
#include "server/chat_renderer.h"
#include "server/info_endpoints.h"
#include "server/service.h"
#include "server/supervisor.h"

namespace quire::server {
namespace {

constexpr Time kForever = Time::max();
constexpr Time kPoll = std::chrono::milliseconds(20);
constexpr Time kFlush =
    std::chrono::seconds(2);  // for the errors that tell clients they were cut off

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// SIGTERM and SIGINT, taken synchronously. Construct before any other thread starts.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGTERM);
    ::sigaddset(&set_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
  }
  // The number of a signal that came within the time, or nothing.
  std::optional<int> wait(Time time) const {
    int number = 0;
    if (time == kForever) {
      do {
        number = ::sigwaitinfo(&set_, nullptr);
      } while (number < 0 && errno == EINTR);
    } else {
      const timespec limit{std::chrono::duration_cast<std::chrono::seconds>(time).count(),
                           (time % std::chrono::seconds(1)).count()};
      number = ::sigtimedwait(&set_, nullptr, &limit);
    }
    return number > 0 ? std::optional(number) : std::nullopt;
  }

 private:
  sigset_t set_{};
};

Result<HttpServerOptions> http_options(const Settings& settings) {
  HttpServerOptions options;
  options.host = settings.host;
  options.port = settings.port;
  options.socket_path = settings.uds;
  options.io_threads = settings.io_threads;
  options.connections_max = static_cast<std::size_t>(settings.max_connections);
  options.limits = settings.http;
  options.timeouts.head = from_seconds(settings.header_timeout_s);
  options.timeouts.idle = from_seconds(settings.idle_timeout_s);
  options.timeouts.stall = from_seconds(settings.stall_timeout_s);
  options.timeouts.heartbeat = from_seconds(settings.heartbeat_s);
  if (!settings.ssl_certfile.empty()) {
    QUIRE_ASSIGN(options.tls, TlsContext::load(settings.ssl_certfile, settings.ssl_keyfile));
  }
  return options;
}

std::vector<std::string> model_names(const Settings& settings) {
  std::vector<std::string> names;
  const std::string& list = settings.served_model_name;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) names.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  if (!names.empty()) return names;
  std::error_code ignored;
  const auto folder = std::filesystem::weakly_canonical(settings.engine.model, ignored);
  names.push_back(folder.filename().empty() ? settings.engine.model : folder.filename().string());
  return names;
}

void log_banner(const engine::ModelCard& card) {
  constexpr double kMiB = 1024.0 * 1024.0;
  log(LogLevel::kInfo, "quire {}: {} from {}", kVersion, card.family, card.folder);
  log(LogLevel::kInfo, "{} threads, instruction set {}", card.threads, card.isa);
  log(LogLevel::kInfo, "weights {:.1f} MiB {}, {} arithmetic, context {} tokens",
      static_cast<double>(card.weight_bytes) / kMiB, card.weights_dtype, card.arithmetic,
      card.context_max);
  log(LogLevel::kInfo, "KV cache {:.1f} MiB as {}: {} tokens in pages of {}, {} bytes each",
      static_cast<double>(card.kv_bytes) / kMiB, card.kv_dtype, card.kv_tokens, card.block_size,
      card.kv_bytes_per_token);
  if (card.context_max > 0 && card.kv_tokens > 0) {
    log(LogLevel::kInfo, "Maximum concurrency for {} tokens per request: {:.2f}x", card.context_max,
        static_cast<double>(card.kv_tokens) / static_cast<double>(card.context_max));
  }
}

// What the template shows, but for what the settings name.
Result<text::AnswerFormat> answer_format(const Settings& settings,
                                         const text::AnswerFormat& shown) {
  text::AnswerFormat format;
  QUIRE_ASSIGN(format.tools, text::find_tool_format(settings.tool_call_parser, shown));
  QUIRE_ASSIGN(format.reasoning, text::find_reasoning_format(settings.reasoning_parser, shown));
  return format;
}

void log_format(const text::AnswerFormat& format) {
  log(LogLevel::kInfo, "tool calls as {}, reasoning as {}",
      format.tools != nullptr ? format.tools->name() : "none",
      format.reasoning != nullptr ? format.reasoning->name() : "none");
}

class Program {
 public:
  Program(const Settings& settings, AccessRules access, HttpServerOptions options)
      : settings_(settings), service_(settings), http_(options, service_) {
    service_.guard(std::move(access));
    service_.bind_http(http_);
  }

  int run() {
    if (const Status listening = http_.listen(); !listening) {
      log(LogLevel::kError, "{}", listening.error().message);
      return kExitFailure;
    }
    if (const Status loaded = load(); !loaded) {
      log(LogLevel::kError, "{}; quire inspect {} tells more", loaded.error().message,
          settings_.engine.model);
      http_.stop();
      return kExitFailure;
    }
    write_all(STDOUT_FILENO, fmt::format("quire: ready on {}\n", http_.url()));
    notify_supervisor(fmt::format("READY=1\nSTATUS=ready on {}", http_.url()));
    const int number = signals_.wait(kForever).value_or(SIGTERM);
    log(LogLevel::kInfo, "signal {}: draining", number);
    notify_supervisor("STOPPING=1\nSTATUS=finishing the requests in flight");
    const int status = drain();
    http_.stop();
    engine_.reset();
    log(LogLevel::kInfo, "exit {}", status);
    return status;
  }

 private:
  Status load() {
    auto loading = std::async(
        std::launch::async, [config = settings_.engine] { return engine::create_engine(config); });
    while (loading.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      if (signals_.wait(kPoll)) {  // there is no work to lose, and loading cannot be interrupted
        log(LogLevel::kInfo, "ended while loading");
        std::_Exit(kExitOk);
      }
    }
    QUIRE_ASSIGN(engine_, loading.get());
    log_banner(engine_->card());
    Backend backend;
    backend.engine = engine_.get();
    QUIRE_ASSIGN(LoadedChat chat, load_chat(settings_.engine.model));
    backend.render_chat = std::move(chat.render);
    backend.render_own = std::move(chat.render_own);
    backend.template_source = std::move(chat.source);
    QUIRE_ASSIGN(backend.answer_format, answer_format(settings_, chat.format));
    backend.detect_format = [this](std::string_view source) {
      return answer_format(settings_, text::detect_answer_format(source)).value();
    };
    log_format(backend.answer_format);
    backend.model_names = model_names(settings_);
    QUIRE_ASSIGN(backend.pooling, load_pooling_setup(settings_.engine.model, settings_.task,
                                                     settings_.pooling, engine_->tokenizer()));
    service_.attach(std::move(backend));
    return {};
  }

  // Lets requests in flight finish; the exit status tells whether they could.
  int drain() {
    service_.begin_drain();
    http_.begin_drain();
    const Time end = SteadyClock().now() + from_seconds(settings_.drain_timeout_s);
    while (http_.busy_connections() > 0) {
      const std::optional<int> second = signals_.wait(kPoll);
      if (!second && SteadyClock().now() < end) continue;
      log(LogLevel::kWarning, "{} requests were cut off", http_.busy_connections());
      service_.cut_off();
      const Time flushed = SteadyClock().now() + kFlush;
      while (http_.busy_connections() > 0 && SteadyClock().now() < flushed) {
        if (signals_.wait(kPoll)) break;
      }
      return second ? kExitSignal + *second : kExitFailure;
    }
    return kExitOk;
  }

  Signals signals_;
  const Settings settings_;
  Service service_;
  HttpServer http_;
  std::unique_ptr<engine::Engine> engine_;  // goes before the connections that its outputs reach
};

}  // namespace

int run_serve(const Settings& settings) {
  auto access = load_access(settings);
  auto options = http_options(settings);
  for (const Error* error :
       {access ? nullptr : &access.error(), options ? nullptr : &options.error()}) {
    if (error == nullptr) continue;
    write_all(STDERR_FILENO, "quire: " + error->message + "\n");
    return kExitUsage;
  }
  return Program(settings, std::move(*access), std::move(*options)).run();
}

}  // namespace quire::server
