// The kinds of pre-tokenizers; each finds the matches in a piece and says what becomes of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/text/pre_tokenizer.h"
#include "models/text/split_scanner.h"

namespace quire::text {

// Turns the matches in a piece into pieces, as `behavior` says. `matches` is consumed.
void split_by_matches(std::vector<Match>& matches, SplitBehavior behavior, const Piece& piece,
                      std::vector<Piece>& out);

// Splits where characters of a class stand.
class CharSplit final : public PreTokenizer {
 public:
  using Predicate = bool (*)(char32_t);
  CharSplit(Predicate predicate, SplitBehavior behavior)
      : predicate_(predicate), behavior_(behavior) {}
  Status apply(Pieces& pieces) const override;

 private:
  Predicate predicate_;
  SplitBehavior behavior_;
};

// Splits at one character and drops it.
class DelimiterSplit final : public PreTokenizer {
 public:
  explicit DelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}
  Status apply(Pieces& pieces) const override;

 private:
  char32_t delimiter_;
};

class RegexSplit final : public PreTokenizer {
 public:
  RegexSplit(Regex regex, SplitBehavior behavior, PatternMeans means)
      : regex_(std::move(regex)), behavior_(behavior), means_(means) {}
  Status apply(Pieces& pieces) const override;

 private:
  Regex regex_;
  SplitBehavior behavior_;
  PatternMeans means_;
};

// The known patterns, each match a piece.
class ScanSplit final : public PreTokenizer {
 public:
  explicit ScanSplit(ScanRules rules) : rules_(rules) {}
  Status apply(Pieces& pieces) const override;

 private:
  ScanRules rules_;
};

// Words of \w and runs of other signs; white space goes.
class WhitespaceSplit final : public PreTokenizer {
 public:
  Status apply(Pieces& pieces) const override;
};

// A change of script ends a piece; kana count as Han, blanks as whatever is around them.
class ScriptSplit final : public PreTokenizer {
 public:
  Status apply(Pieces& pieces) const override;
};

class FixedLengthSplit final : public PreTokenizer {
 public:
  explicit FixedLengthSplit(std::size_t chars) : chars_(chars) {}
  Status apply(Pieces& pieces) const override;

 private:
  std::size_t chars_;
};

enum class PrependScheme { kFirst, kNever, kAlways };

// Spaces become `replacement`, pieces get one in front, and each starts a piece.
class MetaspaceStep final : public PreTokenizer {
 public:
  MetaspaceStep(char32_t replacement, PrependScheme scheme, bool split);
  Status apply(Pieces& pieces) const override;

 private:
  std::string replacement_;
  PrependScheme scheme_;
  bool split_;
};

// A space in front of each piece that has none.
class PrefixSpaceStep final : public PreTokenizer {
 public:
  Status apply(Pieces& pieces) const override;
};

class ByteMapStep final : public PreTokenizer {
 public:
  Status apply(Pieces& pieces) const override;
};

}  // namespace quire::text
