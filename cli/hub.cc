// One question for the list of files, then the downloads, then links and ref.
#include "cli/hub.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "base/log.h"
#include "cli/download.h"
#include "models/load/bind.h"
#include "models/load/file.h"
#include "models/load/json.h"

namespace quire::cli {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::uint64_t kIndexBytesMax = 64 << 20;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_on(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text == "1" || text == "ON" || text == "YES" || text == "TRUE";
}

std::string stored_token() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const std::string token = variable(name); !token.empty()) return token;
  }
  fs::path path = variable("HF_TOKEN_PATH");
  if (path.empty()) {
    const std::string home = variable("HF_HOME"), cache = variable("XDG_CACHE_HOME");
    path = !home.empty()    ? fs::path(home) / "token"
           : !cache.empty() ? fs::path(cache) / "huggingface" / "token"
                            : fs::path(variable("HOME")) / ".cache" / "huggingface" / "token";
  }
  std::ifstream file(path);
  std::string token;
  file >> token;
  return token;
}

// A path or revision inside a URL.
std::string url_text(std::string_view text, bool keeps_slashes) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || (c == '/' && keeps_slashes);
    out += plain ? std::string(1, c)
                 : fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out;
}

std::string text_member(const Json& object, std::string_view key) {
  const Json* value = find_member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

struct Listing {
  std::string commit;
  std::map<std::string, HubFile> files;  // by path
};

std::uint64_t size_member(const Json& object) {
  const Json* size = find_member(object, "size");
  return size != nullptr && size->is_number_unsigned() ? size->get<std::uint64_t>() : 0;
}

// One entry of "siblings" with blobs=true.
Status add_sibling(const Json& sibling, Listing& listing) {
  HubFile file;
  file.path = text_member(sibling, "rfilename");
  if (!is_safe_path(file.path)) {
    return fail(ErrorCode::kInvalid, "the hub lists a file \"{}\", which leads out of its folder",
                file.path);
  }
  file.bytes = size_member(sibling);
  file.etag = text_member(sibling, "blobId");
  if (const Json* lfs = find_member(sibling, "lfs"); lfs != nullptr && lfs->is_object()) {
    file.is_lfs = true;
    file.etag = text_member(*lfs, "sha256");
    if (file.etag.empty()) file.etag = text_member(*lfs, "oid");
    file.bytes = size_member(*lfs);
  }
  if (!is_hex(file.etag, file.is_lfs ? 64 : 40)) file.etag.clear();
  std::string path = file.path;
  listing.files.emplace(std::move(path), std::move(file));
  return {};
}

class Puller {
 public:
  Puller(const RepoName& name, const HubCache& cache, const HubOptions& options)
      : name_(name), cache_(cache), options_(options) {}

  Result<PullResult> run() {
    QUIRE_TRY(list());
    return options_.files.empty() ? pull_model() : pull_files();
  }

 private:
  Result<PullResult> pull_files() {
    std::set<std::string> wanted;
    for (const std::string& pattern : options_.files) {
      const std::size_t before = wanted.size();
      bool is_known = false;
      for (const auto& [path, file] : listing_.files) {
        if (!models::matches_pattern(pattern, path)) continue;
        is_known = true;
        wanted.insert(path);
      }
      if (!is_known && before == wanted.size()) {
        return fail(ErrorCode::kNotFound, "{} has no file {}: see {}/{}/tree/{}", name_.repo,
                    pattern, options_.endpoint, name_.repo, name_.revision);
      }
    }
    QUIRE_ASSIGN(std::vector<Download> downloads, downloads_of({wanted.begin(), wanted.end()}));
    Downloader files(name_.repo, cache_, options_);
    QUIRE_TRY(files.run(downloads));
    QUIRE_TRY(link(downloads));
    return finish(files.fetched_bytes());
  }

  Result<PullResult> finish(std::uint64_t fetched_bytes) const {
    if (!is_commit(name_.revision)) QUIRE_TRY(cache_.write_ref(name_, listing_.commit));
    return PullResult{cache_.snapshot(name_.repo, listing_.commit), listing_.commit, fetched_bytes};
  }

  Result<PullResult> pull_model() {
    std::vector<std::string> small;
    for (const auto& [path, file] : listing_.files) {
      if (is_small_model_file(path)) small.push_back(path);
    }
    if (!listing_.files.contains("config.json")) {
      return fail(ErrorCode::kInvalid, "{} has no config.json: it is no model that Quire can load",
                  name_.repo);
    }
    QUIRE_ASSIGN(std::vector<Download> first, downloads_of(small));
    Downloader small_files(name_.repo, cache_, with_progress(false));
    QUIRE_TRY(small_files.run(first));
    QUIRE_TRY(link(first));
    QUIRE_ASSIGN(const std::vector<std::string> weights, weight_paths());
    QUIRE_ASSIGN(std::vector<Download> second, downloads_of(weights));
    const HubOptions shown = with_progress(true);
    Downloader large_files(name_.repo, cache_, shown);
    QUIRE_TRY(large_files.run(second));
    QUIRE_TRY(link(second));
    return finish(small_files.fetched_bytes() + large_files.fetched_bytes());
  }

  const HubOptions& with_progress(bool shown) {
    quiet_ = options_;
    quiet_.progress = {};
    return shown ? options_ : quiet_;
  }

  Status list() {
    const std::string url =
        fmt::format("{}/api/models/{}/revision/{}?blobs=true", options_.endpoint, name_.repo,
                    url_text(name_.revision, false));
    QUIRE_ASSIGN(const HttpReply reply, hub_answer(hub_call(url, options_), options_));
    if (reply.status != 200) return tl::unexpected<Error>(hub_error(reply, name_, options_));
    const auto body = parse_json(reply.body, {.nodes = 4'000'000});
    const Json* siblings = body ? find_member(*body, "siblings") : nullptr;
    if (siblings == nullptr || !siblings->is_array()) {
      return fail(ErrorCode::kIo, "{}: no list of files: is it a Hugging Face hub?", url);
    }
    listing_.commit = text_member(*body, "sha");
    if (!is_commit(listing_.commit)) return fail(ErrorCode::kIo, "{}: no commit", url);
    for (const Json& sibling : *siblings) QUIRE_TRY(add_sibling(sibling, listing_));
    return {};
  }

  std::string file_url(const std::string& path) const {
    return fmt::format("{}/{}/resolve/{}/{}", options_.endpoint, name_.repo, listing_.commit,
                       url_text(path, true));
  }

  // Mirrors may leave sizes and checksums out of their lists: the file's own head has them.
  Status complete(HubFile& file) const {
    if (!file.etag.empty()) return {};
    HttpCall call = hub_call(file_url(file.path), options_);
    call.method = "HEAD";
    call.follows_elsewhere = false;
    QUIRE_ASSIGN(const HttpReply reply, hub_answer(call, options_));
    if (reply.status >= 400) return tl::unexpected<Error>(hub_error(reply, name_, options_));
    std::string etag = reply.field("x-linked-etag");
    if (etag.empty()) etag = reply.field("etag");
    if (etag.starts_with("W/")) etag = etag.substr(2);
    std::erase(etag, '"');
    std::string size = reply.field("x-linked-size");
    if (size.empty()) size = reply.field("content-length");
    file.is_lfs = is_hex(etag, 64);
    if ((!file.is_lfs && !is_hex(etag, 40)) || size.empty() || size.size() > 18 ||
        !std::ranges::all_of(size, [](char c) { return c >= '0' && c <= '9'; })) {
      return fail(ErrorCode::kIo, "{}: the hub tells no checksum and size of it", file.path);
    }
    file.etag = etag;
    file.bytes = std::stoull(size);
    return {};
  }

  Result<std::vector<Download>> downloads_of(const std::vector<std::string>& paths) {
    std::vector<Download> downloads;
    for (const std::string& path : paths) {
      const auto found = listing_.files.find(path);
      if (found == listing_.files.end()) {
        return fail(ErrorCode::kInvalid, "{} names the file {}, which {} does not have", kIndex,
                    path, name_.repo);
      }
      QUIRE_TRY(complete(found->second));
      downloads.push_back({found->second, file_url(path)});
    }
    return downloads;
  }

  Status link(const std::vector<Download>& downloads) const {
    for (const Download& download : downloads) {
      QUIRE_TRY(cache_.link(name_.repo, listing_.commit, download.file.path, download.file.etag));
    }
    return {};
  }

  Result<std::vector<std::string>> weight_paths() const {
    if (!listing_.files.contains(std::string(kIndex))) {
      if (listing_.files.contains("model.safetensors")) {
        return std::vector<std::string>{"model.safetensors"};
      }
      return fail(ErrorCode::kUnsupported,
                  "{} has no model.safetensors: Quire loads safetensors only", name_.repo);
    }
    const fs::path path = cache_.snapshot(name_.repo, listing_.commit) / kIndex;
    QUIRE_ASSIGN(const std::string text, models::read_text_file(path, kIndexBytesMax));
    QUIRE_ASSIGN(const Json index, parse_json(text, {.nodes = 4'000'000}));
    const Json* map = find_member(index, "weight_map");
    std::set<std::string> names;
    if (map != nullptr && map->is_object()) {
      for (const auto& [tensor, file] : map->items()) {
        if (file.is_string()) names.insert(file.get<std::string>());
      }
    }
    if (names.empty()) return fail(ErrorCode::kInvalid, "{}: no weight_map", path.string());
    return std::vector<std::string>(names.begin(), names.end());
  }

  const RepoName& name_;
  const HubCache& cache_;
  const HubOptions& options_;
  HubOptions quiet_;
  Listing listing_;
};

}  // namespace

HubOptions hub_options(const Options& options) {
  HubOptions out;
  out.endpoint = !options.endpoint.empty() ? options.endpoint : variable("HF_ENDPOINT");
  if (out.endpoint.empty()) out.endpoint = HubOptions().endpoint;
  while (out.endpoint.ends_with('/')) out.endpoint.pop_back();
  out.token = !options.token.empty() ? options.token : stored_token();
  out.offline = options.offline || is_on(variable("HF_HUB_OFFLINE"));
  out.force = options.force;
  out.ca_file = options.ca_file;
  out.connections = options.connections;
  out.silence_s = options.hub_timeout_s;
  out.part_bytes = static_cast<std::uint64_t>(options.part_bytes);
  out.attempts = options.retries + 1;
  return out;
}

HttpCall hub_call(const std::string& url, const HubOptions& options) {
  HttpCall call;
  call.url = url;
  call.silence_s = options.silence_s;
  call.cancelled = options.cancelled;
  call.ca_file = options.ca_file;
  if (!options.token.empty()) call.fields.emplace_back("Authorization", "Bearer " + options.token);
  return call;
}

Error hub_error(const HttpReply& reply, const RepoName& name, const HubOptions& options) {
  const std::string code = reply.field("x-error-code");
  const std::string page = fmt::format("{}/{}", options.endpoint, name.repo);
  const auto error = [](ErrorCode kind, std::string message) {
    return Error{kind, std::move(message)};
  };
  if (code == "GatedRepo" || reply.status == 403) {
    return error(ErrorCode::kInvalid,
                 fmt::format("{} is gated ({}): accept its terms at {} and give a token of that "
                             "account by HF_TOKEN or --token",
                             name.repo, reply.status, page));
  }
  if (code == "RevisionNotFound") {
    return error(ErrorCode::kNotFound,
                 fmt::format("{} has no revision {}: see {}", name.repo, name.revision, page));
  }
  if (reply.status == 401) {
    return error(
        ErrorCode::kInvalid,
        options.token.empty()
            ? fmt::format("{} does not exist or is private (401): check the name at {}, or "
                          "give a token by HF_TOKEN or --token",
                          name.repo, page)
            : fmt::format("the hub refuses the token for {} (401): make a new one at "
                          "{}/settings/tokens",
                          name.repo, options.endpoint));
  }
  if (reply.status == 404) {
    return error(
        ErrorCode::kNotFound,
        fmt::format("{} has no {} (404): check the name at {}", options.endpoint,
                    code == "EntryNotFound" ? "such file of " + name.repo : name.repo, page));
  }
  if (reply.status == 429) {
    return error(
        ErrorCode::kOverloaded,
        fmt::format("{} answers too many requests (429): wait a while{}, then run the same "
                    "command",
                    options.endpoint,
                    options.token.empty() ? ", or give a token by HF_TOKEN" : ""));
  }
  return error(ErrorCode::kIo, fmt::format("{} answered {}; try again later, or another mirror by "
                                           "HF_ENDPOINT",
                                           options.endpoint, reply.status));
}

bool is_small_model_file(std::string_view path) {
  if (path.starts_with("additional_chat_templates/")) return path.ends_with(".jinja");
  if (path.find('/') != std::string_view::npos) return false;
  if (path == "tokenizer.model" || path == "merges.txt" || path == "vocab.txt") return true;
  // Not the settings of trainers, optimizers and quantizers that some repositories carry.
  if (path == "trainer_state.json" || path == "training_args.json") return false;
  return path.ends_with(".json") || path.ends_with(".jinja") || path.ends_with(".tiktoken") ||
         path.ends_with(".jsonl");
}

namespace {

// The snapshot, if each pattern fits a file of it.
std::optional<fs::path> find_files(const HubCache& cache, const RepoName& name,
                                   const std::vector<std::string>& patterns) {
  const auto commit = cache.find_commit(name);
  if (!commit) return std::nullopt;
  const fs::path folder = cache.snapshot(name.repo, *commit);
  std::vector<std::string> paths;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored)) {
      paths.push_back(entry.path().lexically_relative(folder).generic_string());
    }
  }
  const auto is_there = [&](const std::string& pattern) {
    return std::ranges::any_of(
        paths, [&](const std::string& path) { return models::matches_pattern(pattern, path); });
  };
  if (!std::ranges::all_of(patterns, is_there)) return std::nullopt;
  return folder;
}

}  // namespace

Result<PullResult> pull(const RepoName& name, const HubCache& cache, const HubOptions& options) {
  if (options.offline) {
    const auto commit = cache.find_commit(name);
    const auto folder =
        options.files.empty() ? cache.find_model(name) : find_files(cache, name, options.files);
    if (folder) return PullResult{*folder, *commit, 0};
    const std::string missing =
        commit ? fmt::format(" (missing: {})",
                             fmt::join(missing_files(cache.snapshot(name.repo, *commit)), ", "))
               : "";
    return fail(ErrorCode::kNotFound,
                "{} at {} is not in {}{}, and offline nothing is fetched (--offline, "
                "HF_HUB_OFFLINE): run quire pull {} with a network",
                name.repo, name.revision, cache.root().string(), missing, name.repo);
  }
  return Puller(name, cache, options).run();
}

}  // namespace quire::cli
