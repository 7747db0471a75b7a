// Tables of flags: a row describes one flag, and parsing, environment, config file, --help, the man
// page and completions come from the rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace quire::server {

// Where a flag's value lies.
// A list's entries add up, from the environment and from every time its flag is given.
using FlagPlace =
    std::variant<std::string*, int*, std::int64_t*, double*, bool*, std::vector<std::string>*>;

struct FlagSpec {
  std::string_view name;     // "max-num-seqs": --max-num-seqs, QUIRE_MAX_NUM_SEQS
  std::string_view aliases;  // further names, separated by spaces; one or two letters: -t, -np
  std::string_view group;
  std::string_view value;  // how --help calls the value; empty for switches
  std::string_view help;
  double min = 0, max = 0;  // numbers; equal and not zero: the only value there is, `help` says why
  // Texts: the allowed ones, separated by spaces; "f32|float32" takes float32 as f32.
  std::string_view choices = {};
  FlagPlace (*place)(void* target) = nullptr;
  bool secret = false;  // never shown
};

// Rows and the object that their values go to.
struct FlagTable {
  std::vector<const FlagSpec*> specs;
  void* target = nullptr;
};

// The row's value as text; empty for what is not set.
std::string flag_value(const FlagSpec& spec, void* target);
// "--max-num-seqs", "-np".
std::string flag_text(std::string_view name);
// "QUIRE_MAX_NUM_SEQS".
std::string environment_name(std::string_view name);
// The names of a row: its own, then its aliases.
std::vector<std::string_view> names_of(const FlagSpec& spec);
inline bool is_switch(const FlagSpec& spec) { return spec.value.empty(); }
// The allowed words, without their other spellings.
std::vector<std::string_view> choices_of(const FlagSpec& spec);
// "one of a, b", "1 to 64" or empty: what a value may be.
std::string range_text(const FlagSpec& spec);
std::vector<std::string_view> split_words(std::string_view text);

struct FlagInput {
  std::span<const std::string> arguments;
  std::span<const std::string> environment;  // "NAME=value"
  // Variables that are flags of other commands: no reason to warn.
  std::span<const std::string_view> other_names = {};
};

struct ParsedFlags {
  std::vector<std::string> errors;  // all of them, each one names the flag, the value and the limit
  std::vector<std::string> warnings;
  std::vector<std::string> words;  // what is no flag, in order
  bool help = false;
};

// Precedence: flags, then environment, then the config file (--config FILE or QUIRE_CONFIG), then
// what the targets hold. Behind "--" everything is a word.
ParsedFlags parse_flags(std::span<const FlagTable> tables, const FlagInput& input);

// The pairs of a config file: a JSON object, or lines "key: value" as in YAML (comments, quotes and
// "- item" lists included; nothing nested). Keys are flags' names; lists give several pairs.
using ConfigPairs = std::vector<std::pair<std::string, std::string>>;
Result<ConfigPairs> parse_config_text(std::string_view text);

}  // namespace quire::server
