// From a checkpoint folder and a configuration to a running engine.
#include <sched.h>

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "engine/bandwidth.h"
#include "engine/id_tokenizer.h"
#include "engine/memory_plan.h"
#include "engine/precision.h"
#include "engine/threaded_engine.h"
#include "models/load/load.h"

namespace quire::engine {
namespace {

constexpr double kAutoKvShare = 0.3;  // of the memory that is free once the weights are in
constexpr int kNgramMax = 4;

int allowed_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

Status check_range(const char* field, std::int64_t value, std::int64_t min, std::int64_t max) {
  if (value >= min && value <= max) return {};
  return fail_at(field, ErrorCode::kInvalid, "{} must be between {} and {}, got {}", field, min,
                 max, value);
}

Status check(const EngineConfig& config) {
  QUIRE_TRY(check_range("threads", config.threads, 0, 1024));
  QUIRE_TRY(check_range("max_num_seqs", config.max_num_seqs, 1, 4096));
  QUIRE_TRY(check_range("max_num_waiting", config.max_num_waiting, 0, 1'000'000));
  QUIRE_TRY(check_range("max_num_batched_tokens", config.max_num_batched_tokens, 1, 65536));
  QUIRE_TRY(check_range("max_model_len", config.max_model_len, 0, std::int64_t{1} << 31));
  QUIRE_TRY(check_range("max_draft_tokens", config.max_draft_tokens, 0, 64));
  QUIRE_TRY(check_range("max_logprobs", config.max_logprobs, 0, 1'000'000));
  QUIRE_TRY(check_range("block_size", config.block_size, 16, 64));
  if (config.block_size % 16 != 0) {
    return fail_at("block_size", ErrorCode::kInvalid, "block_size must be 16, 32, 48 or 64, got {}",
                   config.block_size);
  }
  if (!(config.step_target_ms > 0 && config.step_target_ms <= 60000)) {
    return fail_at("step_target_ms", ErrorCode::kInvalid,
                   "step_target_ms must be above 0 and at most 60000, got {}",
                   config.step_target_ms);
  }
  if (config.speculation != "none" && config.speculation != "ngram") {
    return fail_at("speculation", ErrorCode::kInvalid, "speculation is 'none' or 'ngram', got '{}'",
                   config.speculation);
  }
  return {};
}

// As users write it.
std::string kv_dtype_name(DType dtype) {
  return dtype == DType::kI8 ? "int8" : std::string(dtype_name(dtype));
}

Result<kernels::Isa> choose_isa(const std::string& name) {
  if (name == "auto") return kernels::best_isa();
  QUIRE_ASSIGN(const kernels::Isa isa, kernels::parse_isa(name));
  if (kernels::isa_supported(isa)) return isa;
  return fail_at("isa", ErrorCode::kUnsupported, "this processor has no {}, its best is {}", name,
                 kernels::isa_name(kernels::best_isa()));
}

int drafts_of(const EngineConfig& config) {
  return config.speculation == "none" ? 0 : config.max_draft_tokens;
}

Result<MemoryPlan> plan_for(const EngineConfig& config, const models::DecoderSpec& spec,
                            const models::ModelOptions& options) {
  const MachineMemory machine = machine_memory();
  MemoryDemand demand;
  demand.groups = models::kv_groups_of(spec, options);
  demand.state_bytes = models::state_bytes_of(spec);
  demand.page_tokens = config.block_size;
  demand.sequences_max = config.max_num_seqs;
  demand.step_tokens_max = config.max_num_batched_tokens;
  demand.drafts_max = drafts_of(config);
  demand.context_wanted = config.max_model_len;
  demand.model_context = spec.positions_max;
  if (config.kv_cache_memory == "auto") {
    demand.budget_bytes =
        static_cast<std::int64_t>(kAutoKvShare * static_cast<double>(machine.available_bytes));
  } else {
    QUIRE_ASSIGN(demand.budget_bytes,
                 parse_memory_size(config.kv_cache_memory, machine.total_bytes));
    if (demand.budget_bytes > machine.available_bytes) {
      return fail_at("kv_cache_memory", ErrorCode::kInvalid,
                     "kv_cache_memory {} is {} bytes, but {} of {} bytes are available: give less, "
                     "or auto",
                     config.kv_cache_memory, demand.budget_bytes, machine.available_bytes,
                     machine.total_bytes);
    }
  }
  if (spec.positions_max > 0 && config.max_model_len > spec.positions_max) {
    return fail_at("max_model_len", ErrorCode::kInvalid,
                   "max_model_len {} is beyond the model's {} positions", config.max_model_len,
                   spec.positions_max);
  }
  return plan_memory(demand);
}

// Pages, states and the scheduler over them.
void make_memory(const EngineConfig& config, const MemoryPlan& plan, EngineParts& parts) {
  const std::span<const models::KvGroup> groups = parts.model->kv_groups();
  cache::CacheConfig cache;
  cache::KvStoreConfig store;
  cache.page_tokens = config.block_size;
  cache.prefix_cache = config.prefix_cache;
  cache.fingerprint = Hasher().add(parts.card.fingerprint).digest();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    cache.groups.push_back({.window = groups[g].window, .page_count = plan.page_counts[g]});
    store.groups.push_back({.page_bytes = groups[g].token_bytes() * config.block_size,
                            .page_count = plan.page_counts[g]});
  }
  cache.state_slots = plan.state_slots;
  store.state_slots = plan.state_slots;
  store.state_bytes = parts.model->state_bytes();
  parts.cache = std::make_unique<cache::CacheManager>(cache);
  parts.store = std::make_unique<cache::KvStore>(store);
  if (config.kv_cache_prefault && !parts.store->populate()) {
    log(LogLevel::kWarning, "the system did not give all of the {} bytes of pages and states",
        parts.store->bytes());
  }

  scheduler::SchedulerConfig scheduler;
  scheduler.sequences_max = config.max_num_seqs;
  scheduler.step_tokens_max = config.max_num_batched_tokens;
  scheduler.waiting_max = config.max_num_seqs + config.max_num_waiting;
  scheduler.waiting_tokens_max = std::numeric_limits<std::int64_t>::max() / 2;  // see submit()
  scheduler.context_max = plan.context_max;
  scheduler.step_target = from_seconds(config.step_target_ms / 1000);
  scheduler.prefill_only_target = std::max(scheduler.step_target, scheduler.prefill_only_target);
  scheduler.drafts_max = drafts_of(config);
  scheduler.debug_preempt_every = config.debug_preempt_every;
  scheduler.debug_chunk_tokens = config.debug_chunk_tokens;
  parts.scheduler = std::make_unique<scheduler::Scheduler>(scheduler, *parts.cache);
}

std::map<std::string, double> defaults_of(const models::GenerationDefaults& defaults) {
  std::map<std::string, double> values;
  const auto put = [&](const char* name, const auto& value) {
    if (value) values[name] = static_cast<double>(*value);
  };
  put("temperature", defaults.temperature);
  put("top_p", defaults.top_p);
  put("min_p", defaults.min_p);
  put("top_k", defaults.top_k);
  put("repetition_penalty", defaults.repetition_penalty);
  if (defaults.do_sample && !*defaults.do_sample) values["temperature"] = 0;
  return values;
}

// What the words of the configuration mean on this machine.
struct Resolved {
  kernels::Isa isa = kernels::Isa::kScalar;
  models::ModelOptions options;
  int threads = 1;
};

Result<Resolved> resolve(const EngineConfig& config) {
  QUIRE_TRY(check(config));
  QUIRE_TRY(check_precision(config));
  Resolved resolved;
  QUIRE_ASSIGN(resolved.isa, choose_isa(config.isa));
  resolved.threads = config.threads > 0 ? config.threads : allowed_processors();
  resolved.options.page_tokens = config.block_size;
  resolved.options.step_tokens_max = config.max_num_batched_tokens;
  resolved.options.isa = resolved.isa;
  return resolved;
}

Result<models::LoadedModel> load(const EngineConfig& config) {
  models::LoadOptions options;
  options.matrix_dtype = choose_precision(config, 0).matrix_dtype;  // whatever the size
  QUIRE_ASSIGN(options.quantization, models::parse_quantization(config.quantization));
  options.allow_unknown_config = config.allow_unknown_config;
  // What is free, within the control group: a load beyond it would end by the kernel's hand.
  options.memory_limit_bytes = static_cast<std::uint64_t>(machine_memory().available_bytes);
  if (config.progress) {
    options.progress = [&](std::uint64_t done, std::uint64_t total) {
      config.progress(total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total));
    };
  }
  return models::load_model(config.model, options);
}

ModelCard make_card(const EngineConfig& config, const Resolved& resolved, const MemoryPlan& plan,
                    const models::LoadedModel& loaded) {
  ModelCard card;
  card.family = loaded.family;
  card.folder = config.model;
  card.context_max = plan.context_max;
  card.vocab = loaded.spec.vocab;
  card.hidden = loaded.spec.hidden;
  card.eos_ids = loaded.eos_ids;
  card.generation_defaults = defaults_of(loaded.defaults);
  card.isa = kernels::isa_name(resolved.isa);
  card.threads = resolved.threads;
  card.weights_dtype = loaded.weights.format_names();
  card.arithmetic = kernels::arithmetic_name(resolved.options.arithmetic);
  card.kv_dtype = kv_dtype_name(resolved.options.kv_dtype);
  card.weight_bytes = static_cast<std::int64_t>(loaded.weights.bytes());
  card.kv_bytes = plan.bytes;
  card.kv_tokens = plan.kv_tokens;
  card.state_slots = plan.state_slots;
  for (const models::KvGroup& group : models::kv_groups_of(loaded.spec, resolved.options)) {
    card.kv_bytes_per_token += group.token_bytes();
  }
  card.block_size = config.block_size;
  card.max_num_seqs = config.max_num_seqs;
  const Hash128 fingerprint = Hasher(loaded.fingerprint)
                                  .add(card.kv_dtype)
                                  .add(card.arithmetic)
                                  .add(static_cast<std::uint64_t>(config.block_size))
                                  .digest();
  card.fingerprint = fmt::format("{:016x}{:016x}", fingerprint.high, fingerprint.low);
  return card;
}

// A folder without tokenizer files serves token ids; a broken file is an error.
Result<std::unique_ptr<text::Tokenizer>> tokenizer_of(const std::string& folder, int vocab) {
  auto tokenizer = text::load_tokenizer(folder);
  if (tokenizer || tokenizer.error().code != ErrorCode::kNotFound) return tokenizer;
  log(LogLevel::kWarning, "{}: prompts must be token ids", tokenizer.error().message);
  return make_id_tokenizer(vocab);
}

void log_context(const EngineConfig& config, const MemoryPlan& plan, std::int64_t positions) {
  if (config.max_model_len > 0 || plan.context_max >= positions) return;
  log(LogLevel::kWarning,
      "the context is {} of the model's {} tokens: kv_cache_memory of {} bytes holds no more",
      plan.context_max, positions, plan.bytes);
}

}  // namespace

Result<std::unique_ptr<Engine>> create_engine(const EngineConfig& config) {
  QUIRE_ASSIGN(Resolved resolved, resolve(config));
  QUIRE_ASSIGN(models::LoadedModel loaded, load(config));
  const Precision precision = choose_precision(config, models::parameter_count(loaded.spec));
  resolved.options.arithmetic = precision.arithmetic;
  resolved.options.kv_dtype = precision.kv_dtype;
  EngineParts parts;
  QUIRE_ASSIGN(parts.tokenizer, tokenizer_of(config.model, loaded.spec.vocab));
  QUIRE_ASSIGN(const MemoryPlan plan, plan_for(config, loaded.spec, resolved.options));
  resolved.options.context_max = plan.context_max;
  log_context(config, plan, loaded.spec.positions_max);
  parts.card = make_card(config, resolved, plan, loaded);

  parts.model = std::make_unique<models::Model>(std::move(loaded.spec), std::move(loaded.weights),
                                                resolved.options);
  parts.runner = std::make_unique<LoadedRunner>(*parts.model, resolved.threads);
  parts.card.read_bytes_per_second = measure_read_bandwidth(*parts.runner);
  parts.clock = std::make_unique<SteadyClock>();
  parts.kernels = &kernels::kernels(resolved.isa);
  make_memory(config, plan, parts);
  if (drafts_of(config) > 0) {
    parts.drafters.push_back(make_predicted_drafter(kNgramMax));
    parts.drafters.push_back(make_prompt_lookup_drafter(kNgramMax));
  }

  ThreadedEngineConfig threaded;
  threaded.limits.vocab = parts.card.vocab;
  threaded.limits.logprobs_max = config.max_logprobs;
  threaded.context_max = plan.context_max;
  threaded.choices_max = config.max_num_seqs + config.max_num_waiting;
  threaded.prompt_tokens_max = config.max_waiting_tokens;
  StepLoopConfig loop;
  loop.draft_tokens_max = drafts_of(config);
  loop.invariant_check_every = config.invariant_check_every;
  return make_threaded_engine(threaded, loop, std::move(parts));
}

}  // namespace quire::engine
