// The demo model's tokenizer against ids that the reference wrote down.
#include <gtest/gtest.h>

#include "models/load/json.h"
#include "models/text/text_file.h"
#include "models/text/tokenizer.h"

namespace quire::text {
namespace {

// Oracle: demo/expected.json, made with Transformers when the model was trained.
TEST(DemoTokenizer, GivesTheReferencesIds) {
  const std::string folder = std::string(QUIRE_SOURCE_DIR) + "/demo";
  const auto tokenizer = load_tokenizer(folder);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto expected = read_json_if_present(folder + "/expected.json");
  ASSERT_TRUE(expected) << expected.error().message;
  std::size_t cases = 0;
  for (const Json& json : *find_member(*expected, "cases")) {
    const std::string prompt = json["prompt"].get<std::string>();
    const auto ids = (*tokenizer)->encode(prompt, {});
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(*ids, json["prompt_ids"].get<std::vector<std::int32_t>>()) << json["name"];
    const auto text = (*tokenizer)->decode(*ids, {.skip_special_tokens = false});
    ASSERT_TRUE(text);
    EXPECT_EQ(*text, prompt);
    StreamDecoder stream(**tokenizer, {.skip_special_tokens = false});
    std::string streamed;
    for (const std::int32_t id : *ids) streamed += stream.push(id).value();
    streamed += stream.finish().value();
    EXPECT_EQ(streamed, prompt);
    ++cases;
  }
  EXPECT_EQ(cases, 24u);
  EXPECT_EQ((*tokenizer)->eos_id(), 3065);
  EXPECT_EQ((*tokenizer)->bos_id(), std::nullopt);
  EXPECT_EQ((*tokenizer)->vocab_size(), 3072);
}

}  // namespace
}  // namespace quire::text
