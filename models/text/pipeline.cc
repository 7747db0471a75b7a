// Encoding: raw added tokens, normalizing, normalized added tokens, cutting, the model, special
// tokens. Decoding: spellings through the decoder's stages.
#include "models/text/pipeline.h"

#include <algorithm>

#include "models/text/unicode.h"

namespace quire::text {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{1} << 30;

class Pipeline final : public Tokenizer {
 public:
  explicit Pipeline(PipelineParts parts)
      : parts_(std::move(parts)),
        id_end_(std::max(parts_.added.id_end(), parts_.model->vocab().id_end())) {}

  Status prepare() { return parts_.added.finish(parts_.normalizers); }

  Result<std::vector<std::int32_t>> encode(std::string_view text,
                                           const EncodeOptions& options) const override {
    if (text.size() > kTextBytesMax) {
      return fail(ErrorCode::kInvalid, "text of {} bytes exceeds {}", text.size(), kTextBytesMax);
    }
    std::string sanitized;
    if (valid_utf8_prefix(text) != text.size()) {
      append_sanitized(sanitized, text);
      text = sanitized;
    }
    Pieces pieces(text);
    const bool skip_special = !options.parse_special || parts_.split_special_tokens;
    QUIRE_TRY(cut_at_added_tokens(text, skip_special, pieces));
    for (const auto& step : parts_.pre_tokenizers) QUIRE_TRY(step->apply(pieces));
    std::vector<std::int32_t> ids;
    ids.reserve(pieces.items.size() * 2 + 8);
    for (const Piece& piece : pieces.items) {
      if (piece.is_text()) {
        const bool start = piece.begin < pieces.first_char_end;
        QUIRE_TRY(parts_.model->encode_at(start ? PiecePlace::kStart : PiecePlace::kLater,
                                          pieces.text_of(piece), ids));
      } else {
        ids.push_back(piece.id);
      }
    }
    return parts_.post_processor.apply(std::move(ids), options.add_special_tokens);
  }

  Result<std::string> decode(const std::vector<std::int32_t>& ids,
                             const DecodeOptions& options) const override {
    DecodeChain chain(parts_.decoder);
    for (const std::int32_t id : ids) QUIRE_TRY(push(id, options, chain));
    QUIRE_TRY(chain.finish());
    return chain.take();
  }

  std::unique_ptr<DecodeSession> start_decoding(const DecodeOptions& options) const override {
    return std::make_unique<Session>(*this, options);
  }

  std::int32_t vocab_size() const override { return id_end_; }

  std::string token(std::int32_t id) const override {
    if (const AddedToken* added = parts_.added.find(id)) return added->content;
    return std::string(parts_.model->vocab().token(id));
  }

  std::optional<std::int32_t> token_id(std::string_view token) const override {
    std::int32_t id = parts_.added.find(token);
    if (id < 0) id = parts_.model->vocab().find(token);
    return id < 0 ? std::nullopt : std::optional(id);
  }

  bool is_special(std::int32_t id) const override { return parts_.added.is_special(id); }
  std::optional<std::int32_t> bos_id() const override { return parts_.bos_id; }
  std::optional<std::int32_t> eos_id() const override { return parts_.eos_id; }

 private:
  class Session final : public DecodeSession {
   public:
    Session(const Pipeline& tokenizer, const DecodeOptions& options)
        : tokenizer_(tokenizer), options_(options), chain_(tokenizer.parts_.decoder) {}
    Result<std::string> push(std::int32_t id) override {
      if (finished_) return fail(ErrorCode::kInternal, "token id {} after the stream's end", id);
      QUIRE_TRY(tokenizer_.push(id, options_, chain_));
      return chain_.take();
    }
    Result<std::string> finish() override {
      if (!finished_) QUIRE_TRY(chain_.finish());
      finished_ = true;
      return chain_.take();
    }

   private:
    const Pipeline& tokenizer_;
    DecodeOptions options_;
    DecodeChain chain_;
    bool finished_ = false;
  };

  // An id without a token inside the range is passed over, as in the reference.
  Status push(std::int32_t id, const DecodeOptions& options, DecodeChain& chain) const {
    if (id < 0 || id >= id_end_) {
      return fail(ErrorCode::kInvalid, "token id {} is outside the vocabulary of {}", id, id_end_);
    }
    if (const std::string* added = parts_.added.decoded(id)) {
      if (options.skip_special_tokens && parts_.added.is_special(id)) return {};
      return chain.push(*added);
    }
    if (!parts_.model->vocab().has(id)) return {};
    return chain.push(parts_.model->vocab().token(id));
  }

  Status cut_at_added_tokens(std::string_view text, bool skip_special, Pieces& pieces) const {
    using Stage = AddedTokens::Stage;
    std::vector<Piece> raw;
    parts_.added.split(text, {Stage::kRaw, skip_special, 0}, raw);
    const std::size_t first_char = text.empty() ? 0 : utf8_at(text, 0).bytes;
    if (parts_.normalizers.empty() && !parts_.added.has(Stage::kNormalized)) {
      pieces.items = std::move(raw);
      pieces.first_char_end = first_char;
      return {};
    }
    std::string all;
    all.reserve(text.size() + text.size() / 8 + 16);
    for (const Piece& piece : raw) {
      const auto base = static_cast<std::uint32_t>(all.size());
      if (!piece.is_text()) {
        pieces.items.push_back({base, base, piece.id});
        continue;
      }
      NormalText normal{std::string(text.substr(piece.begin, piece.end - piece.begin)),
                        piece.begin == 0 ? first_char : 0};
      QUIRE_TRY(normalize(parts_.normalizers, normal));
      if (base + normal.text.size() > kTextBytesMax) {
        return fail(ErrorCode::kInvalid, "normalized text exceeds {} bytes", kTextBytesMax);
      }
      parts_.added.split(normal.text, {Stage::kNormalized, skip_special, base}, pieces.items);
      if (piece.begin == 0) pieces.first_char_end = normal.first_char_end;
      all += normal.text;
    }
    pieces.replace_text(std::move(all));
    return {};
  }

  PipelineParts parts_;
  std::int32_t id_end_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_pipeline(PipelineParts parts) {
  auto pipeline = std::make_unique<Pipeline>(std::move(parts));
  QUIRE_TRY(pipeline->prepare());
  return pipeline;
}

}  // namespace quire::text
