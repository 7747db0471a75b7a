// `quire bench serve`: flags, run, report.
#include <charconv>
#include <functional>
#include <iostream>
#include <map>

#include "bench/load_test.h"

namespace quire::bench {
namespace {

constexpr const char* kHelp =
    "quire bench serve: load test of any OpenAI-compatible server\n\n"
    "  --url URL                  http://127.0.0.1:8000\n"
    "  --model NAME               the first of /v1/models\n"
    "  --api-key KEY\n"
    "  --requests N               100\n"
    "  --concurrency N            16; closed loop\n"
    "  --rate R                   Poisson arrivals a second instead of the closed loop\n"
    "  --input-tokens N           128\n"
    "  --output-tokens N          64\n"
    "  --shared-prefix-tokens N   0; of the input, equal in every request\n"
    "  --prompts ids|text         ids\n"
    "  --vocab N                  1000; prompt ids are drawn below it\n"
    "  --seed N                   0\n"
    "  --timeout SECONDS          600\n"
    "  --ttft-goal MS             2000; goodput counts requests within both goals\n"
    "  --itl-goal MS              150; on a request's p99\n"
    "  --json                     one JSON object instead of the table\n";

template <class T>
Status parse_number(const std::string& flag, const std::string& text, T min, T& out) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < min) {
    return fail(ErrorCode::kInvalid, "{} must be a number from {}, got {}", flag, min, text);
  }
  out = value;
  return {};
}

struct Command {
  LoadOptions options;
  bool json = false, help = false;
};

Status set_flag(Command& command, const std::string& flag, const std::string& value) {
  LoadOptions& o = command.options;
  const auto integer = [&](int& out, int min) { return parse_number(flag, value, min, out); };
  const auto real = [&](double& out) { return parse_number(flag, value, 0.0, out); };
  const auto text = [&](std::string& out) {
    out = value;
    return Status{};
  };
  const std::map<std::string, std::function<Status()>> flags = {
      {"--url", [&] { return text(o.url); }},
      {"--model", [&] { return text(o.model); }},
      {"--api-key", [&] { return text(o.api_key); }},
      {"--requests", [&] { return integer(o.requests, 1); }},
      {"--concurrency", [&] { return integer(o.concurrency, 1); }},
      {"--rate", [&] { return real(o.rate); }},
      {"--input-tokens", [&] { return integer(o.input_tokens, 1); }},
      {"--output-tokens", [&] { return integer(o.output_tokens, 1); }},
      {"--shared-prefix-tokens", [&] { return integer(o.shared_prefix_tokens, 0); }},
      {"--vocab", [&] { return integer(o.vocab, 1); }},
      {"--seed", [&] { return parse_number(flag, value, std::uint64_t{0}, o.seed); }},
      {"--timeout", [&] { return real(o.timeout_seconds); }},
      {"--ttft-goal", [&] { return real(o.ttft_goal_ms); }},
      {"--itl-goal", [&] { return real(o.itl_goal_ms); }},
      {"--prompts",
       [&]() -> Status {
         if (value != "ids" && value != "text") {
           return fail(ErrorCode::kInvalid, "--prompts must be ids or text, got {}", value);
         }
         o.text_prompts = value == "text";
         return {};
       }},
  };
  const auto it = flags.find(flag);
  if (it == flags.end()) {
    return fail(ErrorCode::kInvalid, "unknown flag {} (see quire bench serve --help)", flag);
  }
  return it->second();
}

Result<Command> parse_command(const std::vector<std::string>& arguments) {
  Command command;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string flag = arguments[i];
    if (flag == "--help" || flag == "-h") {
      command.help = true;
      return command;
    }
    if (flag == "--json") {
      command.json = true;
      continue;
    }
    std::string value;
    if (const auto equals = flag.find('='); equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag = flag.substr(0, equals);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return fail(ErrorCode::kInvalid, "{} needs a value", flag);
    }
    QUIRE_TRY(set_flag(command, flag, value));
  }
  return command;
}

}  // namespace

int bench_serve_command(const std::vector<std::string>& arguments) {
  const auto command = parse_command(arguments);
  if (!command) {
    std::cerr << "quire bench serve: " << command.error().message << "\n";
    return 2;
  }
  if (command->help) {
    std::cout << kHelp;
    return 0;
  }
  const auto records = run_load(command->options);
  if (!records) {
    std::cerr << "quire bench serve: " << records.error().message << "\n";
    return 1;
  }
  const LoadReport report = make_report(command->options, *records);
  std::cout << (command->json ? report_json(command->options, report) : report_table(report));
  return report.failed == 0 ? 0 : 1;
}

}  // namespace quire::bench
