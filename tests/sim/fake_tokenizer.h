// A tokenizer whose tokens are letters, single bytes of longer characters, one special token and an
// end token.
#pragma once

#include <string>
#include <string_view>
#include <utility>

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
    // The tokens below make no other characters; U+FFFD stays what it is.
    const std::string_view known = lead == 0xc3   ? "\xc3\xa9"
                                   : lead == 0xe2 ? "\xe2\x82\xac"
                                   : lead == 0xef ? "\xef\xbf\xbd"
                                                  : "";
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
  std::unique_ptr<text::DecodeSession> start_decoding(
      const text::DecodeOptions& options) const override {
    return std::make_unique<Session>(options.skip_special_tokens);
  }
  std::int32_t vocab_size() const override { return 1 << 20; }
  std::string token(std::int32_t id) const override { return bytes(id, false); }
  std::optional<std::int32_t> token_id(std::string_view) const override { return std::nullopt; }
  bool is_special(std::int32_t id) const override { return id <= kSpecial; }
  std::optional<std::int32_t> bos_id() const override { return kSpecial; }
  std::optional<std::int32_t> eos_id() const override { return kEos; }

 private:
  // Holds back an unfinished character.
  class Session final : public text::DecodeSession {
   public:
    explicit Session(bool skip_special) : skip_special_(skip_special) {}
    Result<std::string> push(std::int32_t id) override {
      held_ += bytes(id, skip_special_);
      std::size_t keep = 0;
      for (const std::string_view open : {"\xc3", "\xe2", "\xe2\x82"}) {
        if (held_.ends_with(open)) keep = open.size();
      }
      const std::size_t ready = held_.size() - keep;
      std::string text = sanitize(std::string_view(held_).substr(0, ready));
      held_.erase(0, ready);
      return text;
    }
    Result<std::string> finish() override { return sanitize(std::exchange(held_, {})); }

   private:
    bool skip_special_;
    std::string held_;
  };
};

}  // namespace quire::sim
