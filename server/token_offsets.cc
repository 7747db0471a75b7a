// Tokens are laid along the text by their bytes.
#include "server/token_offsets.h"

#include <string>

#include "server/token_text.h"

namespace quire::server {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }

}  // namespace

std::optional<TokenOffsets> token_offsets(const text::Tokenizer& tokenizer,
                                          std::span<const std::int32_t> ids,
                                          std::string_view text) {
  // Of each byte, the character that it belongs to.
  std::vector<std::int64_t> character_of;
  character_of.reserve(text.size());
  std::int64_t count = 0;
  for (const char c : text) character_of.push_back(count += begins_character(c) ? 1 : 0);
  TokenOffsets out;
  out.reserve(ids.size());
  std::size_t at = 0;
  for (const std::int32_t id : ids) {
    const std::string bytes = token_text(tokenizer, id).bytes;
    const std::string_view rest = text.substr(at);
    const std::string_view bare = std::string_view(bytes).substr(bytes.starts_with(' ') ? 1 : 0);
    std::size_t length = bytes.size();
    if (!rest.starts_with(bytes)) {
      if (rest.starts_with(' ') && rest.substr(1).starts_with(bytes)) {
        ++length;  // a space that the token loses when it stands alone
      } else if (at == 0 && bare.size() < bytes.size() && rest.starts_with(bare)) {
        length = bare.size();  // a space that the tokenizer put there
      } else if (tokenizer.is_special(id)) {
        length = 0;  // not in the text: the tokenizer put it there
      } else {
        return std::nullopt;
      }
    }
    const std::int64_t begin = at < text.size() ? character_of[at] - 1 : count;
    out.emplace_back(begin, length == 0 ? begin : character_of[at + length - 1]);
    at += length;
  }
  if (at != text.size()) return std::nullopt;
  return out;
}

Json offsets_json(const std::optional<TokenOffsets>& offsets) {
  if (!offsets) return nullptr;
  Json out = Json::array();
  for (const auto& [begin, end] : *offsets) out.push_back({begin, end});
  return out;
}

}  // namespace quire::server
