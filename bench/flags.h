// The flags of a bench command: each is described once, for parsing and for --help.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::bench {

// The targets must outlive the table; what they hold when they are added is the default shown.
class FlagTable {
 public:
  // Names without dashes; min is the least value allowed.
  void add(std::string name, std::string help, int& target, int min);
  void add(std::string name, std::string help, double& target, double min);
  void add(std::string name, std::string help, std::uint64_t& target);
  void add(std::string name, std::string help, std::string& target);
  // A switch: the flag alone means true.
  void add(std::string name, std::string help, bool& target);
  // One of `choices`; chosen(i) is called with its position.
  void add_choice(std::string name, std::string help, std::vector<std::string> choices,
                  std::function<void(std::size_t)> chosen);

  // Sets the targets from "--name value" and "--name=value". Returns the words that are no flag of
  // this table, in order. The error names the flag, the value and the limit.
  Result<std::vector<std::string>> parse(const std::vector<std::string>& arguments) const;

  // An entry for each flag, in lines of at most `columns`.
  std::string help(int columns) const;

  // "unknown flag --urll; did you mean --url?", or what is wrong with a word that is no flag.
  std::string refusal(const std::string& word) const;

 private:
  struct Flag {
    std::string name, value, help;  // value: how --help calls it, empty for switches
    std::function<Status(const std::string&)> set;
  };
  const Flag* find(std::string_view word) const;

  std::vector<Flag> flags_;
};

// Whether --help or -h is among the words.
bool asks_for_help(const std::vector<std::string>& arguments);

}  // namespace quire::bench
