// Checkpoints whose tokenizer is a SentencePiece model.
#include "models/text/decoder_stages.h"
#include "models/text/sentencepiece_model.h"
#include "models/text/slow_files.h"

namespace quire::text {
namespace {

using PieceType = SentencePieceFile::PieceType;

bool is_class(const TokenizerConfig& config, std::string_view start) {
  return config.tokenizer_class.starts_with(start);
}

SentencePieceOptions options_of(const TokenizerConfig& config) {
  SentencePieceOptions options;
  const bool fairseq = is_class(config, "XLMRoberta") || is_class(config, "Camembert");
  if (fairseq) options.numbering = PieceNumbering::kFairseq;
  // Llama's "legacy" is false where nothing is said; other classes do not know it.
  const bool legacy = config.legacy.value_or(!is_class(config, "Llama"));
  if (!legacy) options.dummy_prefix = DummyPrefix::kFirstOnly;
  return options;
}

// The library's own names for bos, eos, unk and pad hold where the configuration names none.
TokenizerConfig with_names(const TokenizerConfig& config, const SentencePieceFile& file) {
  TokenizerConfig out = config;
  const auto name = [&](const char* key, std::int32_t id) {
    if (id < 0 || out.find(key) != nullptr) return;
    out.named[key] = AddedToken{.content = file.pieces[id].text, .special = true};
  };
  name("bos_token", file.bos_id);
  name("eos_token", file.eos_id);
  name("unk_token", file.unk_id);
  name("pad_token", file.pad_id);
  return out;
}

std::vector<MakeStage> decoder_of(const SentencePieceFile& file) {
  std::vector<MakeStage> stages;
  stages.push_back([](DecodeSink& next) -> std::unique_ptr<DecodeSink> {
    return std::make_unique<LiteralReplaceStage>(next, "\xE2\x96\x81", " ");
  });
  stages.push_back([](DecodeSink& next) -> std::unique_ptr<DecodeSink> {
    return std::make_unique<ByteFallbackStage>(next);
  });
  stages.push_back([](DecodeSink& next) -> std::unique_ptr<DecodeSink> {
    return std::make_unique<FuseStage>(next);
  });
  if (file.add_dummy_prefix) {
    stages.push_back([](DecodeSink& next) -> std::unique_ptr<DecodeSink> {
      return std::make_unique<StripStage>(next, U' ', 1, 0);
    });
  }
  return stages;
}

// Which special tokens stand around a text: as the configuration says, else as the class does.
PostProcessor post_processor_of(const TokenizerConfig& config, const PipelineParts& parts) {
  const bool both = is_class(config, "XLMRoberta") || is_class(config, "Camembert");
  const bool only_eos = is_class(config, "T5") || is_class(config, "Pegasus");
  const bool bos = config.add_bos_token.value_or(!only_eos);
  const bool eos = config.add_eos_token.value_or(only_eos || both);
  return make_bos_eos(bos ? parts.bos_id : std::nullopt, eos ? parts.eos_id : std::nullopt);
}

}  // namespace

Result<PipelineParts> parts_of_sentencepiece(std::string_view bytes,
                                             const TokenizerConfig& config) {
  QUIRE_ASSIGN(const SentencePieceFile file, read_sentencepiece_file(bytes));
  PipelineParts parts;
  QUIRE_ASSIGN(parts.model, make_sentencepiece_model(bytes, file, options_of(config)));
  parts.decoder = decoder_of(file);
  // The library finds user-defined pieces itself, but never a control piece.
  for (const SentencePieceFile::Piece& piece : file.pieces) {
    if (piece.type != PieceType::kControl) continue;
    QUIRE_TRY(parts.added.add({.content = piece.text, .special = true}, parts.model->vocab()));
  }
  QUIRE_TRY(apply_tokenizer_config(with_names(config, file), parts));
  parts.post_processor = post_processor_of(config, parts);
  return parts;
}

}  // namespace quire::text
