// Every setting of the server, described once: flags, environment, --help, validation and /props
// come from the table in settings_table.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/config.h"
#include "server/flags.h"
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
  bool trust_request_chat_template = false;
  bool receipts = false;
  int parallel_size = 1;  // accepted for the scripts that name it; nothing else is possible
  std::string log_level = "info";
  std::string log_format = "text";
};

// A row of the table; its place takes a Settings*.
using SettingSpec = FlagSpec;

std::span<const SettingSpec> setting_specs();

struct ParsedSettings {
  Settings settings;
  std::vector<std::string> errors;  // all of them, each one names the flag, the value and the limit
  std::vector<std::string> warnings;
  bool help = false;
};

// Rows of the table by group, in the order of the groups (words); empty: all rows.
std::vector<const FlagSpec*> setting_rows(std::string_view groups = {});

// What only all settings together can get wrong; the errors name the flags.
std::vector<std::string> check_settings(const Settings& settings);

// Flags, environment and config file of `serve` (see parse_flags). A lone word is the model.
ParsedSettings parse_settings(std::span<const std::string> arguments,
                              std::span<const std::string> environment);

// Name and value of every setting, for the banner and /props.
std::vector<std::pair<std::string, std::string>> list_settings(const Settings& settings);

}  // namespace quire::server
