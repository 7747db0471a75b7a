// libsentencepiece encodes; spelling and decoding are the pipeline's.
#include "models/text/sentencepiece_model.h"

#include <sentencepiece_processor.h>

namespace quire::text {
namespace {

// A normalizer_spec that says add_dummy_prefix: false; appended to a model it overrides its own,
// because repeated singular messages merge (protocol buffers, encoding, "Last One Wins").
constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

using Processor = sentencepiece::SentencePieceProcessor;

Result<std::unique_ptr<Processor>> make_processor(std::string_view bytes) {
  auto processor = std::make_unique<Processor>();
  const auto status = processor->LoadFromSerializedProto({bytes.data(), bytes.size()});
  if (!status.ok()) return fail(ErrorCode::kInvalid, "SentencePiece model: {}", status.ToString());
  return processor;
}

class SentencePieceModel final : public TokenModel {
 public:
  explicit SentencePieceModel(std::unique_ptr<Processor> processor)
      : processor_(std::move(processor)) {}

  Status prepare(std::string_view bytes, const SentencePieceFile& file,
                 const SentencePieceOptions& options) {
    if (file.add_dummy_prefix && options.dummy_prefix == DummyPrefix::kFirstOnly) {
      QUIRE_ASSIGN(later_, make_processor(std::string(bytes).append(kNoDummyPrefix)));
    }
    if (processor_->GetPieceSize() != static_cast<int>(file.pieces.size())) {
      return fail(ErrorCode::kInvalid, "SentencePiece model: the library finds {} of {} pieces",
                  processor_->GetPieceSize(), file.pieces.size());
    }
    for (std::size_t i = 0; i < file.pieces.size(); ++i) {
      const std::int32_t id = number(static_cast<std::int32_t>(i), file, options.numbering);
      QUIRE_TRY(vocab_.add(file.pieces[i].text, id));
      ids_.push_back(id);
    }
    if (options.numbering == PieceNumbering::kFairseq && vocab_.find("<pad>") < 0) {
      return vocab_.add("<pad>", 1);
    }
    return {};
  }

  Status encode(std::string_view piece, std::vector<std::int32_t>& ids) const override {
    return encode_with(*processor_, piece, ids);
  }
  Status encode_at(PiecePlace place, std::string_view piece,
                   std::vector<std::int32_t>& ids) const override {
    const bool later = place == PiecePlace::kLater && later_ != nullptr;
    return encode_with(later ? *later_ : *processor_, piece, ids);
  }
  const Vocab& vocab() const override { return vocab_; }

 private:
  static std::int32_t number(std::int32_t piece, const SentencePieceFile& file,
                             PieceNumbering numbering) {
    if (numbering == PieceNumbering::kPlain) return piece;
    if (piece == file.unk_id) return 3;
    if (piece == file.bos_id) return 0;
    if (piece == file.eos_id) return 2;
    return piece + 1;
  }

  Status encode_with(const Processor& processor, std::string_view piece,
                     std::vector<std::int32_t>& ids) const {
    std::vector<int> found;
    const auto status = processor.Encode({piece.data(), piece.size()}, &found);
    if (!status.ok()) {
      return fail(ErrorCode::kInvalid, "SentencePiece on {} bytes: {}", piece.size(),
                  status.ToString());
    }
    for (const int id : found) {
      if (id < 0 || static_cast<std::size_t>(id) >= ids_.size()) {
        return fail(ErrorCode::kInternal, "SentencePiece gave the piece {} of {}", id, ids_.size());
      }
      ids.push_back(ids_[static_cast<std::size_t>(id)]);
    }
    return {};
  }

  std::unique_ptr<Processor> processor_;
  std::unique_ptr<Processor> later_;  // without dummy prefix; null: as processor_
  Vocab vocab_;
  std::vector<std::int32_t> ids_;  // of each piece
};

}  // namespace

Result<std::unique_ptr<TokenModel>> make_sentencepiece_model(std::string_view bytes,
                                                             const SentencePieceFile& file,
                                                             const SentencePieceOptions& options) {
  QUIRE_ASSIGN(auto processor, make_processor(bytes));
  auto model = std::make_unique<SentencePieceModel>(std::move(processor));
  QUIRE_TRY(model->prepare(bytes, file, options));
  return model;
}

}  // namespace quire::text
