// The loader's own steps, without the weights: parse, open, bind, choose formats, plan memory.
#include "cli/survey.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "cli/survey_layers.h"
#include "engine/memory_plan.h"
#include "engine/precision.h"
#include "models/load/bind.h"
#include "models/load/file.h"
#include "models/load/formats.h"
#include "models/load/load.h"
#include "models/registry.h"
#include "models/text/chat_template.h"
#include "models/text/tokenizer.h"

namespace quire::cli {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kConfigBytesMax = 16 << 20;
constexpr double kAutoKvShare = 0.3;  // as the engine takes it for kv_cache_memory "auto"

class Surveyor {
 public:
  Surveyor(const std::string& folder, const server::Settings& settings, Survey& out)
      : folder_(folder), config_(settings.engine), out_(out) {}

  void run() {
    look_at_texts();
    const auto text = models::read_text_file(folder_ / "config.json", kConfigBytesMax);
    if (!text) return problem(text.error().message);
    if (const auto json = parse_json(*text, {.allow_non_finite = true})) {
      const Json* type = find_member(*json, "model_type");
      if (type != nullptr && type->is_string()) out_.model_type = type->get<std::string>();
    }
    auto parsed = models::parse_model_config(*text, config_.allow_unknown_config);
    if (!parsed) {
      problem(fmt::format("config.json: {}", parsed.error().message));
    } else {
      take_config(*parsed);
    }
    const auto checkpoint = models::Checkpoint::open(folder_);
    if (!checkpoint) return problem(checkpoint.error().message);
    list_tensors(*checkpoint);
    if (!parsed) return;
    std::vector<Error> faults;
    auto bound = models::bind_checkpoint(*parsed->family, *checkpoint, parsed->quantization,
                                         out_.spec, &faults);
    for (const Error& fault : faults) problem(fault.message);
    if (!bound) return;
    out_.notes = bound->notes;
    mark_claimed(*bound, *checkpoint);
    take_formats(*bound);
    if (out_.weight_bytes > 0) plan();
  }

 private:
  void problem(std::string text) { out_.problems.push_back(std::move(text)); }

  void look_at_texts() {
    const auto tokenizer = text::load_tokenizer(folder_.string());
    out_.has_tokenizer = tokenizer.has_value();
    if (!tokenizer && tokenizer.error().code == ErrorCode::kNotFound) {
      out_.notes.push_back("no tokenizer: prompts must be token ids");
    } else if (!tokenizer) {
      problem(tokenizer.error().message);
    }
    const auto templates = text::load_chat_templates(folder_.string());
    out_.has_template = templates && !templates->by_name.empty();
    if (!templates) problem(templates.error().message);
  }

  void take_config(models::ParsedConfig& parsed) {
    out_.has_config = true;
    out_.family = parsed.family->name;
    out_.spec = parsed.spec;
    out_.parameters = models::parameter_count(parsed.spec);
    out_.layers = describe_layers(parsed.spec);
    if (const Status good = engine::check_precision(config_); !good) {
      return problem(good.error().message);
    }
    const engine::Precision precision = engine::choose_precision(config_, out_.parameters);
    out_.arithmetic = kernels::arithmetic_name(precision.arithmetic);
    out_.kv_dtype = dtype_name(precision.kv_dtype);
    models::ModelOptions options;
    options.kv_dtype = precision.kv_dtype;
    options.page_tokens = config_.block_size;
    out_.groups = models::kv_groups_of(parsed.spec, options);
    out_.state_bytes = models::state_bytes_of(parsed.spec);
    for (const models::KvGroup& group : out_.groups) {
      if (group.window == 0) out_.kv_bytes_per_token += group.token_bytes();
    }
  }

  void list_tensors(const models::Checkpoint& checkpoint) {
    std::map<std::string, std::uint64_t> stored;
    for (const auto& tensor : checkpoint.tensors()) {
      out_.file_bytes += tensor.info.bytes;
      stored[tensor.info.dtype_word] += tensor.info.bytes;
      out_.tensors.push_back({tensor.info.name, tensor.info.dtype_word,
                              models::shape_text(tensor.info.shape), tensor.info.bytes, false});
    }
    out_.tensor_count = out_.tensors.size();
    out_.stored.assign(stored.begin(), stored.end());
    std::ranges::sort(out_.stored, std::ranges::greater(),
                      [](const auto& entry) { return entry.second; });
  }

  void mark_claimed(const models::BoundCheckpoint& bound, const models::Checkpoint& checkpoint) {
    std::set<const models::Checkpoint::Tensor*> claimed;
    for (const models::Binding& binding : bound.bindings) {
      claimed.insert(binding.tensor);
      if (binding.affine) claimed.insert({binding.affine->scales, binding.affine->biases});
    }
    for (std::size_t i = 0; i < out_.tensors.size(); ++i) {
      out_.tensors[i].is_claimed = claimed.contains(&checkpoint.tensors()[i]);
    }
    out_.claimed_count =
        static_cast<std::size_t>(std::ranges::count(out_.tensors, true, &TensorLine::is_claimed));
  }

  void take_formats(const models::BoundCheckpoint& bound) {
    models::FormatOptions options;
    options.matrix_dtype = engine::choose_precision(config_, out_.parameters).matrix_dtype;
    if (const auto word = models::parse_quantization(config_.quantization)) {
      options.quantization = *word;
    }
    const auto formats = models::choose_formats(bound, options);
    if (!formats) return problem(formats.error().message);
    out_.has_weights = true;
    std::map<std::string, FormatShare> shares;
    for (std::size_t i = 0; i < bound.needs.size(); ++i) {
      const models::SlotNeed& need = bound.needs[i];
      const bool is_matrix = need.kind == models::WeightKind::kMatrix;
      const kernels::PackedFormat& format = (*formats)[i];
      const std::int64_t one =
          is_matrix ? static_cast<std::int64_t>(packed_bytes(format, need.rows, need.cols))
                    : need.rows * std::max<std::int64_t>(need.cols, 1) * 4;
      std::string name = is_matrix ? kernels::format_name(format.kind) : "f32";
      if (is_matrix && format.is_quantized()) name += fmt::format(" g{}", format.group);
      FormatShare& share = shares[name];
      share.matrices += need.count;
      share.bytes += one * need.count;
      out_.weight_bytes += one * need.count;
      // One token reads one row of the embedding, unless the head is the same matrix.
      const bool is_lookup = need.slot == models::Slot::kEmbed && !out_.spec.tied_head;
      out_.weight_bytes_per_token += is_lookup ? 0 : one * need.read_per_token;
    }
    for (auto& [name, share] : shares) {
      share.format = name;
      out_.formats.push_back(share);
    }
    std::ranges::sort(out_.formats, std::ranges::greater(), &FormatShare::bytes);
  }

  void plan() {
    const engine::MachineMemory machine = engine::machine_memory();
    out_.memory_bytes = machine.total_bytes;
    out_.available_bytes = machine.available_bytes;
    const std::int64_t left = machine.available_bytes - out_.weight_bytes;
    if (left <= 0) {
      return problem(
          fmt::format("the weights need {} bytes of memory, {} of {} are available: "
                      "fewer bits (--quantization int8 or int4, quire quantize) may fit",
                      out_.weight_bytes, machine.available_bytes, machine.total_bytes));
    }
    engine::MemoryDemand demand;
    demand.groups = out_.groups;
    demand.state_bytes = out_.state_bytes;
    demand.page_tokens = config_.block_size;
    demand.sequences_max = config_.max_num_seqs;
    demand.step_tokens_max = config_.max_num_batched_tokens;
    demand.drafts_max = config_.max_draft_tokens;
    demand.context_wanted = config_.max_model_len;
    demand.model_context = out_.spec.positions_max;
    demand.budget_bytes = static_cast<std::int64_t>(kAutoKvShare * static_cast<double>(left));
    if (config_.kv_cache_memory != "auto") {
      const auto bytes = engine::parse_memory_size(config_.kv_cache_memory, machine.total_bytes);
      if (!bytes) return problem(bytes.error().message);
      demand.budget_bytes = *bytes;
    }
    const auto plan = engine::plan_memory(demand);
    if (!plan) return problem(plan.error().message);
    out_.kv_budget_bytes = plan->bytes;
    out_.context_fits = plan->context_max;
    out_.kv_tokens = plan->kv_tokens;
  }

  const fs::path folder_;
  const engine::EngineConfig& config_;
  Survey& out_;
};

}  // namespace

Survey survey_model(const std::string& folder, const server::Settings& settings) {
  Survey survey;
  survey.folder = folder;
  Surveyor(folder, settings, survey).run();
  return survey;
}

}  // namespace quire::cli
