// Reading, recording and the list of keys without influence on a forward pass.
#include "models/load/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace quire::models {
namespace {

constexpr std::size_t kListMax = 65'536;

// Keys that never change what a decoder computes: names, versions, training and generation
// settings, and ids that the tokenizer and generation_config.json decide.
constexpr std::array kHarmlessKeys = std::to_array<std::string_view>({
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_from_model_config",
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "auto_map",
    "bos_token_id",
    "bos_token_ids",
    "cache_implementation",
    "chunk_size_feed_forward",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "label2id",
    "max_length",
    "model_type",
    "name_or_path",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "pad_token_id",
    "pretraining_tp",
    "problem_type",
    "resid_pdrop",
    "return_dict",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "sep_token_id",
    "tie_word_embeddings",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
});

bool is_harmless(std::string_view key) {
  return std::find(kHarmlessKeys.begin(), kHarmlessKeys.end(), key) != kHarmlessKeys.end();
}

// Transformers 5 writes what JSON cannot say as {"__float__": "Infinity"}.
void unwrap_floats(Json& value) {
  if (!value.is_structured()) return;
  const Json* wrapped = value.size() == 1 ? find_member(value, "__float__") : nullptr;
  if (wrapped != nullptr && wrapped->is_string()) {
    const auto& word = wrapped->get_ref<const std::string&>();
    if (word == "Infinity")
      value = std::numeric_limits<double>::infinity();
    else if (word == "-Infinity")
      value = -std::numeric_limits<double>::infinity();
    else if (word == "NaN")
      value = std::nan("");
    return;
  }
  for (Json& child : value) unwrap_floats(child);  // at most JsonLimits::depth deep
}

}  // namespace

Result<Config> Config::parse(std::string_view text) {
  QUIRE_ASSIGN(Json root, parse_json(text, {.allow_non_finite = true}));
  if (!root.is_object()) {
    return fail(ErrorCode::kInvalid, "must be an object, got {}", root.type_name());
  }
  unwrap_floats(root);
  auto state = std::make_shared<State>();
  state->root = std::move(root);
  state->objects.push_back(std::make_unique<Object>(Object{&state->root, "", {}}));
  Object* object = state->objects.back().get();
  return Config(std::move(state), object);
}

const Json* Config::get(std::string_view key) const {
  if (!present()) return nullptr;
  const Json* value = find_member(*object_->json, key);
  if (value == nullptr) return nullptr;
  object_->read.emplace(key);
  return value->is_null() ? nullptr : value;
}

const Json* Config::need(std::string_view key) const {
  const Json* value = get(key);
  if (value == nullptr) {
    const bool is_null = present() && find_member(*object_->json, key) != nullptr;
    fault(key, is_null ? "must not be null" : "is missing");
  }
  return value;
}

std::string Config::path(std::string_view key) const {
  return fmt::format("{}{}", present() ? object_->path : "", key);
}

void Config::fault(std::string_view key, std::string message) const {
  add_fault(fmt::format("{} {}", path(key), message), false);
}

int Config::width(std::string_view key, std::int64_t product) const {
  if (product <= kSizeMax) return static_cast<int>(product);
  fault(key, fmt::format("makes a width of {}, more than {}", product, kSizeMax));
  return 1;
}

void Config::unsupported(std::string_view key, std::string_view why) const {
  add_fault(fmt::format("{}: {}", path(key), why), true);
}

void Config::add_fault(std::string message, bool unsupported) const {
  auto& faults = state_->faults;
  state_->unsupported = unsupported && (faults.empty() || state_->unsupported);
  if (std::find(faults.begin(), faults.end(), message) == faults.end()) {
    faults.push_back(std::move(message));
  }
}

bool Config::has(std::string_view key) const {
  if (!present()) return false;
  const Json* value = find_member(*object_->json, key);
  return value != nullptr && !value->is_null();
}

bool Config::is_null(std::string_view key) const {
  const Json* value = present() ? find_member(*object_->json, key) : nullptr;
  return value != nullptr && value->is_null();
}

bool Config::is_object(std::string_view key) const {
  const Json* value = present() ? find_member(*object_->json, key) : nullptr;
  return value != nullptr && value->is_object();
}

bool Config::is_bool(std::string_view key) const {
  const Json* value = present() ? find_member(*object_->json, key) : nullptr;
  return value != nullptr && value->is_boolean();
}

std::vector<std::string> Config::keys() const {
  std::vector<std::string> keys;
  if (!present()) return keys;
  for (const auto& [key, value] : object_->json->items()) keys.push_back(key);
  return keys;
}

Config Config::with_defaults(std::span<const KeyDefault> defaults) const {
  Config view = *this;
  view.defaults_ = defaults;
  return view;
}

std::int64_t Config::integer(const Json* value, std::string_view key, std::int64_t min,
                             std::int64_t max) const {
  if (value == nullptr) return min;
  const Result<std::int64_t> number = json_integer(*value, path(key), min, max);
  if (number) return *number;
  add_fault(number.error().message, false);
  return min;
}

std::int64_t Config::need_integer(std::string_view key, std::int64_t min, std::int64_t max) const {
  const auto at = std::find_if(defaults_.begin(), defaults_.end(),
                               [&](const KeyDefault& known) { return known.key == key; });
  if (at != defaults_.end() && !has(key)) return at->value;
  return integer(need(key), key, min, max);
}

int Config::size(std::string_view key) const {
  return static_cast<int>(need_integer(key, 1, kSizeMax));
}
int Config::size(std::string_view key, int fallback) const {
  return has(key) ? size(key) : fallback;
}
int Config::count(std::string_view key, int fallback) const {
  const Json* value = get(key);
  return value == nullptr ? fallback : static_cast<int>(integer(value, key, 0, kSizeMax));
}
int Config::layers(std::string_view key) const {
  return static_cast<int>(need_integer(key, 1, kLayersMax));
}
std::int64_t Config::tokens(std::string_view key) const { return need_integer(key, 1, kTokensMax); }
std::int64_t Config::tokens(std::string_view key, std::int64_t fallback) const {
  return has(key) ? tokens(key) : fallback;
}

double Config::number(std::string_view key, NumberRange range) const {
  const Json* value = need(key);
  if (value == nullptr) return range.min;
  const Result<double> number = json_number(*value, path(key), range.min, range.max);
  if (number) return *number;
  add_fault(number.error().message, false);
  return range.min;
}
double Config::number(std::string_view key, NumberRange range, double fallback) const {
  return has(key) ? number(key, range) : fallback;
}

bool Config::flag(std::string_view key, bool fallback) const {
  const Json* value = get(key);
  if (value == nullptr) return fallback;
  const Result<bool> flag = json_bool(*value, path(key));
  if (flag) return *flag;
  add_fault(flag.error().message, false);
  return fallback;
}

std::string Config::word(std::string_view key, std::string_view fallback) const {
  const Json* value = get(key);
  if (value == nullptr) return std::string(fallback);
  const Result<std::string> word = json_string(*value, path(key));
  if (word) return *word;
  add_fault(word.error().message, false);
  return std::string(fallback);
}

const Json* Config::list(std::string_view key) const {
  const Json* value = get(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    fault(key, fmt::format("must be a list, got {}", value->type_name()));
    return nullptr;
  }
  if (value->size() > kListMax) {
    fault(key, fmt::format("has {} elements, more than {}", value->size(), kListMax));
    return nullptr;
  }
  return value;
}

std::vector<std::string> Config::words(std::string_view key) const {
  std::vector<std::string> out;
  const Json* values = list(key);
  for (std::size_t i = 0; values != nullptr && i < values->size(); ++i) {
    const auto word = json_string((*values)[i], fmt::format("{}[{}]", path(key), i));
    if (!word) add_fault(word.error().message, false);
    out.push_back(word.value_or(""));
  }
  return out;
}

std::vector<double> Config::numbers(std::string_view key, NumberRange range) const {
  std::vector<double> out;
  const Json* values = list(key);
  for (std::size_t i = 0; values != nullptr && i < values->size(); ++i) {
    const auto number =
        json_number((*values)[i], fmt::format("{}[{}]", path(key), i), range.min, range.max);
    if (!number) add_fault(number.error().message, false);
    out.push_back(number.value_or(range.min));
  }
  return out;
}

std::vector<int> Config::counts(std::string_view key) const {
  std::vector<int> out;
  const Json* values = list(key);
  for (std::size_t i = 0; values != nullptr && i < values->size(); ++i) {
    out.push_back(
        static_cast<int>(integer(&(*values)[i], fmt::format("{}[{}]", key, i), 0, kSizeMax)));
  }
  return out;
}

std::vector<std::int64_t> Config::ids(std::string_view key) const {
  const Json* value = get(key);
  std::vector<std::int64_t> out;
  if (value == nullptr) return out;
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  if (!value->is_array()) {
    out.push_back(integer(value, key, 0, kMax));
    return out;
  }
  const Json* values = list(key);
  for (std::size_t i = 0; values != nullptr && i < values->size(); ++i) {
    out.push_back(integer(&(*values)[i], fmt::format("{}[{}]", key, i), 0, kMax));
  }
  return out;
}

Config Config::object(std::string_view key) const {
  const Json* value = get(key);
  if (value == nullptr) return Config(state_, nullptr);
  if (!value->is_object()) {
    fault(key, fmt::format("must be an object, got {}", value->type_name()));
    return Config(state_, nullptr);
  }
  for (const auto& known : state_->objects) {
    if (known->json == value) return Config(state_, known.get());
  }
  state_->objects.push_back(std::make_unique<Object>(Object{value, path(key) + ".", {}}));
  return Config(state_, state_->objects.back().get());
}

void Config::ignore(std::string_view key) const { (void)get(key); }

std::vector<std::string> Config::unread_keys() const {
  std::vector<std::string> unread;
  for (const auto& object : state_->objects) {
    for (const auto& [key, value] : object->json->items()) {
      if (!value.is_null() && !object->read.contains(key) && !is_harmless(key)) {
        unread.push_back(object->path + key);
      }
    }
  }
  return unread;
}

Status Config::finish(bool allow_unknown) const {
  static constexpr std::size_t kShown = 8;
  const auto joined = [](const std::vector<std::string>& all, std::string_view separator) {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(all.size(), kShown); ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : separator, all[i]);
    }
    if (all.size() > kShown) text += fmt::format("{}and {} more", separator, all.size() - kShown);
    return text;
  };
  if (!good()) {
    const auto code = state_->unsupported ? ErrorCode::kUnsupported : ErrorCode::kInvalid;
    return fail(code, "{}", joined(state_->faults, "; "));
  }
  if (allow_unknown) return {};
  const std::vector<std::string> unread = unread_keys();
  if (unread.empty()) return {};
  return fail(ErrorCode::kUnsupported,
              "unknown keys that may change the output: {} (--allow-unknown-config ignores them)",
              joined(unread, ", "));
}

}  // namespace quire::models
