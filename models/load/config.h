// A checked view of config.json that remembers which keys were read, so that no key is ever
// silently ignored.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "models/load/json.h"

namespace quire::models {

// Both ends included. NaN is in no range.
struct NumberRange {
  double min, max;
};

// What a missing size means where a family's published configs leave it out.
struct KeyDefault {
  std::string_view key;
  std::int64_t value;
};

// A view of one object of the file; copies share the file and its record of keys and faults.
//
// Reading never fails at once: a missing or wrong value is recorded with the name of its key, the
// reader gets the smallest allowed value, and finish() reports all faults together. So a family
// reads a config as if it were right. A key with the value null counts as absent.
class Config {
 public:
  static constexpr int kSizeMax = 1 << 24;
  static constexpr int kLayersMax = 4096;
  static constexpr std::int64_t kTokensMax = std::int64_t{1} << 40;

  // The root must be an object. Bare Infinity and NaN are numbers here, and so are objects like
  // {"__float__": "Infinity"}.
  static Result<Config> parse(std::string_view text);

  bool present() const { return object_ != nullptr; }  // false for object() of an absent key
  bool has(std::string_view key) const;                // present and not null
  bool is_null(std::string_view key) const;            // present and null
  bool is_object(std::string_view key) const;
  bool is_bool(std::string_view key) const;
  std::vector<std::string> keys() const;  // in the order of the file; reads none of them
  // The same view, in which required integers that are missing have these values. `defaults` must
  // outlive the view.
  Config with_defaults(std::span<const KeyDefault> defaults) const;

  int size(std::string_view key) const;  // 1 to kSizeMax
  int size(std::string_view key, int fallback) const;
  int count(std::string_view key, int fallback) const;  // 0 to kSizeMax
  int layers(std::string_view key) const;               // 1 to kLayersMax
  std::int64_t tokens(std::string_view key) const;      // 1 to kTokensMax
  std::int64_t tokens(std::string_view key, std::int64_t fallback) const;
  double number(std::string_view key, NumberRange range) const;
  double number(std::string_view key, NumberRange range, double fallback) const;
  bool flag(std::string_view key, bool fallback) const;
  std::string word(std::string_view key, std::string_view fallback) const;
  // Absent: empty.
  std::vector<std::string> words(std::string_view key) const;
  std::vector<double> numbers(std::string_view key, NumberRange range) const;
  std::vector<int> counts(std::string_view key) const;
  // A nested object; its keys are then checked like the root's.
  Config object(std::string_view key) const;
  Config none() const { return Config(state_, nullptr); }  // as object() of an absent key
  // An integer or a list of integers; absent: empty.
  std::vector<std::int64_t> ids(std::string_view key) const;

  // For keys that a family knows to have no effect on the forward pass.
  void ignore(std::string_view key) const;
  // Records a fault of `key` unless `good`.
  template <class... Args>
  void require(bool good, std::string_view key, fmt::format_string<Args...> format,
               Args&&... args) const {
    if (!good) fault(key, fmt::format(format, std::forward<Args>(args)...));
  }
  // A width that follows from several keys; above kSizeMax it is a fault of `key`, and 1.
  int width(std::string_view key, std::int64_t product) const;
  // Records that the key's value is known but not supported here.
  void unsupported(std::string_view key, std::string_view why) const;

  bool good() const { return state_->faults.empty(); }
  // The recorded faults; else the keys that nobody read and that are not known to be harmless.
  Status finish(bool allow_unknown) const;
  // Like finish(), but returns the unread keys instead of refusing them.
  std::vector<std::string> unread_keys() const;

 private:
  struct Object {
    const Json* json;
    std::string path;  // "" or "rope_scaling."
    std::set<std::string, std::less<>> read;
  };
  struct State {
    Json root;
    std::vector<std::unique_ptr<Object>> objects;
    std::vector<std::string> faults;
    bool unsupported = false;  // every fault so far is one of support
  };

  Config(std::shared_ptr<State> state, Object* object)
      : state_(std::move(state)), object_(object) {}

  // The value, marked as read; null when absent or null.
  const Json* get(std::string_view key) const;
  const Json* need(std::string_view key) const;  // records a fault when absent
  std::string path(std::string_view key) const;
  void fault(std::string_view key, std::string message) const;
  void add_fault(std::string message, bool unsupported) const;
  std::int64_t integer(const Json* value, std::string_view key, std::int64_t min,
                       std::int64_t max) const;
  std::int64_t need_integer(std::string_view key, std::int64_t min, std::int64_t max) const;
  // The value when it is a list.
  const Json* list(std::string_view key) const;

  std::shared_ptr<State> state_;
  Object* object_;
  std::span<const KeyDefault> defaults_;
};

}  // namespace quire::models
