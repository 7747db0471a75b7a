// Reads the "decoder" of a tokenizer.json and chains its stages.
#include "models/text/decoder.h"

#include "models/text/decoder_stages.h"
#include "models/text/spec.h"

namespace quire::text {
namespace {

// Binds the arguments that a stage takes behind `next`.
template <class Stage, class... Args>
MakeStage stage(Args... args) {
  return [args...](DecodeSink& next) -> std::unique_ptr<DecodeSink> {
    return std::make_unique<Stage>(next, args...);
  };
}

Result<MakeStage> make_replace(const SpecReader& spec) {
  QUIRE_ASSIGN(const SpecPattern pattern, spec.pattern("pattern"));
  QUIRE_ASSIGN(const std::string content, spec.string("content"));
  if (!pattern.is_regex && !pattern.text.empty()) {
    return stage<LiteralReplaceStage>(pattern.text, content);
  }
  QUIRE_ASSIGN(const Regex regex, spec.at(pattern.is_regex ? Regex::compile(pattern.text)
                                                           : Regex::compile_literal("")));
  return stage<RegexReplaceStage>(regex, content);
}

Result<MakeStage> make_strip(const SpecReader& spec) {
  QUIRE_ASSIGN(const char32_t content, spec.character("content"));
  QUIRE_ASSIGN(const std::int64_t start, spec.integer("start", 0, 1 << 20));
  QUIRE_ASSIGN(const std::int64_t stop, spec.integer("stop", 0, 1 << 20));
  return stage<StripStage>(content, static_cast<std::size_t>(start),
                           static_cast<std::size_t>(stop));
}

Result<MakeStage> make_stage(const SpecReader& spec, const std::string& type) {
  if (type == "ByteLevel") return make_byte_level_stage();
  if (type == "ByteFallback") return stage<ByteFallbackStage>();
  if (type == "Fuse") return stage<FuseStage>();
  if (type == "Strip") return make_strip(spec);
  if (type == "Replace") return make_replace(spec);
  if (type == "Metaspace") {
    QUIRE_ASSIGN(const MetaspaceSpec read, spec.metaspace());
    return stage<MetaspaceStage>(read.replacement, read.scheme != PrependScheme::kNever);
  }
  if (type == "WordPiece") {
    QUIRE_ASSIGN(const std::string prefix, spec.string("prefix"));
    QUIRE_ASSIGN(const bool cleanup, spec.boolean("cleanup"));
    return stage<WordPieceStage>(prefix, cleanup);
  }
  if (type == "CTC") {
    QUIRE_ASSIGN(const std::string pad, spec.string("pad_token"));
    QUIRE_ASSIGN(const std::string delimiter, spec.string("word_delimiter_token"));
    QUIRE_ASSIGN(const bool cleanup, spec.boolean("cleanup"));
    return stage<CtcStage>(pad, delimiter, cleanup);
  }
  if (type == "BPEDecoder") {
    QUIRE_ASSIGN(const std::string suffix, spec.string("suffix"));
    return stage<BpeSuffixStage>(suffix);
  }
  return spec.refuse("type", type);
}

Status append(const SpecReader& spec, std::vector<MakeStage>& out) {
  QUIRE_ASSIGN(const std::string type, spec.type());
  if (type == "Sequence") {
    return spec.each("decoders", [&out](const SpecReader& child) { return append(child, out); });
  }
  QUIRE_ASSIGN(MakeStage made, make_stage(spec, type));
  out.push_back(std::move(made));
  return {};
}

}  // namespace

Result<std::vector<MakeStage>> make_decoder(const Json& spec, std::string_view where) {
  std::vector<MakeStage> out;
  if (spec.is_null()) {
    out.push_back(stage<JoinStage>());
  } else {
    QUIRE_TRY(append(SpecReader(spec, std::string(where)), out));
  }
  return out;
}

std::vector<MakeStage> make_clean_up() {
  std::vector<MakeStage> out;
  out.push_back(stage<FuseStage>());
  constexpr std::pair<const char*, const char*> kRules[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) {
    out.push_back(stage<LiteralReplaceStage>(std::string(from), std::string(to)));
  }
  return out;
}

MakeStage make_byte_level_stage() { return stage<BytesStage>(BytesStage::Spelling::kAlphabet); }
MakeStage make_fallback_bytes_stage() { return stage<BytesStage>(BytesStage::Spelling::kFallback); }

class DecodeChain::Output final : public DecodeSink {
 public:
  Status text(std::string_view part) override {
    text_ += part;
    return {};
  }
  Status end_token() override { return {}; }
  Status finish() override { return {}; }
  std::string take() { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

DecodeChain::DecodeChain(const std::vector<MakeStage>& stages)
    : output_(std::make_unique<Output>()), head_(output_.get()) {
  for (auto make = stages.rbegin(); make != stages.rend(); ++make) {
    stages_.push_back((*make)(*head_));
    head_ = stages_.back().get();
  }
}

DecodeChain::~DecodeChain() = default;

Status DecodeChain::push(std::string_view token) {
  QUIRE_TRY(head_->text(token));
  return head_->end_token();
}

Status DecodeChain::finish() { return head_->finish(); }

std::string DecodeChain::take() { return output_->take(); }

}  // namespace quire::text
