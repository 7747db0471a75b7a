// Reads the "pre_tokenizer" of a tokenizer.json.
#include "models/text/pre_tokenizer.h"

#include "models/text/pre_tokenizer_steps.h"
#include "models/text/spec.h"
#include "models/text/unicode.h"

namespace quire::text {
namespace {

Result<SplitBehavior> behavior_of(const SpecReader& spec) {
  QUIRE_ASSIGN(const std::string name, spec.string("behavior", "Isolated"));
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return spec.refuse("behavior", name);
}

class Reader {
 public:
  Status read(const SpecReader& spec) {
    if (steps_.ends_with_bytes) {
      steps_.steps.push_back(make_byte_mapper());
      steps_.ends_with_bytes = false;
    }
    QUIRE_ASSIGN(const std::string type, spec.type());
    if (type == "Sequence") {
      return spec.each("pretokenizers", [this](const SpecReader& child) { return read(child); });
    }
    if (type == "ByteLevel") return byte_level(spec);
    QUIRE_ASSIGN(auto step, make(spec, type));
    steps_.steps.push_back(std::move(step));
    return {};
  }
  PreTokenizerSteps take() { return std::move(steps_); }

 private:
  using Step = std::unique_ptr<PreTokenizer>;

  Status byte_level(const SpecReader& spec) {
    QUIRE_ASSIGN(const bool prefix, spec.boolean("add_prefix_space"));
    QUIRE_ASSIGN(const bool regex, spec.boolean("use_regex", true));
    if (prefix) steps_.steps.push_back(std::make_unique<PrefixSpaceStep>());
    if (regex) {
      steps_.steps.push_back(std::make_unique<ScanSplit>(
          ScanRules{.contractions = ScanRules::Contractions::kLowerCase, .gpt2 = true}));
    }
    steps_.ends_with_bytes = true;
    return {};
  }

  Result<Step> make(const SpecReader& spec, const std::string& type) {
    if (type == "Split") return split(spec);
    if (type == "Metaspace") return metaspace(spec);
    if (type == "Whitespace") return std::make_unique<WhitespaceSplit>();
    if (type == "WhitespaceSplit") {
      return std::make_unique<CharSplit>(&is_white_space, SplitBehavior::kRemoved);
    }
    if (type == "Digits") {
      QUIRE_ASSIGN(const bool individual, spec.boolean("individual_digits"));
      return std::make_unique<CharSplit>(
          &is_number, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
    }
    if (type == "Punctuation") {
      QUIRE_ASSIGN(const SplitBehavior behavior, behavior_of(spec));
      return std::make_unique<CharSplit>(&is_punctuation, behavior);
    }
    if (type == "BertPreTokenizer") {
      steps_.steps.push_back(std::make_unique<CharSplit>(&is_white_space, SplitBehavior::kRemoved));
      return std::make_unique<CharSplit>(&is_punctuation, SplitBehavior::kIsolated);
    }
    if (type == "UnicodeScripts") return std::make_unique<ScriptSplit>();
    if (type == "CharDelimiterSplit" || type == "Delimiter") {
      QUIRE_ASSIGN(const char32_t delimiter, spec.character("delimiter"));
      return std::make_unique<DelimiterSplit>(delimiter);
    }
    if (type == "FixedLength") {
      QUIRE_ASSIGN(const std::int64_t length, spec.integer("length", 1, 1 << 20));
      return std::make_unique<FixedLengthSplit>(static_cast<std::size_t>(length));
    }
    return spec.refuse("type", type);
  }

  static Result<Step> split(const SpecReader& spec) {
    QUIRE_ASSIGN(const SpecPattern pattern, spec.pattern("pattern"));
    QUIRE_ASSIGN(const std::string behavior_name, spec.string("behavior"));
    QUIRE_ASSIGN(const SplitBehavior behavior, behavior_of(spec));
    QUIRE_ASSIGN(const bool invert, spec.boolean("invert"));
    const PatternMeans means = invert ? PatternMeans::kPieces : PatternMeans::kSeparators;
    if (pattern.is_regex) {
      return spec.at(make_regex_split(pattern.text, behavior, means));
    }
    QUIRE_ASSIGN(Regex regex, spec.at(Regex::compile_literal(pattern.text)));
    return std::make_unique<RegexSplit>(std::move(regex), behavior, means);
  }

  // Old files say add_prefix_space, new ones prepend_scheme; both must agree.
  static Result<Step> metaspace(const SpecReader& spec) {
    QUIRE_ASSIGN(const MetaspaceSpec read, spec.metaspace());
    return std::make_unique<MetaspaceStep>(read.replacement, read.scheme, read.split);
  }

  PreTokenizerSteps steps_;
};

}  // namespace

Result<PreTokenizerSteps> make_pre_tokenizer(const Json& spec, std::string_view where) {
  Reader reader;
  if (!spec.is_null()) QUIRE_TRY(reader.read(SpecReader(spec, std::string(where))));
  return reader.take();
}

std::unique_ptr<PreTokenizer> make_byte_mapper() { return std::make_unique<ByteMapStep>(); }

Result<std::unique_ptr<PreTokenizer>> make_regex_split(std::string_view pattern,
                                                       SplitBehavior behavior, PatternMeans means) {
  const bool all_kept = behavior == SplitBehavior::kIsolated ||
                        (behavior == SplitBehavior::kRemoved && means == PatternMeans::kPieces);
  if (const auto rules = recognise_scan(pattern); rules && all_kept) {
    return std::make_unique<ScanSplit>(*rules);
  }
  QUIRE_ASSIGN(Regex regex, Regex::compile(pattern));
  return std::make_unique<RegexSplit>(std::move(regex), behavior, means);
}

}  // namespace quire::text
