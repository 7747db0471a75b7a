// The single decoders; see decoder.h for how they are fed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/text/decoder.h"
#include "models/text/regex.h"

namespace quire::text {

// Gathers each token until its end, for stages that need tokens whole.
class WholeTokenStage : public DecodeSink {
 public:
  explicit WholeTokenStage(DecodeSink& next) : next_(next) {}
  Status text(std::string_view part) final {
    token_ += part;
    return {};
  }
  Status end_token() final {
    const std::string token = std::exchange(token_, {});
    return whole(token);
  }
  Status finish() override { return next_.finish(); }

 protected:
  virtual Status whole(std::string_view token) = 0;
  Status emit(std::string_view token) {
    QUIRE_TRY(next_.text(token));
    return next_.end_token();
  }
  DecodeSink& next_;

 private:
  std::string token_;
};

// Tokens become bytes, all tokens one text; invalid UTF-8 becomes U+FFFD.
class BytesStage final : public WholeTokenStage {
 public:
  enum class Spelling {
    kAlphabet,  // in the byte alphabet; a token with other characters stands for itself
    kFallback,  // "<0x0A>" is a byte, other tokens stand for themselves
  };
  BytesStage(DecodeSink& next, Spelling spelling) : WholeTokenStage(next), spelling_(spelling) {}
  Status finish() override;

 private:
  Status whole(std::string_view token) override;
  Status flush(bool at_end);
  Spelling spelling_;
  std::string bytes_;  // the start of a sequence that may still become valid
};

// Runs of <0x..> tokens become their bytes when all of the run is valid UTF-8, else as many U+FFFD.
class ByteFallbackStage final : public WholeTokenStage {
 public:
  using WholeTokenStage::WholeTokenStage;
  Status finish() override;

 private:
  Status whole(std::string_view token) override;
  Status flush();
  std::string bytes_;
};

// All tokens become one.
class FuseStage final : public DecodeSink {
 public:
  explicit FuseStage(DecodeSink& next) : next_(next) {}
  Status text(std::string_view part) override { return next_.text(part); }
  Status end_token() override { return {}; }
  Status finish() override {
    QUIRE_TRY(next_.end_token());
    return next_.finish();
  }

 private:
  DecodeSink& next_;
};

// Drops up to `start` characters `content` in front of each token and up to `stop` behind it.
class StripStage final : public DecodeSink {
 public:
  StripStage(DecodeSink& next, char32_t content, std::size_t start, std::size_t stop);
  Status text(std::string_view part) override;
  Status end_token() override;
  Status finish() override { return next_.finish(); }

 private:
  DecodeSink& next_;
  std::string content_;
  std::size_t start_;
  std::size_t stop_;
  std::size_t dropped_ = 0;  // in front of this token
  bool in_front_ = true;     // only `content` came so far
  std::size_t held_ = 0;     // characters `content` whose fate what follows decides
};

// Replaces what a pattern matches in each token.
class RegexReplaceStage final : public WholeTokenStage {
 public:
  RegexReplaceStage(DecodeSink& next, Regex regex, std::string content)
      : WholeTokenStage(next), regex_(std::move(regex)), content_(std::move(content)) {}

 private:
  Status whole(std::string_view token) override;
  Regex regex_;
  std::string content_;
};

// Replaces a text in each token, from the left; holds back only what may be the start of a match.
class LiteralReplaceStage final : public DecodeSink {
 public:
  LiteralReplaceStage(DecodeSink& next, std::string pattern, std::string content)
      : next_(next), pattern_(std::move(pattern)), content_(std::move(content)) {}
  Status text(std::string_view part) override;
  Status end_token() override;
  Status finish() override { return next_.finish(); }

 private:
  DecodeSink& next_;
  std::string pattern_;  // not empty
  std::string content_;
  std::string held_;  // a proper prefix of the pattern
};

// The replacement character becomes a space, or nothing in the first token.
class MetaspaceStage final : public DecodeSink {
 public:
  MetaspaceStage(DecodeSink& next, char32_t replacement, bool drops_first);
  Status text(std::string_view part) override;
  Status end_token() override;
  Status finish() override { return next_.finish(); }

 private:
  DecodeSink& next_;
  std::string replacement_;
  bool drops_;  // in the token at hand
};

class WordPieceStage final : public WholeTokenStage {
 public:
  WordPieceStage(DecodeSink& next, std::string prefix, bool cleanup)
      : WholeTokenStage(next), prefix_(std::move(prefix)), cleanup_(cleanup) {}

 private:
  Status whole(std::string_view token) override;
  std::string prefix_;
  bool cleanup_;
  bool first_ = true;
};

class CtcStage final : public WholeTokenStage {
 public:
  CtcStage(DecodeSink& next, std::string pad, std::string delimiter, bool cleanup)
      : WholeTokenStage(next),
        pad_(std::move(pad)),
        delimiter_(std::move(delimiter)),
        cleanup_(cleanup) {}

 private:
  Status whole(std::string_view token) override;
  std::string pad_;
  std::string delimiter_;
  bool cleanup_;
  bool any_ = false;
  std::string last_;
};

// The end-of-word suffix becomes a space, and nothing in the last token.
class BpeSuffixStage final : public WholeTokenStage {
 public:
  BpeSuffixStage(DecodeSink& next, std::string suffix)
      : WholeTokenStage(next), suffix_(std::move(suffix)) {}
  Status finish() override;

 private:
  Status whole(std::string_view token) override;
  std::string suffix_;
  bool any_ = false;
  std::string last_;
};

// A space between tokens.
class JoinStage final : public DecodeSink {
 public:
  explicit JoinStage(DecodeSink& next) : next_(next) {}
  Status text(std::string_view part) override;
  Status end_token() override;
  Status finish() override { return next_.finish(); }

 private:
  Status start();
  DecodeSink& next_;
  bool any_ = false;
  bool started_ = false;
};

// Every `from` in `text` becomes `to`, from the left; an empty `from` stands between all
// characters, as in Rust.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
// The clean-up that the WordPiece and CTC decoders share.
std::string clean_up_token(std::string_view token);

}  // namespace quire::text
