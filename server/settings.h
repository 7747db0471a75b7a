// Every setting of the server, described once: flags, environment, --help, validation and /props
// come from the table in settings.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "engine/config.h"
#include "server/http_types.h"

namespace quire::server {

struct Settings {
  engine::EngineConfig engine;
  HttpLimits http;
  std::string host = "127.0.0.1";
  int port = 8000;
  std::string uds;  // path of a Unix socket, instead of host and port
  std::string ssl_certfile, ssl_keyfile;
  std::vector<std::string> api_keys;
  std::string api_key_file;
  std::vector<std::string> allowed_origins;
  std::vector<std::string> allowed_hosts;
  std::string served_model_name;  // several, separated by commas; empty: the folder's name
  std::string tool_call_parser = "auto";
  std::string reasoning_parser = "auto";
  std::string task = "auto";     // auto, generate, embed, rerank
  std::string pooling = "auto";  // auto, last, mean, cls
  int io_threads = 2;
  int max_connections = 4096;
  std::int64_t max_body_bytes = 8 << 20;
  double drain_timeout_s = 30;
  double request_timeout_s = 600;
  double header_timeout_s = 10;
  double idle_timeout_s = 75;
  double stall_timeout_s = 30;
  double heartbeat_s = 15;
  double watchdog_s = 60;
  bool strict_fields = false;
  bool receipts = false;
  std::string log_level = "info";
  std::string log_format = "text";
};

// Where a setting's value lies.
// A list's entries add up, from the environment and from every time its flag is given.
using SettingPlace =
    std::variant<std::string*, int*, std::int64_t*, double*, bool*, std::vector<std::string>*>;

struct SettingSpec {
  std::string_view name;     // "max-num-seqs": --max-num-seqs, QUIRE_MAX_NUM_SEQS
  std::string_view aliases;  // further names, separated by spaces; one letter: -t
  std::string_view group;
  std::string_view value;  // how --help calls the value; empty for switches
  std::string_view help;
  double min = 0, max = 0;        // numbers
  std::string_view choices = {};  // texts: the allowed ones, separated by spaces
  SettingPlace (*place)(Settings&) = nullptr;
  bool secret = false;  // never shown
};

std::span<const SettingSpec> setting_specs();

struct ParsedSettings {
  Settings settings;
  std::vector<std::string> errors;  // all of them, each one names the flag, the value and the limit
  std::vector<std::string> warnings;
  bool help = false;
};

// Precedence: flags, then environment ("NAME=value" entries), then defaults. A lone word is the
// model's folder.
ParsedSettings parse_settings(std::span<const std::string> arguments,
                              std::span<const std::string> environment);

// The text of `quire serve --help`.
std::string settings_help();

// Name and value of every setting, for the banner and /props.
std::vector<std::pair<std::string, std::string>> list_settings(const Settings& settings);

}  // namespace quire::server
