// Small tokenizers, one for each way to combine the components, against the tokenizers library.
#include <gtest/gtest.h>

#include <filesystem>

#include "models/text/text_file.h"
#include "models/text/tokenizer.h"

namespace quire::text {
namespace {

using Ids = std::vector<std::int32_t>;

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  const std::string root = std::string(QUIRE_SOURCE_DIR) + "/tests/golden/tokenizers";
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class TokenizerGolden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder_ = std::string(QUIRE_SOURCE_DIR) + "/tests/golden/tokenizers/" + GetParam();
    auto loaded = load_tokenizer(folder_);
    ASSERT_TRUE(loaded) << loaded.error().message;
    tokenizer_ = std::move(*loaded);
    auto cases = read_json_if_present(folder_ + "/cases.json");
    ASSERT_TRUE(cases) << cases.error().message;
    cases_ = std::move(*cases);
  }

  std::string streamed(const Ids& ids, const DecodeOptions& options) const {
    StreamDecoder stream(*tokenizer_, options);
    std::string text;
    for (const std::int32_t id : ids) text += stream.push(id).value();
    return text + stream.finish().value();
  }

  std::string folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  Json cases_;
};

// Oracle: cases.json, written by tools/tokenizer_golden.py with the Python package tokenizers.
TEST_P(TokenizerGolden, EncodesAsTheReference) {
  for (const Json& json : cases_["encode"]) {
    const std::string text = json[0].get<std::string>();
    for (const bool special : {true, false}) {
      const auto ids = tokenizer_->encode(text, {.add_special_tokens = special});
      ASSERT_TRUE(ids) << ids.error().message;
      EXPECT_EQ(*ids, json[special ? 1 : 2].get<Ids>()) << json[0].dump();
    }
  }
}

// Oracle: as above for the whole text; the stream must add up to the same text, for each list of
// ids and each of its beginnings (a stream may end anywhere).
TEST_P(TokenizerGolden, DecodesAndStreamsAsTheReference) {
  for (const Json& json : cases_["decode"]) {
    const Ids ids = json[0].get<Ids>();
    for (const bool skip : {true, false}) {
      const DecodeOptions options{.skip_special_tokens = skip};
      const auto text = tokenizer_->decode(ids, options);
      ASSERT_TRUE(text) << text.error().message;
      EXPECT_EQ(*text, json[skip ? 1 : 2].get<std::string>()) << json[0].dump();
      for (std::size_t count = 0; count <= ids.size(); ++count) {
        const Ids start(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
        EXPECT_EQ(streamed(start, options), tokenizer_->decode(start, options).value());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGolden, testing::ValuesIn(golden_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace quire::text
