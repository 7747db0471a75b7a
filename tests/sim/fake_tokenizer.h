// A tokenizer whose tokens are letters, single bytes of longer characters, one special token and an
// end token.
#pragma once

#include <string>
#include <string_view>

#include "models/text/tokenizer.h"

namespace quire::sim {

// Replaces every maximal invalid part by U+FFFD, as Unicode recommends.
inline std::string sanitize(std::string_view bytes) {
  std::string out;
  std::size_t i = 0;
  const auto tail = [&](std::size_t at) {
    return at < bytes.size() && (static_cast<unsigned char>(bytes[at]) & 0xc0) == 0x80;
  };
  while (i < bytes.size()) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    // The tokens below make no other characters than these two.
    const std::string_view known = lead == 0xc3 ? "\xc3\xa9" : lead == 0xe2 ? "\xe2\x82\xac" : "";
    if (lead < 0x80) {
      out += bytes[i++];
    } else if (!known.empty() && bytes.substr(i, known.size()) == known) {
      out += known;
      i += known.size();
    } else {
      out += "\xef\xbf\xbd";
      std::size_t length = 1;
      const std::size_t most = known.empty() ? 1 : known.size() - 1;
      while (length < most && tail(i + length)) ++length;
      i += length;
    }
  }
  return out;
}

class FakeTokenizer final : public text::Tokenizer {
 public:
  static constexpr std::int32_t kEos = 0, kSpecial = 1;

  // c3 a9 is U+00E9, e2 82 ac is U+20AC; 82 and a9 may follow either, so the tokens can make
  // invalid and incomplete characters.
  static std::string bytes(std::int32_t id, bool skip_special) {
    if (id == kEos) return skip_special ? "" : "</s>";
    if (id == kSpecial) return skip_special ? "" : "<s>";
    switch (id) {
      case 2:
        return "\xc3";
      case 3:
        return "\xa9";
      case 4:
        return "\xe2";
      case 5:
        return "\x82";
      case 6:
        return "\xac";
      default:
        return std::string(1, static_cast<char>('a' + (id - 7) % 26));
    }
  }

  Result<std::vector<std::int32_t>> encode(std::string_view,
                                           const text::EncodeOptions&) const override {
    return fail(ErrorCode::kUnsupported, "the fake tokenizer only decodes");
  }
  Result<std::string> decode(const std::vector<std::int32_t>& ids,
                             const text::DecodeOptions& options) const override {
    std::string all;
    for (const std::int32_t id : ids) all += bytes(id, options.skip_special_tokens);
    return sanitize(all);
  }
  std::int32_t vocab_size() const override { return 1 << 20; }
  std::string token(std::int32_t id) const override { return bytes(id, false); }
  std::optional<std::int32_t> token_id(std::string_view) const override { return std::nullopt; }
  bool is_special(std::int32_t id) const override { return id <= kSpecial; }
  std::optional<std::int32_t> bos_id() const override { return kSpecial; }
  std::optional<std::int32_t> eos_id() const override { return kEos; }
};

}  // namespace quire::sim
