// ChatGLM4's tokenizer puts [gMASK]<sop> before every text. Oracle: its authors'
// build_inputs_with_special_tokens, which returns the two ids and then those of the text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "models/text/tokenizer.h"

namespace quire::text {
namespace {

class Folder {
 public:
  explicit Folder(const std::string& name) : path_(testing::TempDir() + "chatglm4_" + name) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << bytes;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr const char* kConfig = R"({
  "tokenizer_class": "ChatGLM4Tokenizer", "added_tokens_decoder": {
  "2": {"content": "<|endoftext|>", "special": true},
  "3": {"content": "[gMASK]", "special": true},
  "4": {"content": "<sop>", "special": true}}})";

TEST(ChatGlm4, TextsBeginWithMaskAndStart) {
  const Folder folder("whole");
  folder.write("tokenizer.model", "YQ== 0\nYg== 1\n");
  folder.write("tokenizer_config.json", kConfig);
  const auto tokenizer = load_tokenizer(folder.path());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT((*tokenizer)->encode("ab", {.add_special_tokens = true}).value(),
              testing::ElementsAre(3, 4, 0, 1));
  EXPECT_THAT((*tokenizer)->encode("ab", {.add_special_tokens = false}).value(),
              testing::ElementsAre(0, 1));
}

TEST(ChatGlm4, IsRefusedWithoutItsTokens) {
  const Folder folder("bare");
  folder.write("tokenizer.model", "YQ== 0\nYg== 1\n");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "ChatGLM4Tokenizer"})");
  const auto tokenizer = load_tokenizer(folder.path());
  ASSERT_FALSE(tokenizer);
  EXPECT_THAT(tokenizer.error().message, testing::HasSubstr("[gMASK]"));
}

}  // namespace
}  // namespace quire::text
