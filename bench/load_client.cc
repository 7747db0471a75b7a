// Streams completions from a server with one coroutine for each request in flight.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <numbers>

#include "base/rng.h"
#include "bench/load_test.h"
#include "models/load/json.h"

namespace quire::bench {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using SteadyTime = std::chrono::steady_clock;

constexpr double kLengthRatioMax = 8;
constexpr std::chrono::seconds kReachTimeout{10};  // for the first connection

struct Target {
  std::string host, port, base;
};

// "[http://]HOST[:PORT][/PATH]"; a host with colons stands in brackets.
Result<Target> parse_url(const std::string& url) {
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::kInvalid, "--url {}: {}, as in --url http://127.0.0.1:8000", url, why);
  };
  std::string rest = url;
  if (const auto scheme = url.find("://"); scheme != std::string::npos) {
    if (url.substr(0, scheme) != "http") return wrong("only http:// is spoken");
    rest = url.substr(scheme + 3);
  }
  Target target;
  if (const auto slash = rest.find('/'); slash != std::string::npos) {
    target.base = rest.substr(slash);
    rest = rest.substr(0, slash);
    while (!target.base.empty() && target.base.back() == '/') target.base.pop_back();
  }
  const bool in_brackets = rest.starts_with('[');
  const auto host_end = in_brackets ? rest.find(']') : rest.find(':');
  target.host = rest.substr(in_brackets ? 1 : 0, in_brackets ? host_end - 1 : host_end);
  if (target.host.empty() || (in_brackets && host_end == std::string::npos)) {
    return wrong("a host is missing");
  }
  if (host_end == std::string::npos) rest.clear();
  rest.erase(0, host_end + (in_brackets ? 1 : 0));
  target.port = rest.empty() ? "80" : rest.substr(1);
  int port = 0;
  const auto [end, code] =
      std::from_chars(target.port.data(), target.port.data() + target.port.size(), port);
  const bool is_number = code == std::errc() && end == target.port.data() + target.port.size();
  if ((!rest.empty() && rest[0] != ':') || !is_number || port < 1 || port > 65535) {
    return wrong(fmt::format("the port \"{}\" must be 1 to 65535", target.port));
  }
  return target;
}

Error unreachable(const std::string& url, const boost::system::error_code& code) {
  return {ErrorCode::kIo,
          fmt::format("--url {}: {}: does a server run there? quire serve MODEL starts one, --url "
                      "names another",
                      url, code.message())};
}

http::request<http::string_body> make_request(const LoadOptions& options, const Target& target,
                                              http::verb verb, const std::string& path) {
  http::request<http::string_body> request{verb, target.base + path, 11};
  request.set(http::field::host, target.host + ":" + target.port);
  request.set(http::field::user_agent, "quire-bench");
  if (!options.api_key.empty()) {
    request.set(http::field::authorization, "Bearer " + options.api_key);
  }
  return request;
}

// Input `index`: the shared prefix is drawn by its own key, the rest by the request's.
Json make_prompt(const LoadOptions& options, int index) {
  static constexpr const char* kWords[] = {"river", "stone", "light", "paper", "north", "small",
                                           "green", "house", "music", "table", "cloud", "seven"};
  Json ids = Json::array();
  std::string text;
  const int input_tokens = lengths_of(options, index).input_tokens;
  for (int i = 0; i < input_tokens; ++i) {
    const std::uint64_t key = i < options.shared_prefix_tokens
                                  ? options.seed
                                  : mix64(options.seed + 1 + static_cast<std::uint64_t>(index));
    const std::uint64_t draw = random_bits(key, static_cast<std::uint64_t>(i));
    if (options.text_prompts) {
      text += text.empty() ? "" : " ";
      text += kWords[draw % std::size(kWords)];
    } else {
      ids.push_back(draw % static_cast<std::uint64_t>(options.vocab));
    }
  }
  return options.text_prompts ? Json(text) : ids;
}

// Tokens that a chunk brought. Without ids in it the usual one token is assumed, none in a chunk
// that only tells the end.
int tokens_of(const Json& choice) {
  if (const Json* ids = find_member(choice, "token_ids"); ids != nullptr && ids->is_array()) {
    return static_cast<int>(ids->size());
  }
  const Json* text = find_member(choice, "text");
  const Json* finish = find_member(choice, "finish_reason");
  const bool has_text = text != nullptr && text->is_string() && *text != "";
  return !has_text && finish != nullptr && !finish->is_null() ? 0 : 1;
}

class LoadRun {
 public:
  LoadRun(const LoadOptions& options, Target target)
      : options_(options), target_(std::move(target)) {}

  Result<std::vector<RequestRecord>> run() {
    try {
      tcp::resolver resolver(context_);
      endpoints_ = resolver.resolve(target_.host, target_.port);
    } catch (const boost::system::system_error& error) {
      return tl::unexpected(unreachable(options_.url, error.code()));
    }
    records_.resize(static_cast<std::size_t>(options_.requests));
    QUIRE_TRY(reach());
    start_ = SteadyTime::now();
    if (options_.rate > 0) {
      asio::co_spawn(context_, arrivals(), asio::detached);
    } else {
      for (int i = 0; i < std::min(options_.concurrency, options_.requests); ++i) {
        asio::co_spawn(context_, closed_loop(), asio::detached);
      }
    }
    context_.run();
    return std::move(records_);
  }

 private:
  double now() const { return std::chrono::duration<double>(SteadyTime::now() - start_).count(); }

  // Connects once, and asks for the model's name where none was given.
  Status reach() {
    Status status;
    asio::co_spawn(
        context_,
        [&]() -> asio::awaitable<void> {
          try {
            status = co_await ask_for_model();
          } catch (const boost::system::system_error& error) {
            status = tl::unexpected(unreachable(options_.url, error.code()));
          }
        },
        asio::detached);
    context_.run();
    context_.restart();
    return status;
  }

  asio::awaitable<Status> ask_for_model() {
    beast::tcp_stream stream(context_);
    stream.expires_after(kReachTimeout);
    co_await stream.async_connect(endpoints_, asio::use_awaitable);
    if (!options_.model.empty()) co_return Status{};
    const auto request = make_request(options_, target_, http::verb::get, "/v1/models");
    co_await http::async_write(stream, request, asio::use_awaitable);
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    co_await http::async_read(stream, buffer, response, asio::use_awaitable);
    co_return take_model(static_cast<int>(response.result_int()), response.body());
  }

  Status take_model(int status, const std::string& body) {
    const std::string where = fmt::format("--url {}: {}/v1/models", options_.url, target_.base);
    if (status == 401 || status == 403) {
      return fail(ErrorCode::kInvalid, "{} answered {}: give the server's key with --api-key",
                  where, status);
    }
    const auto answer = parse_json(body);
    const Json* data = status == 200 && answer ? find_member(*answer, "data") : nullptr;
    if (data == nullptr || !data->is_array() || data->empty()) {
      return fail(ErrorCode::kNotFound,
                  "{} answered {} and no model: is it an OpenAI-compatible server? --model NAME "
                  "goes without the question",
                  where, status);
    }
    const Json* id = find_member((*data)[0], "id");
    if (id == nullptr) return fail(ErrorCode::kNotFound, "{}: the first model has no id", where);
    QUIRE_ASSIGN(options_.model, json_string(*id, "id"));
    return {};
  }

  asio::awaitable<void> closed_loop() {
    while (next_ < options_.requests) {
      const int index = next_++;
      records_[static_cast<std::size_t>(index)].scheduled = now();
      co_await guarded_request(index);
    }
  }

  asio::awaitable<void> arrivals() {
    asio::steady_timer timer(context_);
    double at = 0;
    for (int index = 0; index < options_.requests; ++index) {
      const double uniform =
          random_uniform(mix64(options_.seed), static_cast<std::uint64_t>(index));
      at += -std::log(1 - uniform) / options_.rate;
      timer.expires_at(start_ + std::chrono::duration_cast<SteadyTime::duration>(
                                    std::chrono::duration<double>(at)));
      co_await timer.async_wait(asio::use_awaitable);
      records_[static_cast<std::size_t>(index)].scheduled = at;
      asio::co_spawn(context_, guarded_request(index), asio::detached);
    }
  }

  asio::awaitable<void> guarded_request(int index) {
    RequestRecord& record = records_[static_cast<std::size_t>(index)];
    record.sent = now();
    try {
      co_await stream_request(index, record);
    } catch (const boost::system::system_error& error) {
      record.error = error.code().message();
    } catch (const std::exception& error) {
      record.error = error.what();
    }
    record.finished = now();
  }

  asio::awaitable<void> stream_request(int index, RequestRecord& record) {
    beast::tcp_stream stream(context_);
    stream.expires_after(std::chrono::duration_cast<SteadyTime::duration>(
        std::chrono::duration<double>(options_.timeout_seconds)));
    co_await stream.async_connect(endpoints_, asio::use_awaitable);
    auto request = make_request(options_, target_, http::verb::post, "/v1/completions");
    request.set(http::field::content_type, "application/json");
    request.body() = dump_json({{"model", options_.model},
                                {"prompt", make_prompt(options_, index)},
                                {"max_tokens", lengths_of(options_, index).output_tokens},
                                {"ignore_eos", true},
                                {"temperature", 0},
                                {"stream", true},
                                {"stream_options", {{"include_usage", true}}}});
    request.prepare_payload();
    co_await http::async_write(stream, request, asio::use_awaitable);
    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    co_await http::async_read_header(stream, buffer, parser, asio::use_awaitable);
    const int status = static_cast<int>(parser.get().result_int());
    std::string pending;
    std::array<char, 16384> block;
    while (!parser.is_done()) {
      parser.get().body().data = block.data();
      parser.get().body().size = block.size();
      auto [error, bytes] = co_await http::async_read_some(stream, buffer, parser,
                                                           asio::as_tuple(asio::use_awaitable));
      if (error && error != http::error::need_buffer) throw boost::system::system_error(error);
      pending.append(block.data(), block.size() - parser.get().body().size);
      if (status == 200) take_events(pending, record);
    }
    if (status != 200) record.error = fmt::format("status {}: {}", status, pending.substr(0, 200));
  }

  // Consumes the whole events of `pending`.
  void take_events(std::string& pending, RequestRecord& record) {
    std::size_t begin = 0;
    for (std::size_t end; (end = pending.find("\n\n", begin)) != std::string::npos;
         begin = end + 2) {
      const std::string_view event(pending.data() + begin, end - begin);
      if (event.rfind("data: {", 0) == 0) take_event(event.substr(6), record);
    }
    pending.erase(0, begin);
  }

  void take_event(std::string_view text, RequestRecord& record) {
    const auto event = parse_json(text);
    if (!event) {
      record.error = event.error().message;
      return;
    }
    if (const Json* error = find_member(*event, "error")) record.error = dump_json(*error);
    if (const Json* usage = find_member(*event, "usage"); usage != nullptr && usage->is_object()) {
      record.prompt_tokens = static_cast<int>(usage->value("prompt_tokens", 0));
      record.completion_tokens = static_cast<int>(usage->value("completion_tokens", 0));
    }
    const Json* choices = find_member(*event, "choices");
    if (choices == nullptr || !choices->is_array() || choices->empty()) return;
    const int tokens = tokens_of((*choices)[0]);
    if (tokens == 0) return;
    record.chunk_times.push_back(now());
    record.chunk_tokens.push_back(tokens);
  }

  LoadOptions options_;
  Target target_;
  asio::io_context context_{1};
  tcp::resolver::results_type endpoints_;
  SteadyTime::time_point start_;
  std::vector<RequestRecord> records_;
  int next_ = 0;
};

}  // namespace

RequestLengths lengths_of(const LoadOptions& options, int index) {
  if (options.length_sigma == 0) return {options.input_tokens, options.output_tokens};
  // Box and Muller's pair; the mean of exp(mu + sigma z) is exp(mu + sigma^2 / 2).
  const std::uint64_t key = mix64(options.seed ^ 0x6c656e67746873ull);
  const auto at = 2 * static_cast<std::uint64_t>(index);
  const double radius = std::sqrt(-2 * std::log(1 - random_uniform(key, at)));
  const double angle = 2 * std::numbers::pi * random_uniform(key, at + 1);
  const auto length = [&](int mean, double z) {
    const double sigma = options.length_sigma;
    const double value = mean * std::exp(sigma * z - sigma * sigma / 2);
    return static_cast<int>(std::lround(std::clamp(value, 1.0, kLengthRatioMax * mean)));
  };
  return {length(options.input_tokens, radius * std::cos(angle)),
          length(options.output_tokens, radius * std::sin(angle))};
}

Result<std::vector<RequestRecord>> run_load(const LoadOptions& options) {
  QUIRE_ASSIGN(Target target, parse_url(options.url));
  if (options.warmup_requests > 0) {
    LoadOptions warmup = options;
    warmup.requests = options.warmup_requests;
    warmup.seed = mix64(options.seed ^ 0x7761726d7570ull);
    QUIRE_TRY(LoadRun(warmup, target).run());
  }
  return LoadRun(options, std::move(target)).run();
}

}  // namespace quire::bench
