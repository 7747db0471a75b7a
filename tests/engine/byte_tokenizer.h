// A tokenizer whose tokens are the 256 bytes and three special ones.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "models/text/tokenizer.h"

namespace quire::engine {

// Ids 0..255 are bytes, 256 is BOS, 257 EOS, 258 "<|end|>".
class ByteTokenizer final : public text::Tokenizer {
 public:
  static constexpr std::int32_t kBos = 256, kEos = 257, kEnd = 258, kVocab = 259;

  Result<std::vector<std::int32_t>> encode(std::string_view text,
                                           const text::EncodeOptions& options) const override {
    std::vector<std::int32_t> ids;
    for (std::size_t at = 0; at < text.size();) {
      const bool end = options.parse_special && text.substr(at).starts_with("<|end|>");
      ids.push_back(end ? kEnd : static_cast<unsigned char>(text[at]));
      at += end ? 7 : 1;
    }
    return ids;
  }
  Result<std::string> decode(const std::vector<std::int32_t>& ids,
                             const text::DecodeOptions& options) const override {
    std::string text;
    for (const std::int32_t id : ids) {
      if (!is_special(id) || !options.skip_special_tokens) text += token(id);
    }
    return text;
  }
  std::unique_ptr<text::DecodeSession> start_decoding(const text::DecodeOptions&) const override {
    return nullptr;
  }
  std::int32_t vocab_size() const override { return kVocab; }
  std::string token(std::int32_t id) const override {
    if (id == kBos) return "<bos>";
    if (id == kEos) return "<eos>";
    return id == kEnd ? "<|end|>" : std::string(1, static_cast<char>(id));
  }
  std::optional<std::int32_t> token_id(std::string_view token) const override {
    if (token.size() == 1) return static_cast<unsigned char>(token[0]);
    return token == "<|end|>" ? std::optional(kEnd) : std::nullopt;
  }
  bool is_special(std::int32_t id) const override { return id >= kBos; }
  std::optional<std::int32_t> bos_id() const override { return kBos; }
  std::optional<std::int32_t> eos_id() const override { return kEos; }
};

}  // namespace quire::engine
