// A tokenizer without words.
#include "engine/id_tokenizer.h"

namespace quire::engine {
namespace {

Status check_id(std::int32_t id, std::int32_t vocab) {
  if (id >= 0 && id < vocab) return {};
  return fail(ErrorCode::kInvalid, "token id {} is outside the vocabulary of {}", id, vocab);
}

class IdSession final : public text::DecodeSession {
 public:
  explicit IdSession(std::int32_t vocab) : vocab_(vocab) {}
  Result<std::string> push(std::int32_t id) override {
    QUIRE_TRY(check_id(id, vocab_));
    return std::string();
  }
  Result<std::string> finish() override { return std::string(); }

 private:
  std::int32_t vocab_;
};

class IdTokenizer final : public text::Tokenizer {
 public:
  explicit IdTokenizer(std::int32_t vocab) : vocab_(vocab) {}

  Result<std::vector<std::int32_t>> encode(std::string_view,
                                           const text::EncodeOptions&) const override {
    return fail(ErrorCode::kUnsupported, "the checkpoint has no tokenizer: send token ids");
  }
  Result<std::string> decode(const std::vector<std::int32_t>& ids,
                             const text::DecodeOptions&) const override {
    for (const std::int32_t id : ids) QUIRE_TRY(check_id(id, vocab_));
    return std::string();
  }
  std::unique_ptr<text::DecodeSession> start_decoding(const text::DecodeOptions&) const override {
    return std::make_unique<IdSession>(vocab_);
  }
  std::int32_t vocab_size() const override { return vocab_; }
  std::string token(std::int32_t) const override { return {}; }
  std::optional<std::int32_t> token_id(std::string_view) const override { return std::nullopt; }
  bool is_special(std::int32_t) const override { return false; }
  std::optional<std::int32_t> bos_id() const override { return std::nullopt; }
  std::optional<std::int32_t> eos_id() const override { return std::nullopt; }

 private:
  std::int32_t vocab_;
};

}  // namespace

std::unique_ptr<text::Tokenizer> make_id_tokenizer(std::int32_t vocab) {
  return std::make_unique<IdTokenizer>(vocab);
}

}  // namespace quire::engine
