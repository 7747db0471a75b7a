// `quire inspect` and `quire models`.
#include "cli/command.h"
#include "cli/hub_cache.h"
#include "cli/model_source.h"
#include "cli/progress.h"
#include "cli/survey.h"
#include "models/registry.h"

namespace quire::cli {
namespace {

std::string first_problem(const Survey& survey) {
  return survey.problems.empty() ? "" : survey.problems.front();
}

Json models_json(const std::vector<HubCache::Entry>& entries, const Options& options) {
  Json families = Json::array();
  for (const models::ModelFamily* family : models::families()) {
    families.push_back({{"name", std::string(family->name)},
                        {"summary", std::string(family->summary)},
                        {"model_types", family->model_types},
                        {"architectures", family->architectures}});
  }
  Json cached = Json::array();
  for (const HubCache::Entry& entry : entries) {
    const Survey survey = survey_model(entry.folder.string(), options.settings);
    cached.push_back({{"repo", entry.repo},
                      {"revision", entry.revision},
                      {"commit", entry.commit},
                      {"folder", entry.folder.string()},
                      {"bytes", entry.bytes},
                      {"complete", entry.is_complete},
                      {"family", survey.family},
                      {"loads", survey.problems.empty()},
                      {"problem", first_problem(survey)}});
  }
  return {{"families", families}, {"cached", cached}};
}

}  // namespace

int inspect_command(Invocation& invocation) {
  const Options& options = invocation.options;
  const auto folder = find_model(options);
  if (!folder) return report("inspect", folder.error());
  const Survey survey = survey_model(*folder, options.settings);
  write_out(options.json ? dump_json(survey_json(survey, options)) + "\n"
                         : survey_text(survey, options));
  return survey.problems.empty() ? kExitOk : kExitFailure;
}

int models_command(Invocation& invocation) {
  const Options& options = invocation.options;
  const HubCache cache =
      options.cache_dir.empty() ? HubCache::of_environment() : HubCache(options.cache_dir);
  const std::vector<HubCache::Entry> entries = cache.list();
  if (options.json) {
    write_out(dump_json(models_json(entries, options)) + "\n");
    return kExitOk;
  }
  std::string out = "Families that load:\n";
  for (const models::ModelFamily* family : models::families()) {
    out += fmt::format("  {:<14} {}\n", family->name, family->summary);
  }
  out += fmt::format("\nIn the cache, {}:\n", cache.root().string());
  if (entries.empty()) out += "  nothing; quire pull org/repo downloads a model\n";
  for (const HubCache::Entry& entry : entries) {
    const std::string name = entry.revision.empty() || entry.revision == "main"
                                 ? entry.repo
                                 : fmt::format("{}@{}", entry.repo, entry.revision);
    std::string state = "incomplete; quire pull goes on";
    if (entry.is_complete) {
      const Survey survey = survey_model(entry.folder.string(), options.settings);
      state = survey.problems.empty() ? survey.family : "does not load: " + first_problem(survey);
    }
    out += fmt::format("  {:<40} {:>9}  {}\n", name, bytes_text(entry.bytes), state);
  }
  write_out(out);
  return kExitOk;
}

}  // namespace quire::cli
