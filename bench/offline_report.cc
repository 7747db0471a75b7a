// The report of an offline benchmark, as a table and as JSON.
#include <algorithm>

#include "bench/offline.h"
#include "models/load/json.h"

namespace quire::bench {
namespace {

double median_of(const std::vector<OfflineRound>& rounds, double OfflineRound::*value) {
  std::vector<double> values;
  for (const OfflineRound& round : rounds) values.push_back(round.*value);
  return distribution_of(std::move(values)).p50;
}

constexpr std::pair<const char*, double OfflineRound::*> kRates[] = {
    {"prefill_tokens_per_second", &OfflineRound::prefill_tokens_per_second},
    {"decode_tokens_per_second", &OfflineRound::decode_tokens_per_second},
    {"output_tokens_per_second", &OfflineRound::output_tokens_per_second},
    {"total_tokens_per_second", &OfflineRound::total_tokens_per_second},
    {"seconds", &OfflineRound::seconds},
    {"cached_share", &OfflineRound::cached_share},
};

Json json_of_distribution(const Distribution& d) {
  return {{"mean", d.mean}, {"p50", d.p50}, {"p90", d.p90}, {"p99", d.p99}, {"max", d.max}};
}

Json json_of_round(const OfflineRound& round) {
  Json out = Json::object();
  for (const auto& [name, value] : kRates) {
    if (round.*value != 0) out[name] = round.*value;
  }
  out["ttft_ms"] = json_of_distribution(round.ttft_ms);
  out["step_ms"] = json_of_distribution(round.step_ms);
  return out;
}

}  // namespace

std::string report_table(const OfflineOptions& options, const OfflineReport& report) {
  constexpr double kMiB = 1024.0 * 1024.0;
  const engine::ModelCard& card = report.card;
  std::string out = fmt::format(
      "{} from {}: {:.1f} MiB of weights as {}, KV as {}, {} threads, {}\n"
      "loaded in {:.2f} s, {:.1f} MiB resident then, {:.1f} MiB at most\n"
      "{} sequences of {} + {} tokens, {} rounds\n\n",
      card.family, card.folder, static_cast<double>(card.weight_bytes) / kMiB, card.weights_dtype,
      card.kv_dtype, card.threads, card.isa, report.load_seconds,
      static_cast<double>(report.loaded_bytes) / kMiB,
      static_cast<double>(report.peak_bytes) / kMiB, options.sequences, options.input_tokens,
      options.output_tokens, report.rounds.size());
  for (const auto& [name, value] : kRates) {
    const double median = median_of(report.rounds, value);
    if (median != 0) out += fmt::format("{:<28}{:>10.2f}\n", name, median);
  }
  if (report.draft_tokens > 0) {
    out += fmt::format("{:<28}{:>10} of {}\n", "accepted draft tokens",
                       report.accepted_draft_tokens, report.draft_tokens);
  }
  out += "\n" + table_head("milliseconds, last round");
  out += table_row("time to first token", report.rounds.back().ttft_ms);
  out += table_row("step", report.rounds.back().step_ms);
  return out;
}

std::string report_json(const OfflineOptions& options, const OfflineReport& report) {
  const engine::ModelCard& card = report.card;
  Json out = {{"command", report.command},
              {"model", card.folder},
              {"family", card.family},
              {"isa", card.isa},
              {"threads", card.threads},
              {"weights_dtype", card.weights_dtype},
              {"weight_bytes", card.weight_bytes},
              {"kv_dtype", card.kv_dtype},
              {"kv_bytes", card.kv_bytes},
              {"kv_bytes_per_token", card.kv_bytes_per_token},
              {"sequences", options.sequences},
              {"input_tokens", options.input_tokens},
              {"output_tokens", options.output_tokens},
              {"load_seconds", report.load_seconds},
              {"loaded_bytes", report.loaded_bytes},
              {"peak_bytes", report.peak_bytes},
              {"steps", report.steps},
              {"draft_tokens", report.draft_tokens},
              {"accepted_draft_tokens", report.accepted_draft_tokens}};
  for (const auto& [name, value] : kRates) {
    const double median = median_of(report.rounds, value);
    if (median != 0) out[name] = median;
  }
  out["rounds"] = Json::array();
  for (const OfflineRound& round : report.rounds) out["rounds"].push_back(json_of_round(round));
  return dump_json(out) + "\n";
}

std::string round_json(const OfflineRound& round) { return dump_json(json_of_round(round)) + "\n"; }

}  // namespace quire::bench
