// The Hugging Face cache on disk: where it lies, and which snapshots are in it.
//
// models--org--name/
//   blobs/<etag>                    file contents: SHA-256 of large files, git's SHA-1 of small
//   ones refs/<branch or tag>            the commit it stood at when it was asked for
//   snapshots/<commit>/<path>       symbolic links to blobs
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::cli {

struct RepoName {
  std::string repo;      // "org/name"
  std::string revision;  // "main" unless the name says another
};
// "org/name" or "org/name@revision"; nothing for any other text.
std::optional<RepoName> parse_repo_name(std::string_view text);

// A commit's name: 40 digits of hexadecimal.
bool is_commit(std::string_view text);

class HubCache {
 public:
  explicit HubCache(std::filesystem::path root) : root_(std::move(root)) {}
  // HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub,
  // ~/.cache/huggingface/hub: the first that is set.
  static HubCache of_environment();

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path repo_folder(std::string_view repo) const;
  std::filesystem::path blob(std::string_view repo, std::string_view etag) const;
  std::filesystem::path lock(std::string_view repo, std::string_view etag) const;
  std::filesystem::path snapshot(std::string_view repo, std::string_view commit) const;

  // The commit that the cache has for a revision, a commit's own name included.
  std::optional<std::string> find_commit(const RepoName& name) const;
  // Its snapshot, if it has what a model needs: config.json, and all weights that the index names.
  std::optional<std::filesystem::path> find_model(const RepoName& name) const;

  // Writes refs/<revision> by replacing it.
  Status write_ref(const RepoName& name, std::string_view commit) const;
  // Links snapshots/<commit>/<path> to the blob. REQUIRES: is_safe_path(path).
  Status link(std::string_view repo, std::string_view commit, std::string_view path,
              std::string_view etag) const;

  struct Entry {
    std::string repo, revision, commit;
    std::filesystem::path folder;  // of the snapshot
    std::uint64_t bytes = 0;
    bool is_complete = false;
  };
  // Every snapshot, by name; those no ref points to have an empty revision.
  std::vector<Entry> list() const;

 private:
  std::filesystem::path root_;
};

// A relative path that stays below its folder.
bool is_safe_path(std::string_view path);

// What is missing of the weights in a folder; empty: complete, and ready to load.
std::vector<std::string> missing_files(const std::filesystem::path& folder);

}  // namespace quire::cli
