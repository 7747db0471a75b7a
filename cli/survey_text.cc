// A survey on paper.
#include "cli/progress.h"
#include "cli/survey.h"

namespace quire::cli {
namespace {

constexpr std::size_t kUnclaimedShown = 8, kProblemsShown = 20;

std::string size_text(std::int64_t bytes) { return bytes_text(static_cast<std::uint64_t>(bytes)); }

std::string count_text(std::int64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.2f} billion", value / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.1f} million", value / 1e6);
  return std::to_string(count);
}

void add_line(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format("{:<12} {}\n", name, text);
}

void add_weights(const Survey& survey, const Options& options, std::string& out) {
  std::string stored;
  for (const auto& [dtype, bytes] : survey.stored) {
    stored += fmt::format("{}{} {}", stored.empty() ? "" : ", ", dtype, bytes_text(bytes));
  }
  add_line(out, "files",
           fmt::format("{} tensors, {} ({})", survey.tensor_count, bytes_text(survey.file_bytes),
                       stored));
  if (survey.has_weights) {
    std::string formats;
    for (const FormatShare& share : survey.formats) {
      formats +=
          fmt::format("{}{} {}", formats.empty() ? "" : ", ", share.format, size_text(share.bytes));
    }
    add_line(out, "memory",
             fmt::format("{} ({}); {} are read for a token", size_text(survey.weight_bytes),
                         formats, size_text(survey.weight_bytes_per_token)));
    add_line(out, "tensors",
             fmt::format("{} claimed, {} left out", survey.claimed_count,
                         survey.tensor_count - survey.claimed_count));
  }
  std::size_t shown = 0;
  for (const TensorLine& tensor : survey.tensors) {
    const bool is_unclaimed = survey.has_weights && !tensor.is_claimed;
    if (!options.tensors && (!is_unclaimed || ++shown > kUnclaimedShown)) continue;
    out += fmt::format("             {} {} {}{}\n", tensor.name, tensor.dtype, tensor.shape,
                       is_unclaimed ? ", left out" : "");
  }
}

void add_cache(const Survey& survey, std::string& out) {
  add_line(
      out, "KV cache",
      fmt::format("{} for a token as {}", size_text(survey.kv_bytes_per_token), survey.kv_dtype));
  for (const models::KvGroup& group : survey.groups) {
    if (group.window == 0) continue;
    add_line(out, "",
             fmt::format("and {} for each of the last {} tokens ({} layers)",
                         size_text(group.token_bytes()), group.window, group.layers.size()));
  }
  if (survey.state_bytes > 0) {
    add_line(out, "states",
             fmt::format("{} for a sequence or snapshot", size_text(survey.state_bytes)));
  }
  const std::string model = survey.spec.positions_max > 0
                                ? fmt::format("{} tokens", survey.spec.positions_max)
                                : "unlimited";
  add_line(out, "context",
           survey.context_fits == 0
               ? model
               : fmt::format("{}; {} fit here, {} cached tokens in {}", model, survey.context_fits,
                             survey.kv_tokens, size_text(survey.kv_budget_bytes)));
}

}  // namespace

std::string survey_text(const Survey& survey, const Options& options) {
  std::string out;
  add_line(out, "folder", survey.folder);
  if (!survey.has_config) {
    if (!survey.model_type.empty()) add_line(out, "model_type", survey.model_type);
  } else {
    add_line(out, "family",
             fmt::format("{} ({} parameters, vocabulary {}, width {})", survey.family,
                         count_text(survey.parameters), survey.spec.vocab, survey.spec.hidden));
    for (std::size_t i = 0; i < survey.layers.size(); ++i) {
      add_line(out, i == 0 ? "layers" : "", survey.layers[i]);
    }
  }
  if (survey.tensor_count > 0) add_weights(survey, options, out);
  if (survey.has_config) add_cache(survey, out);
  add_line(out, "text",
           fmt::format("{}, {}", survey.has_tokenizer ? "tokenizer" : "no tokenizer",
                       survey.has_template ? "chat template" : "no chat template"));
  for (const std::string& note : survey.notes) add_line(out, "note", note);
  const std::size_t shown =
      options.tensors ? survey.problems.size() : std::min(survey.problems.size(), kProblemsShown);
  for (std::size_t i = 0; i < shown; ++i) add_line(out, "problem", survey.problems[i]);
  if (shown < survey.problems.size()) {
    add_line(out, "",
             fmt::format("and {} more: --tensors shows them", survey.problems.size() - shown));
  }
  add_line(out, "verdict", survey.problems.empty() ? "loads" : "does not load");
  return out;
}

Json survey_json(const Survey& survey, const Options& options) {
  Json out = {{"folder", survey.folder},         {"loads", survey.problems.empty()},
              {"problems", survey.problems},     {"notes", survey.notes},
              {"model_type", survey.model_type}, {"family", survey.family},
              {"parameters", survey.parameters}, {"layers", survey.layers}};
  out["tensors"] = {{"count", survey.tensor_count},
                    {"claimed", survey.claimed_count},
                    {"file_bytes", survey.file_bytes}};
  Json formats = Json::object();
  for (const FormatShare& share : survey.formats) formats[share.format] = share.bytes;
  Json groups = Json::array();
  for (const models::KvGroup& group : survey.groups) {
    groups.push_back({{"layers", group.layers},
                      {"window", group.window},
                      {"bytes_per_token", group.token_bytes()}});
  }
  out["memory"] = {{"weight_bytes", survey.weight_bytes},
                   {"weight_bytes_per_token", survey.weight_bytes_per_token},
                   {"by_format", formats},
                   {"machine_bytes", survey.memory_bytes},
                   {"available_bytes", survey.available_bytes}};
  out["kv_cache"] = {{"dtype", survey.kv_dtype},
                     {"bytes_per_token", survey.kv_bytes_per_token},
                     {"groups", groups},
                     {"state_bytes", survey.state_bytes},
                     {"budget_bytes", survey.kv_budget_bytes},
                     {"tokens", survey.kv_tokens}};
  out["context"] = {{"model", survey.spec.positions_max}, {"fits", survey.context_fits}};
  out["tokenizer"] = survey.has_tokenizer;
  out["chat_template"] = survey.has_template;
  if (!options.tensors) return out;
  Json list = Json::array();
  for (const TensorLine& tensor : survey.tensors) {
    list.push_back({{"name", tensor.name},
                    {"dtype", tensor.dtype},
                    {"shape", tensor.shape},
                    {"bytes", tensor.bytes},
                    {"claimed", tensor.is_claimed}});
  }
  out["tensors"]["list"] = std::move(list);
  return out;
}

}  // namespace quire::cli
