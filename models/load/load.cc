// The order of loading: config, family, checkpoint, binding, memory plan, packing.
#include "models/load/load.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "base/log.h"
#include "models/load/bind.h"
#include "models/load/config.h"
#include "models/load/pack.h"
#include "models/registry.h"

namespace quire::models {
namespace {

constexpr std::uint64_t kConfigBytesMax = 8u << 20;

tl::unexpected<Error> in_file(const std::filesystem::path& path, Error error) {
  error.message = fmt::format("{}: {}", path.string(), error.message);
  error.param = path.string();
  return tl::unexpected<Error>(std::move(error));
}

Status check_eos(const std::vector<std::int64_t>& ids, int vocab) {
  for (const std::int64_t id : ids) {
    if (id >= vocab) {
      return fail(ErrorCode::kInvalid, "eos_token_id {} is not below vocab_size {}", id, vocab);
    }
  }
  return {};
}

// Weight shapes whose products would leave the range of the arithmetic behind them.
Status check_sizes(const DecoderSpec& spec) {
  constexpr std::int64_t kWidthMax = std::int64_t{1} << 30;
  for (std::size_t layer = 0; layer < spec.layers.size(); ++layer) {
    for (const SlotNeed& need : slot_needs(spec, static_cast<int>(layer))) {
      if (need.rows > kWidthMax || need.cols > kWidthMax) {
        return fail(ErrorCode::kInvalid, "layer {} {}: {} x {} exceeds {}", layer,
                    slot_name(need.slot), need.rows, need.cols, kWidthMax);
      }
    }
  }
  return {};
}

struct GenerationConfig {
  GenerationDefaults defaults;
  std::vector<std::int64_t> eos_ids;
};

// Keys that do not apply here are named in the log; they would change what Transformers generates.
Result<GenerationConfig> parse_generation_config(const std::string& text) {
  QUIRE_ASSIGN(const Config config, Config::parse(text));
  GenerationConfig out;
  const auto number = [&](std::string_view key, NumberRange range) {
    return config.has(key) ? std::optional(config.number(key, range)) : std::nullopt;
  };
  if (config.has("do_sample")) out.defaults.do_sample = config.flag("do_sample", false);
  out.defaults.temperature = number("temperature", {0, 100});
  out.defaults.top_p = number("top_p", {0, 1});
  out.defaults.min_p = number("min_p", {0, 1});
  out.defaults.repetition_penalty = number("repetition_penalty", {1e-3, 1e3});
  if (config.has("top_k")) out.defaults.top_k = config.count("top_k", 0);
  out.eos_ids = config.ids("eos_token_id");
  for (const char* key : {"max_new_tokens", "cache_implementation", "num_return_sequences"}) {
    config.ignore(key);  // requests say how much and how often
  }
  QUIRE_TRY(config.finish(true));
  for (const std::string& key : config.unread_keys()) {
    log(LogLevel::kWarning, "generation_config.json: {} is not applied", key);
  }
  return out;
}

Result<GenerationConfig> read_generation_config(const std::filesystem::path& folder) {
  const auto path = folder / "generation_config.json";
  const Result<std::string> text = read_text_file(path, kConfigBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return GenerationConfig{};
  if (!text) return tl::unexpected<Error>(text.error());
  Result<GenerationConfig> parsed = parse_generation_config(*text);
  if (!parsed) return in_file(path, parsed.error());
  return parsed;
}

std::uint64_t machine_memory_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
}

Status plan_memory(const BoundCheckpoint& bound, std::span<const kernels::PackedFormat> formats,
                   std::uint64_t limit_bytes, WeightBuilder& builder) {
  for (std::size_t i = 0; i < bound.needs.size(); ++i) {
    builder.declare(bound.layers[i], bound.needs[i], formats[i]);
  }
  const std::uint64_t limit = limit_bytes != 0 ? limit_bytes : machine_memory_bytes();
  if (builder.bytes() > limit) {
    return fail(ErrorCode::kInvalid,
                "the weights need {} bytes of memory, the limit is {}: a smaller model fits, or "
                "fewer bits (--quantization int8 or int4, quire quantize)",
                builder.bytes(), limit);
  }
  return {};
}

Hash128 fingerprint_of(const std::string& config, const Checkpoint& checkpoint, Hash128 content,
                       std::span<const kernels::PackedFormat> formats) {
  Hasher hasher;
  for (const kernels::PackedFormat& format : formats) {
    hasher.add(static_cast<std::uint64_t>(format.kind))
        .add(static_cast<std::uint64_t>(format.group));
    hasher.add(static_cast<std::uint64_t>(format.scale_dtype));
  }
  hasher.add(config);
  std::map<std::string_view, const TensorInfo*> sorted;  // the same for any split into shards
  for (const Checkpoint::Tensor& tensor : checkpoint.tensors()) {
    sorted.emplace(tensor.info.name, &tensor.info);
  }
  for (const auto& [name, info] : sorted) {
    hasher.add(name).add(info->dtype_word).add(info->shape.size());
    for (const std::int64_t dim : info->shape) hasher.add(static_cast<std::uint64_t>(dim));
  }
  return hasher.add(content.high).add(content.low).digest();
}

}  // namespace

Result<ParsedConfig> parse_model_config(const std::string& text, bool allow_unknown) {
  QUIRE_ASSIGN(const Config config, Config::parse(text));
  ParsedConfig parsed;
  QUIRE_ASSIGN(parsed.family, find_family(config));
  QUIRE_ASSIGN(parsed.quantization, read_quantization(config));
  parsed.spec = parsed.family->parse(config);
  parsed.eos_ids = config.ids("eos_token_id");
  if (parsed.eos_ids.empty() && config.has("text_config")) {
    parsed.eos_ids = config.object("text_config").ids("eos_token_id");
  }
  QUIRE_TRY(config.finish(allow_unknown));
  QUIRE_TRY(check_eos(parsed.eos_ids, parsed.spec.vocab));
  QUIRE_TRY(check_sizes(parsed.spec));
  if (allow_unknown) {
    for (const std::string& key : config.unread_keys()) {
      log(LogLevel::kWarning, "config.json: the unknown key {} is ignored", key);
    }
  }
  return parsed;
}

Result<LoadedModel> load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  const auto config_path = folder / "config.json";
  QUIRE_ASSIGN(const std::string config_text, read_text_file(config_path, kConfigBytesMax));
  Result<ParsedConfig> parsed = parse_model_config(config_text, options.allow_unknown_config);
  if (!parsed) return in_file(config_path, parsed.error());
  QUIRE_ASSIGN(const GenerationConfig generation, read_generation_config(folder));

  LoadedModel model;
  model.family = parsed->family->name;
  model.spec = std::move(parsed->spec);
  model.defaults = generation.defaults;
  const auto& eos = generation.eos_ids.empty() ? parsed->eos_ids : generation.eos_ids;
  if (const Status good = check_eos(eos, model.spec.vocab); !good) {
    return in_file(folder / "generation_config.json", good.error());
  }
  model.eos_ids.assign(eos.begin(), eos.end());
  std::sort(model.eos_ids.begin(), model.eos_ids.end());

  QUIRE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(folder));
  Result<BoundCheckpoint> bound =
      bind_checkpoint(*parsed->family, checkpoint, parsed->quantization, model.spec);
  if (!bound) return in_file(folder, bound.error());
  for (const std::string& note : bound->notes)
    log(LogLevel::kInfo, "{}: {}", folder.string(), note);
  for (const auto& tensor : checkpoint.tensors()) model.file_bytes += tensor.info.bytes;

  const auto formats = choose_formats(*bound, {options.matrix_dtype, options.quantization});
  if (!formats) {
    return formats.error().param.empty() ? in_file(folder, formats.error())
                                         : tl::unexpected<Error>(formats.error());
  }
  WeightBuilder builder;
  QUIRE_TRY(plan_memory(*bound, *formats, options.memory_limit_bytes, builder));
  builder.allocate();
  QUIRE_ASSIGN(const Hash128 content, pack_weights(checkpoint, *bound, builder, options.progress));
  model.fingerprint = fingerprint_of(config_text, checkpoint, content, *formats);
  model.weights = builder.finish();
  return model;
}

}  // namespace quire::models
