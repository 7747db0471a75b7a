// Hostile and broken tokenizer files: each is refused, and the message names the file, the key and
// the value. Oracle: what each case breaks is written beside it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "models/text/tokenize_lines.h"
#include "models/text/tokenizer.h"

namespace quire::text {
namespace {

class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(testing::TempDir() + fmt::format("broken_{}_{}", ::getpid(), name)) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << bytes;
  }
  std::string error() const {
    const auto loaded = load_tokenizer(path_);
    return loaded ? "" : loaded.error().message;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string with_model(const std::string& model, const std::string& more = "") {
  return R"({"version": "1.0", "added_tokens": [], "model": )" + model + more + "}";
}

struct Broken {
  const char* name;
  std::string json;
  std::vector<const char*> says;
};

const std::string kSmall = R"({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []})";

const std::vector<Broken>& broken_files() {
  static const std::vector<Broken> kCases = {
      {"no_json", "{", {"tokenizer.json"}},
      {"no_model", R"({"version": "1.0"})", {"model must be an object"}},
      {"model_type", with_model(R"({"type": "Magic"})"), {"model.type", "Magic"}},
      {"negative_id",
       with_model(R"({"type": "BPE", "vocab": {"a": -1}, "merges": []})"),
       {"model.vocab", "\"a\"", "-1"}},
      {"huge_id",
       with_model(R"({"type": "BPE", "vocab": {"a": 4294967296}, "merges": []})"),
       {"model.vocab", "4294967296"}},
      {"gap",
       with_model(R"({"type": "BPE", "vocab": {"a": 9000000}, "merges": []})"),
       {"9000000", "only 1 tokens"}},
      {"fraction",
       with_model(R"({"type": "BPE", "vocab": {"a": 1.5}, "merges": []})"),
       {"model.vocab", "1.5"}},
      {"same_id",
       with_model(R"({"type": "BPE", "vocab": {"a": 1, "b": 1}, "merges": []})"),
       {"\"a\" and \"b\"", "1"}},
      {"merge_unknown",
       with_model(R"({"type": "BPE", "vocab": {"a": 0}, "merges": ["a x"]})"),
       {"merges[0]", "\"x\""}},
      {"merge_result",
       with_model(R"({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]})"),
       {"merges[0]", "\"ab\""}},
      {"merge_shape",
       with_model(R"({"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]})"),
       {"merges[0]"}},
      {"dropout",
       with_model(R"({"type": "BPE", "dropout": 0.1, "vocab": {"a": 0}, "merges": []})"),
       {"model.dropout", "0.1"}},
      {"unk_id",
       with_model(R"({"type": "Unigram", "unk_id": 7, "vocab": [["a", 0.0]]})"),
       {"model.unk_id", "7"}},
      {"score", with_model(R"({"type": "Unigram", "vocab": [["a", "b"]]})"), {"model.vocab[0]"}},
      {"normalizer", with_model(kSmall, R"(, "normalizer": {"type": "X"})"), {"normalizer.type"}},
      {"normalizer_key",
       with_model(kSmall, R"(, "normalizer": {"type": "Strip", "strip_left": 1})"),
       {"normalizer.strip_left"}},
      {"nested",
       with_model(kSmall,
                  R"(, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Y"}]})"),
       {"pre_tokenizer.pretokenizers[0].type", "\"Y\""}},
      {"regex",
       with_model(kSmall, R"re(, "pre_tokenizer": {"type": "Split", "behavior": "Isolated",
                  "invert": false, "pattern": {"Regex": "(a"}})re"),
       {"pre_tokenizer", "(a"}},
      {"property",
       with_model(kSmall, R"re(, "pre_tokenizer": {"type": "Split", "behavior": "Isolated",
                  "invert": false, "pattern": {"Regex": "\\p{Klingon}"}})re"),
       {"pre_tokenizer", "property"}},
      {"charsmap",
       with_model(kSmall,
                  R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"})"),
       {"normalizer", "precompiled_charsmap"}},
      {"decoder", with_model(kSmall, R"(, "decoder": {"type": "Z"})"), {"decoder.type", "Z"}},
      {"post",
       with_model(kSmall, R"(, "post_processor": {"type": "TemplateProcessing", "single":
                  [{"SpecialToken": {"id": "<s>", "type_id": 0}}], "special_tokens": {}})"),
       {"post_processor.single[0]", "<s>"}},
      {"added_id",
       R"({"added_tokens": [{"id": 5, "content": "<x>"}], "model": )" + kSmall + "}",
       {"added_tokens[0]", "<x>", "5"}},
  };
  return kCases;
}

TEST(BrokenTokenizers, AreRefusedByName) {
  for (const Broken& broken : broken_files()) {
    const Folder folder(broken.name);
    folder.write("tokenizer.json", broken.json);
    const std::string error = folder.error();
    EXPECT_THAT(error, testing::HasSubstr("tokenizer.json")) << broken.name;
    for (const char* part : broken.says) {
      EXPECT_THAT(error, testing::HasSubstr(part)) << broken.name;
    }
  }
}

TEST(BrokenTokenizers, SlowFilesAreRefusedByName) {
  const Folder empty("empty");
  EXPECT_THAT(empty.error(), testing::HasSubstr("no tokenizer"));
  const Folder tiktoken("tiktoken");
  tiktoken.write("qwen.tiktoken", "IQ== 0\nIg== x\n");
  EXPECT_THAT(tiktoken.error(), testing::HasSubstr("line 2"));
  const Folder sparse("sparse");
  sparse.write("qwen.tiktoken", " 11311228\n");  // half a gigabyte of gaps, were it stored
  EXPECT_THAT(sparse.error(), testing::HasSubstr("id 11311228 although there are only 1 tokens"));
  sparse.write("qwen.tiktoken", "IQ== 0\n");
  sparse.write("tokenizer_config.json",
               R"({"added_tokens_decoder": {"9000000": {"content": "x"}}})");
  EXPECT_THAT(sparse.error(), testing::HasSubstr("added token 9000000"));
  const Folder model("model");
  model.write("tokenizer.model", std::string("\x0A\x05\x0A\x03"
                                             "abc",
                                             7));
  EXPECT_THAT(model.error(), testing::HasSubstr("unknown pieces"));
  const Folder cut("cut");
  cut.write("tokenizer.model", std::string("\x0A\x7F\x0A", 3));
  EXPECT_THAT(cut.error(), testing::HasSubstr("longer than the file"));
  const Folder plamo("plamo");
  plamo.write("tokenizer.jsonl", "[\"<0x-1>\", 0.0, \"BYTE\"]\n");
  EXPECT_THAT(plamo.error(), testing::HasSubstr("<0x-1>"));
}

// Oracle: Python's bytes.decode("utf-8", errors="replace") gives one U+FFFD for each maximal part.
TEST(Tokenizer, InvalidUtf8CountsAsReplacementCharacters) {
  const auto loaded =
      load_tokenizer(std::string(QUIRE_SOURCE_DIR) + "/tests/golden/tokenizers/gpt2");
  ASSERT_TRUE(loaded);
  const std::string bad = "a\xFF\xE4\xBD z\xED\xA0\x80\xF0\x9F\x98";
  const std::string good = "a\uFFFD\uFFFD z\uFFFD\uFFFD\uFFFD\uFFFD";
  EXPECT_EQ((*loaded)->encode(bad, {}).value(), (*loaded)->encode(good, {}).value());
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  const auto loaded =
      load_tokenizer(std::string(QUIRE_SOURCE_DIR) + "/tests/golden/tokenizers/gpt2");
  ASSERT_TRUE(loaded);
  for (const std::int32_t id : {-1, (*loaded)->vocab_size(), INT32_MAX}) {
    const auto text = (*loaded)->decode({id}, {});
    ASSERT_FALSE(text);
    EXPECT_THAT(text.error().message, testing::HasSubstr(std::to_string(id)));
  }
}

// Oracle: the answers follow from the first three tokens of the byte alphabet.
TEST(TokenizeLines, AnswersEachLine) {
  const auto loaded =
      load_tokenizer(std::string(QUIRE_SOURCE_DIR) + "/tests/golden/tokenizers/gpt2");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(tokenize_line(**loaded, R"({"text": "!\""})"), R"({"ids":[0,1],"tokens":["!","\""]})");
  EXPECT_EQ(tokenize_line(**loaded, R"({"ids": [0, 1]})"), R"({"text":"!\""})");
  EXPECT_EQ(tokenize_line(**loaded, R"({"ids": [0, 1], "stream": true})"),
            R"({"text":"!\"","pieces":["!","\"",""]})");
  EXPECT_THAT(tokenize_line(**loaded, R"({"ids": [-5]})"), testing::HasSubstr("error"));
  EXPECT_THAT(tokenize_line(**loaded, "nonsense"), testing::HasSubstr("error"));
}

}  // namespace
}  // namespace quire::text
