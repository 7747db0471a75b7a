// PLaMo's tokenizer.jsonl: a unigram model with integer costs, searched from the end of the text.
#include <array>
#include <cmath>
#include <limits>

#include "models/text/byte_trie.h"
#include "models/text/slow_files.h"
#include "models/text/spec.h"
#include "models/text/text_file.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

// One unit is a ten-thousandth of a score; a character that no token covers costs this much.
constexpr std::int64_t kUnknownCost = 10'000'000;
constexpr double kUnitsPerScore = 1e4;

struct PlamoToken {
  std::string text;
  double score = 0;
  bool is_byte = false;
};

class PlamoModel final : public TokenModel {
 public:
  Status prepare(const std::vector<PlamoToken>& tokens) {
    bytes_.fill(-1);
    std::vector<std::pair<std::string_view, std::int32_t>> searched;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      const PlamoToken& token = tokens[i];
      QUIRE_TRY(vocab_.add(token.text, id));
      costs_.push_back(-static_cast<std::int64_t>(std::nearbyint(token.score * kUnitsPerScore)));
      if (!token.is_byte) {
        if (!token.text.empty()) searched.emplace_back(token.text, id);
        continue;
      }
      QUIRE_ASSIGN(const int byte, byte_of(token.text, i));
      bytes_[static_cast<std::size_t>(byte)] = id;
    }
    for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
      if (bytes_[byte] < 0) return fail(ErrorCode::kInvalid, "no token for the byte {:#04x}", byte);
    }
    trie_ = ByteTrie(std::move(searched));
    return {};
  }

  // Of equally cheap cuts the one whose first token is longest wins, at each position.
  Status encode(std::string_view piece, std::vector<std::int32_t>& ids) const override {
    struct Best {
      std::int64_t cost = 0;
      std::size_t bytes = 0;
      std::int32_t id = -1;  // -1: one character by its bytes
    };
    std::vector<Best> best(piece.size() + 1);
    std::vector<std::pair<std::size_t, std::int32_t>> found;
    for (std::size_t end = piece.size(); end > 0;) {
      const std::size_t at = utf8_previous(piece, end);
      found.clear();
      trie_.each_prefix(piece.substr(at), [&found](std::size_t bytes, std::int32_t id) {
        found.emplace_back(bytes, id);
      });
      Best choice{std::numeric_limits<std::int64_t>::max(), 0, -1};
      for (auto match = found.rbegin(); match != found.rend(); ++match) {
        const std::int64_t cost = best[at + match->first].cost + costs_[match->second];
        if (cost < choice.cost) choice = {cost, match->first, match->second};
      }
      const std::int64_t unknown = best[end].cost + kUnknownCost;
      if (unknown < choice.cost) choice = {unknown, end - at, -1};
      best[at] = choice;
      end = at;
    }
    for (std::size_t at = 0; at < piece.size(); at += best[at].bytes) {
      if (best[at].id >= 0) {
        ids.push_back(best[at].id);
        continue;
      }
      for (const char byte : piece.substr(at, best[at].bytes)) {
        ids.push_back(bytes_[static_cast<unsigned char>(byte)]);
      }
    }
    return {};
  }
  const Vocab& vocab() const override { return vocab_; }

 private:
  static Result<int> byte_of(std::string_view text, std::size_t line) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    if (text.size() == 6 && text.starts_with("<0x") && text.ends_with('>')) {
      const std::size_t high = kDigits.find(text[3]);
      const std::size_t low = kDigits.find(text[4]);
      if (high != std::string_view::npos && low != std::string_view::npos) {
        return static_cast<int>(high * 16 + low);
      }
    }
    return fail(ErrorCode::kInvalid, "line {}: byte token \"{}\" is not <0x00> to <0xFF>", line + 1,
                text.substr(0, 32));
  }

  Vocab vocab_;
  std::vector<std::int64_t> costs_;
  std::array<std::int32_t, 256> bytes_{};
  ByteTrie trie_;
};

// ["token", score, "NORMAL" | "BYTE" | ...]
Result<PlamoToken> read_line(std::string_view line, std::size_t number) {
  QUIRE_ASSIGN(const Json json, parse_json(line));
  if (!json.is_array() || json.size() < 2) {
    return fail(ErrorCode::kInvalid, "line {} must be [token, score, ...]", number);
  }
  const std::string where = fmt::format("line {}", number);
  PlamoToken token;
  QUIRE_ASSIGN(token.text, json_string(json[0], where));
  QUIRE_ASSIGN(token.score, json_number(json[1], where, -1e6, 1e6));
  token.is_byte = json.size() > 2 && json[2] == "BYTE";
  return token;
}

}  // namespace

Result<PipelineParts> parts_of_plamo(std::string_view bytes, const TokenizerConfig& config) {
  std::vector<PlamoToken> tokens;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    QUIRE_ASSIGN(PlamoToken token, read_line(line, tokens.size() + 1));
    tokens.push_back(std::move(token));
  }
  auto model = std::make_unique<PlamoModel>();
  QUIRE_TRY(model->prepare(tokens));
  PipelineParts parts;
  parts.model = std::move(model);
  parts.decoder.push_back(make_fallback_bytes_stage());
  TokenizerConfig named = config;
  for (const char* name : {"bos", "eos", "unk", "pad"}) {
    const std::string content = fmt::format("<|plamo:{}|>", name);
    const std::string key = fmt::format("{}_token", name);
    if (named.find(key) != nullptr || parts.model->vocab().find(content) < 0) continue;
    named.named[key] = AddedToken{.content = content, .special = true};
  }
  QUIRE_TRY(apply_tokenizer_config(named, parts));
  parts.post_processor =
      make_bos_eos(config.add_bos_token.value_or(false) ? parts.bos_id : std::nullopt,
                   config.add_eos_token.value_or(false) ? parts.eos_id : std::nullopt);
  return parts;
}

}  // namespace quire::text
