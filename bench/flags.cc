// Parsing of "--name value" words against a table, and the table's help.
#include "bench/flags.h"

#include <algorithm>
#include <charconv>

#include "base/edit_distance.h"
#include "base/terminal.h"

namespace quire::bench {
namespace {

template <class T>
Status parse_number(const std::string& name, const std::string& text, T min, T& out) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || !(value >= min)) {
    return fail(ErrorCode::kInvalid, "--{} must be a number from {}, got {}", name, min, text);
  }
  out = value;
  return {};
}

template <class T>
auto number_setter(const std::string& name, T min, T& target) {
  return [name, min, &target](const std::string& text) {
    return parse_number(name, text, min, target);
  };
}

}  // namespace

void FlagTable::add(std::string name, std::string help, int& target, int min) {
  help += fmt::format(" [{}]", target);
  flags_.push_back({name, "N", std::move(help), number_setter(name, min, target)});
}

void FlagTable::add(std::string name, std::string help, double& target, double min) {
  help += fmt::format(" [{}]", target);
  flags_.push_back({name, "X", std::move(help), number_setter(name, min, target)});
}

void FlagTable::add(std::string name, std::string help, std::uint64_t& target) {
  help += fmt::format(" [{}]", target);
  flags_.push_back({name, "N", std::move(help), number_setter(name, std::uint64_t{0}, target)});
}

void FlagTable::add(std::string name, std::string help, std::string& target) {
  if (!target.empty()) help += fmt::format(" [{}]", target);
  flags_.push_back(
      {std::move(name), "TEXT", std::move(help), [&target](const std::string& text) -> Status {
         target = text;
         return {};
       }});
}

void FlagTable::add(std::string name, std::string help, bool& target) {
  flags_.push_back({std::move(name), "", std::move(help), [&target](const std::string&) -> Status {
                      target = true;
                      return {};
                    }});
}

void FlagTable::add_choice(std::string name, std::string help, std::vector<std::string> choices,
                           std::function<void(std::size_t)> chosen) {
  const std::string words = fmt::format("{}", fmt::join(choices, "|"));
  auto set = [name, words, choices, chosen](const std::string& text) -> Status {
    const auto at = std::find(choices.begin(), choices.end(), text);
    if (at == choices.end()) {
      return fail(ErrorCode::kInvalid, "--{} must be one of {}, got {}", name, words, text);
    }
    chosen(static_cast<std::size_t>(at - choices.begin()));
    return {};
  };
  help += fmt::format(" [{}]", choices.front());
  flags_.push_back({std::move(name), words, std::move(help), std::move(set)});
}

const FlagTable::Flag* FlagTable::find(std::string_view word) const {
  if (word.substr(0, 2) != "--") return nullptr;
  const std::string_view name = word.substr(2, word.find('=') - 2);
  const auto at = std::find_if(flags_.begin(), flags_.end(),
                               [&](const Flag& flag) { return flag.name == name; });
  return at == flags_.end() ? nullptr : &*at;
}

Result<std::vector<std::string>> FlagTable::parse(const std::vector<std::string>& arguments) const {
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Flag* flag = find(arguments[i]);
    if (flag == nullptr) {
      rest.push_back(arguments[i]);
      continue;
    }
    const std::size_t equals = arguments[i].find('=');
    std::string value;
    if (equals != std::string::npos) {
      if (flag->value.empty()) {
        return fail(ErrorCode::kInvalid, "--{} takes no value, got {}", flag->name, arguments[i]);
      }
      value = arguments[i].substr(equals + 1);
    } else if (!flag->value.empty()) {
      if (++i == arguments.size()) {
        return fail(ErrorCode::kInvalid, "--{} needs a value", flag->name);
      }
      value = arguments[i];
    }
    QUIRE_TRY(flag->set(value));
  }
  return rest;
}

std::string FlagTable::help(int columns) const {
  constexpr int kHelpIndent = 30;
  std::string out;
  for (const Flag& flag : flags_) {
    std::string words = fmt::format("  --{} {}", flag.name, flag.value);
    if (words.back() == ' ') words.pop_back();
    out += wrap_entry(words, flag.help, kHelpIndent, columns);
  }
  return out;
}

std::string FlagTable::refusal(const std::string& word) const {
  if (!word.starts_with('-')) return fmt::format("\"{}\" is one word too many", word);
  const std::string shown = word.substr(0, word.find('='));
  const std::string name = shown.substr(std::min(shown.find_first_not_of('-'), shown.size()));
  std::string best;
  int best_distance = static_cast<int>(name.size()) / 2 + 1;
  for (const Flag& flag : flags_) {
    const int distance = edit_distance(name, flag.name);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = flag.name;
  }
  return fmt::format("unknown flag {}{}", shown,
                     best.empty() ? "" : fmt::format("; did you mean --{}?", best));
}

bool asks_for_help(const std::vector<std::string>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [](const std::string& word) { return word == "--help" || word == "-h"; });
}

}  // namespace quire::bench
