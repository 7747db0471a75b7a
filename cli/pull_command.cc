// `quire pull`, and the models that other commands pull by their name.
#include <filesystem>

#include "base/bundled.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/hub.h"
#include "cli/interruption.h"
#include "cli/model_source.h"
#include "cli/progress.h"
#include "models/load/json.h"

namespace quire::cli {
namespace fs = std::filesystem;

namespace {

HubCache cache_of(const Options& options) {
  return options.cache_dir.empty() ? HubCache::of_environment() : HubCache(options.cache_dir);
}

Result<PullResult> pull_with_bar(const RepoName& name, const HubCache& cache,
                                 const Options& options, std::vector<std::string> files) {
  HubOptions hub = hub_options(options);
  hub.files = std::move(files);
  Progress progress(fmt::format("pulling {}", name.repo), true);
  hub.progress = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  // Ctrl-C leaves what came in a state that the next call goes on from.
  const Interruption interruption;
  hub.cancelled = &interruption.flag();
  return pull(name, cache, hub);
}

// A weights file stands for its folder, if loading the folder reads exactly that file.
Result<std::string> folder_of_file(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (file.extension() == ".gguf") {
    return fail(ErrorCode::kUnsupported,
                "{}: GGUF files are not loaded; give a folder with config.json and safetensors",
                file.string());
  }
  std::error_code ignored;
  const bool is_shard = fs::exists(folder / "model.safetensors.index.json", ignored);
  if (file.filename() == "model.safetensors" || (is_shard && file.extension() == ".safetensors")) {
    return folder.string();
  }
  return fail(ErrorCode::kUnsupported,
              "{}: a model is the folder with config.json and model.safetensors", file.string());
}

}  // namespace

Result<std::string> find_model(std::string_view name, const Options& options) {
  const fs::path path(name);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return std::string(name);
  if (fs::exists(path, ignored)) return folder_of_file(path);
  if (name == "demo") {
    if (std::string bundled = bundled_folder(name); !bundled.empty()) return bundled;
  }
  auto repo = parse_repo_name(name);
  if (!repo) {
    return fail(
        ErrorCode::kNotFound,
        "there is no folder {}, and it is no name like org/repo or org/repo@revision: quire "
        "models lists what the cache holds",
        name);
  }
  if (!options.revision.empty()) repo->revision = options.revision;
  const HubCache cache = cache_of(options);
  if (const auto folder = cache.find_model(*repo)) return folder->string();
  QUIRE_ASSIGN(const PullResult pulled, pull_with_bar(*repo, cache, options, {}));
  return pulled.folder.string();
}

Result<std::string> find_model(const Options& options) {
  return find_model(options.settings.engine.model, options);
}

int pull_command(Invocation& invocation) {
  const Options& options = invocation.options;
  auto name = parse_repo_name(invocation.words.front());
  if (!name) {
    write_error(
        fmt::format("quire pull: \"{}\" is no name like org/repo or org/repo@revision\nTry: quire "
                    "pull --help\n",
                    invocation.words.front()));
    return kExitUsage;
  }
  if (!options.revision.empty()) name->revision = options.revision;
  const Time begin = SteadyClock().now();
  const auto pulled = pull_with_bar(*name, cache_of(options), options,
                                    {invocation.words.begin() + 1, invocation.words.end()});
  if (!pulled && pulled.error().code == ErrorCode::kCancelled) {
    write_error("quire pull: stopped; the same command goes on from here\n");
    return kExitInterrupted;
  }
  if (!pulled) return report("pull", pulled.error());
  const double seconds = to_seconds(SteadyClock().now() - begin);
  if (options.json) {
    write_out(dump_json({{"folder", pulled->folder.string()},
                         {"commit", pulled->commit},
                         {"fetched_bytes", pulled->fetched_bytes},
                         {"seconds", seconds}}) +
              "\n");
    return kExitOk;
  }
  write_error(
      pulled->fetched_bytes == 0
          ? fmt::format("{} is up to date\n", name->repo)
          : fmt::format("{} in {}\n", bytes_text(pulled->fetched_bytes), seconds_text(seconds)));
  write_out(pulled->folder.string() + "\n");
  return kExitOk;
}

}  // namespace quire::cli
