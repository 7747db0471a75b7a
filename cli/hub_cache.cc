// Written so that huggingface_hub reads it, and reads what huggingface_hub wrote.
#include "cli/hub_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "models/load/file.h"
#include "models/load/json.h"

namespace quire::cli {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kIndexBytesMax = 64 << 20;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 96 && text != "." && text != ".." &&
         text.find("--") == std::string_view::npos && text.find("..") == std::string_view::npos &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Status io_error(const fs::path& path, const std::error_code& error) {
  return fail(ErrorCode::kIo, "{}: {}", path.string(), error.message());
}

}  // namespace

bool is_commit(std::string_view text) {
  return text.size() == 40 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.back() == '/' ||
      path.find('\\') != std::string_view::npos || path.find('\0') != std::string_view::npos) {
    return false;
  }
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part.empty() || part == "." || part == "..") return false;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return true;
}

std::optional<RepoName> parse_repo_name(std::string_view text) {
  if (text.starts_with("hf://")) text.remove_prefix(5);
  RepoName name;
  const std::size_t at = std::min(text.find('@'), text.size());
  const std::string_view repo = text.substr(0, at);
  name.revision = at < text.size() ? text.substr(at + 1) : "main";
  const std::size_t slash = repo.find('/');
  if (slash == std::string_view::npos || !is_name(repo.substr(0, slash)) ||
      !is_name(repo.substr(slash + 1)) || !is_safe_path(name.revision)) {
    return std::nullopt;
  }
  name.repo = repo;
  return name;
}

HubCache HubCache::of_environment() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const fs::path path = variable(name); !path.empty()) return HubCache(path);
  }
  if (const fs::path home = variable("HF_HOME"); !home.empty()) return HubCache(home / "hub");
  fs::path cache = variable("XDG_CACHE_HOME");
  if (cache.empty()) cache = variable("HOME") / ".cache";
  return HubCache(cache / "huggingface" / "hub");
}

fs::path HubCache::repo_folder(std::string_view repo) const {
  const std::size_t slash = repo.find('/');
  return root_ / fmt::format("models--{}--{}", repo.substr(0, slash), repo.substr(slash + 1));
}

fs::path HubCache::blob(std::string_view repo, std::string_view etag) const {
  return repo_folder(repo) / "blobs" / etag;
}

fs::path HubCache::lock(std::string_view repo, std::string_view etag) const {
  return root_ / ".locks" / repo_folder(repo).filename() / fmt::format("{}.lock", etag);
}

fs::path HubCache::snapshot(std::string_view repo, std::string_view commit) const {
  return repo_folder(repo) / "snapshots" / commit;
}

std::optional<std::string> HubCache::find_commit(const RepoName& name) const {
  std::error_code ignored;
  if (is_commit(name.revision) && fs::is_directory(snapshot(name.repo, name.revision), ignored)) {
    return name.revision;
  }
  const std::string commit = first_line(repo_folder(name.repo) / "refs" / name.revision);
  if (is_commit(commit)) return commit;
  return std::nullopt;
}

std::optional<fs::path> HubCache::find_model(const RepoName& name) const {
  const auto commit = find_commit(name);
  if (!commit) return std::nullopt;
  const fs::path folder = snapshot(name.repo, *commit);
  if (!missing_files(folder).empty()) return std::nullopt;
  return folder;
}

Status HubCache::write_ref(const RepoName& name, std::string_view commit) const {
  const fs::path path = repo_folder(name.repo) / "refs" / name.revision;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path fresh = path.string() + fmt::format(".{}", ::getpid());
  {
    std::ofstream file(fresh);
    file << commit;
    if (!file.flush()) return fail(ErrorCode::kIo, "cannot write {}", fresh.string());
  }
  fs::rename(fresh, path, error);
  return error ? io_error(path, error) : Status{};
}

Status HubCache::link(std::string_view repo, std::string_view commit, std::string_view path,
                      std::string_view etag) const {
  const fs::path target = snapshot(repo, commit) / path;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) return io_error(target.parent_path(), error);
  const fs::path source = fs::relative(blob(repo, etag), target.parent_path(), error);
  if (error) return io_error(target, error);
  if (fs::is_symlink(target, error) && fs::read_symlink(target, error) == source) return {};
  const fs::path fresh = target.string() + fmt::format(".{}", ::getpid());
  fs::create_symlink(source, fresh, error);
  if (!error) fs::rename(fresh, target, error);
  return error ? io_error(target, error) : Status{};
}

std::vector<HubCache::Entry> HubCache::list() const {
  std::vector<Entry> entries;
  std::error_code ignored;
  for (const fs::directory_entry& repo : fs::directory_iterator(root_, ignored)) {
    const std::string folder = repo.path().filename().string();
    const std::size_t split = folder.find("--", 8);
    if (!folder.starts_with("models--") || split == std::string::npos) continue;
    const std::string name = folder.substr(8, split - 8) + "/" + folder.substr(split + 2);
    std::map<std::string, std::string> refs;  // by commit
    const fs::path refs_folder = repo.path() / "refs";
    for (const auto& ref : fs::recursive_directory_iterator(refs_folder, ignored)) {
      if (!ref.is_regular_file(ignored)) continue;
      refs[first_line(ref.path())] = ref.path().lexically_relative(refs_folder).string();
    }
    for (const auto& snapshot : fs::directory_iterator(repo.path() / "snapshots", ignored)) {
      Entry entry;
      entry.repo = name;
      entry.commit = snapshot.path().filename().string();
      entry.folder = snapshot.path();
      if (const auto found = refs.find(entry.commit); found != refs.end()) {
        entry.revision = found->second;
      }
      for (const auto& file : fs::recursive_directory_iterator(snapshot.path(), ignored)) {
        if (file.is_regular_file(ignored)) entry.bytes += file.file_size(ignored);
      }
      entry.is_complete = missing_files(entry.folder).empty();
      entries.push_back(std::move(entry));
    }
  }
  std::ranges::sort(entries, {}, [](const Entry& entry) {
    return std::tuple(entry.repo, entry.revision, entry.commit);
  });
  return entries;
}

std::vector<std::string> missing_files(const fs::path& folder) {
  std::error_code ignored;
  std::set<std::string> missing;
  const auto need = [&](const std::string& name) {
    if (!fs::exists(folder / name, ignored)) missing.insert(name);
  };
  need("config.json");
  const auto index =
      models::read_text_file(folder / "model.safetensors.index.json", kIndexBytesMax);
  if (!index) {
    need("model.safetensors");
    return {missing.begin(), missing.end()};
  }
  const auto parsed = parse_json(*index, {.nodes = 4'000'000});
  const Json* map = parsed ? find_member(*parsed, "weight_map") : nullptr;
  if (map == nullptr || !map->is_object()) {
    missing.insert("a readable model.safetensors.index.json");
  } else {
    for (const auto& [tensor, file] : map->items()) {
      if (file.is_string()) need(file.get<std::string>());
    }
  }
  return {missing.begin(), missing.end()};
}

}  // namespace quire::cli
