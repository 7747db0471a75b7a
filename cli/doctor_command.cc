// `quire doctor`: the machine, its rates, and what they mean for a model.
#include <algorithm>

#include "cli/command.h"
#include "cli/machine.h"
#include "cli/model_source.h"
#include "cli/progress.h"
#include "cli/survey.h"

namespace quire::cli {
namespace {

std::string size_text(std::int64_t bytes) { return bytes_text(static_cast<std::uint64_t>(bytes)); }

// Tokens a second with a short context: what the kernels do with weights of the model's format.
struct Expectation {
  double decode = 0;       // one sequence
  double decode_many = 0;  // 16 side by side, together
  double prefill = 0;
};

// Of a step's time, products with weights: the rest is attention to short contexts, norms, sampling
// and waiting. Steps of models from 0.6B on spend 85 to 93 % so (docs/performance-limits.md).
constexpr double kProductShare = 0.9;
// The same of a step that decodes many sequences: each brings an attention of its own.
constexpr double kProductShareOfMany = 0.7;

// The rate of the format that most of the weights have.
const ComputeRate* rate_of(const Survey& survey, const MachineRates& rates) {
  if (survey.formats.empty()) return nullptr;
  const ComputeRate* found = nullptr;
  for (const ComputeRate& rate : rates.compute) {
    if (survey.formats.front().format.starts_with(rate.format)) found = &rate;
  }
  return found;
}

Expectation expect(const Survey& survey, const MachineRates& rates) {
  Expectation out;
  const ComputeRate* rate = rate_of(survey, rates);
  if (survey.weight_bytes_per_token == 0 || survey.weight_bytes == 0 || rate == nullptr) return out;
  const double bytes = static_cast<double>(survey.weight_bytes_per_token);
  // Parameters that one token passes, from the share of bytes that it reads.
  const double active =
      static_cast<double>(survey.parameters) * bytes / static_cast<double>(survey.weight_bytes);
  // Of a prompt only the last token passes the head.
  const double head = static_cast<double>(survey.spec.hidden) * survey.spec.vocab;
  out.decode = kProductShare * rate->one_gb_s * 1e9 / bytes;
  out.decode_many = kProductShareOfMany * 16 * rate->sixteen_gb_s * 1e9 / bytes;
  out.prefill = kProductShare * rate->gflops * 1e9 / (2 * std::max(active - head, 0.1 * active));
  return out;
}

std::vector<std::string> advice(const MachineFacts& facts) {
  std::vector<std::string> out;
  if (facts.isa == kernels::Isa::kScalar) {
    out.push_back("no AVX2: the plain kernels run, which are many times slower");
  }
  if (facts.processors_allowed < facts.processors_online) {
    out.push_back(
        fmt::format("this process may use {} of {} processors (affinity: taskset, "
                    "cpuset)",
                    facts.processors_allowed, facts.processors_online));
  }
  if (facts.quota > 0 && facts.quota < facts.processors_allowed) {
    out.push_back(
        fmt::format("the control group grants {:.1f} processors: --threads {} avoids "
                    "being throttled",
                    facts.quota, std::max(1, static_cast<int>(facts.quota))));
  }
  if (facts.memory_bytes < facts.physical_bytes * 9 / 10) {
    out.push_back(fmt::format("the control group grants {} of {} memory",
                              size_text(facts.memory_bytes), size_text(facts.physical_bytes)));
  }
  if (facts.huge_pages == "never") {
    out.push_back(
        "huge pages are off: echo madvise > "
        "/sys/kernel/mm/transparent_hugepage/enabled (as root) helps large models");
  }
  if (facts.numa_nodes > 1) {
    out.push_back(
        fmt::format("{} NUMA nodes: one server for each (numactl --cpunodebind=N "
                    "--membind=N) is faster than one over all",
                    facts.numa_nodes));
  }
  if (facts.load > 0.3 * facts.processors_allowed) {
    out.push_back(fmt::format("other programs run (load {:.1f}): the rates measured are too low",
                              facts.load));
  }
  return out;
}

std::string machine_text(const MachineFacts& facts, const MachineRates& rates) {
  std::string out = fmt::format("{:<12} {}\n", "processor", facts.processor);
  out += fmt::format("{:<12} {} processors on {} cores{}\n", "cores", facts.processors_allowed,
                     facts.cores_allowed,
                     facts.numa_nodes > 1 ? fmt::format(", {} NUMA nodes", facts.numa_nodes) : "");
  out += fmt::format("{:<12} {}; the kernels use {}\n", "instructions",
                     fmt::join(facts.instruction_sets, " "), kernels::isa_name(facts.isa));
  out += fmt::format("{:<12} {}, {} of it available; largest cache {}; huge pages {}\n", "memory",
                     size_text(facts.memory_bytes), size_text(facts.available_bytes),
                     size_text(facts.cache_bytes),
                     facts.huge_pages.empty() ? "unknown" : facts.huge_pages);
  out += fmt::format("{:<12} {:.1f} GB/s by {} threads, {:.1f} GB/s by one\n", "bandwidth",
                     rates.read_gb_s, rates.threads, rates.read_one_gb_s);
  for (std::size_t i = 0; i < rates.compute.size(); ++i) {
    const ComputeRate& rate = rates.compute[i];
    out += fmt::format(
        "{:<12} {:.0f} GFLOP/s, {} weights and {} activations; {:.1f} GB/s of weights for one "
        "row\n",
        i == 0 ? "compute" : "", rate.gflops, rate.format, rate.activations, rate.one_gb_s);
  }
  for (const std::string& line : advice(facts)) out += fmt::format("{:<12} {}\n", "advice", line);
  return out;
}

std::string model_text(const Survey& survey, const MachineRates& rates) {
  std::string out = fmt::format("\n{:<12} {}\n", "model", survey.folder);
  if (!survey.problems.empty()) {
    for (const std::string& problem : survey.problems) {
      out += fmt::format("{:<12} {}\n", "problem", problem);
    }
  }
  if (!survey.has_weights) return out;
  out += fmt::format("{:<12} {} of weights, {} for a token of KV cache; a context of {} fits\n",
                     "memory", size_text(survey.weight_bytes), size_text(survey.kv_bytes_per_token),
                     survey.context_fits);
  const Expectation speed = expect(survey, rates);
  if (speed.decode == 0) return out + fmt::format("{:<12} not measured for this format\n", "speed");
  return out + fmt::format(
                   "{:<12} about {:.3g} tokens a second for one sequence, {:.3g} for 16 together, "
                   "{:.3g} of a prompt; long contexts are slower (measure: quire bench latency)\n",
                   "speed", speed.decode, speed.decode_many, speed.prefill);
}

Json doctor_json(const MachineFacts& facts, const MachineRates& rates) {
  Json compute = Json::array();
  for (const ComputeRate& rate : rates.compute) {
    compute.push_back({{"weights", rate.format},
                       {"activations", rate.activations},
                       {"gflops", rate.gflops},
                       {"read_gb_s_1_row", rate.one_gb_s},
                       {"read_gb_s_16_rows", rate.sixteen_gb_s}});
  }
  return {{"processor", facts.processor},
          {"processors_online", facts.processors_online},
          {"processors_allowed", facts.processors_allowed},
          {"cores_allowed", facts.cores_allowed},
          {"numa_nodes", facts.numa_nodes},
          {"quota", facts.quota},
          {"load", facts.load},
          {"instruction_sets", facts.instruction_sets},
          {"isa", std::string(kernels::isa_name(facts.isa))},
          {"cache_bytes", facts.cache_bytes},
          {"memory_bytes", facts.memory_bytes},
          {"available_bytes", facts.available_bytes},
          {"huge_pages", facts.huge_pages},
          {"threads", rates.threads},
          {"read_gb_s", rates.read_gb_s},
          {"read_one_thread_gb_s", rates.read_one_gb_s},
          {"compute", compute},
          {"advice", advice(facts)}};
}

}  // namespace

int doctor_command(Invocation& invocation) {
  const Options& options = invocation.options;
  std::string folder;
  if (!options.settings.engine.model.empty()) {
    const auto found = find_model(options);
    if (!found) return report("doctor", found.error());
    folder = *found;
  }
  const MachineFacts facts = read_machine();
  std::optional<Survey> survey;
  if (!folder.empty()) survey = survey_model(folder, options.settings);
  Measurement measurement{.threads = options.settings.engine.threads,
                          .seconds = options.seconds / 4};
  if (survey && survey->arithmetic == kernels::arithmetic_name(kernels::Arithmetic::kF32)) {
    measurement.arithmetic = kernels::Arithmetic::kF32;
  }
  const MachineRates rates = measure_machine(facts, measurement);
  if (options.json) {
    Json out = doctor_json(facts, rates);
    if (survey) {
      const Expectation speed = expect(*survey, rates);
      out["model"] = survey_json(*survey, options);
      out["expected_tokens_per_second"] = {
          {"decode", speed.decode}, {"decode_16", speed.decode_many}, {"prefill", speed.prefill}};
    }
    write_out(dump_json(out) + "\n");
  } else {
    write_out(machine_text(facts, rates) + (survey ? model_text(*survey, rates) : ""));
  }
  return survey && !survey->problems.empty() ? kExitFailure : kExitOk;
}

}  // namespace quire::cli
