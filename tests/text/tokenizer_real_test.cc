// Real vocabularies against ids that Hugging Face tokenizers gave for them. The files are not part
// of the repository: they lie in ../shared/data beside it or where QUIRE_TEST_DATA says.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "models/text/text_file.h"
#include "models/text/tokenizer.h"
#include "tests/text/gguf_vocab.h"

namespace quire::text {
namespace {

using Ids = std::vector<std::int32_t>;

std::string data_folder() {
  const char* named = std::getenv("QUIRE_TEST_DATA");
  return named != nullptr ? named : std::string(QUIRE_SOURCE_DIR) + "/../../shared/data";
}

// Finds the data from a checkout beside the shared folder or one level deeper.
std::string tokenizers_folder() {
  const std::string near = std::string(QUIRE_SOURCE_DIR) + "/../shared/data/tokenizers";
  if (std::getenv("QUIRE_TEST_DATA") == nullptr && std::filesystem::exists(near)) return near;
  return data_folder() + "/tokenizers";
}

#define NEEDS(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there (QUIRE_TEST_DATA)"

class Scratch {
 public:
  Scratch() : path_(testing::TempDir() + fmt::format("tokenizer_{}_{}", ::getpid(), counter_++)) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << bytes;
  }

 private:
  static inline int counter_ = 0;
  std::string path_;
};

Json split(const std::string& regex) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

// What each family's own tokenizer.json has.
Json pre_tokenizer_of(const std::string& name) {
  Json steps = Json::array();
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  if (name == "starcoder" || name == "refact") {
    steps = {digits, byte_level(true)};
  } else if (name == "falcon") {
    steps = {{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
             byte_level(true),
             {{"type", "Digits"}, {"individual_digits", false}},
             split("[0-9][0-9][0-9]")};
  } else if (name == "deepseek-coder") {
    steps = {split("[\r\n]"),
             split("\\s?\\p{L}+"),
             split("\\s?\\p{P}+"),
             split("[一-龥ࠀ-一가-퟿]+"),
             digits,
             byte_level(false)};
  } else {
    steps = {byte_level(true)};
  }
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

std::string bpe_json(const GgufVocab& vocab, const std::string& name) {
  Json entries = Json::object();
  Json added = Json::array();
  auto& members =
      static_cast<std::vector<Json::object_t::value_type>&>(entries.get_ref<Json::object_t&>());
  for (std::size_t id = 0; id < vocab.tokens.size(); ++id) {
    members.emplace_back(vocab.tokens[id], id);
    if (vocab.types[id] != 3 && vocab.types[id] != 4) continue;
    added.push_back({{"id", id},
                     {"content", vocab.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", vocab.types[id] == 3}});
  }
  const Json file = {{"version", "1.0"},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", pre_tokenizer_of(name)},
                     {"post_processor", nullptr},
                     {"decoder", byte_level(true)},
                     {"model", {{"type", "BPE"}, {"vocab", entries}, {"merges", vocab.merges}}}};
  return dump_json(file);
}

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7F));
  return out += static_cast<char>(value);
}
std::string bytes_field(std::uint32_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

// The vocabulary as the SentencePiece model it came from: BPE, byte fallback, no normalization.
std::string sentencepiece_model(const GgufVocab& vocab) {
  std::string model;
  for (std::size_t id = 0; id < vocab.tokens.size(); ++id) {
    std::string piece = bytes_field(1, vocab.tokens[id]);
    piece += varint(2 << 3 | 5);
    piece.append(reinterpret_cast<const char*>(&vocab.scores[id]), 4);
    // llama.cpp marks Phi-3's added tokens as unknown; a model has one unknown piece, <unk>.
    const bool added = vocab.types[id] == 2 && vocab.tokens[id] != "<unk>";
    const std::int32_t type = vocab.tokens[id] == "<unk>" ? 2 : added ? 3 : vocab.types[id];
    piece += varint(3 << 3) + varint(static_cast<std::uint64_t>(type));
    model += bytes_field(1, piece);
  }
  const std::string trainer = varint(3 << 3) + varint(2) + varint(35 << 3) + varint(1);
  const std::string normalizer =
      bytes_field(1, "identity") + varint(3 << 3) + varint(1) + varint(4 << 3) + varint(0);
  return model + bytes_field(2, trainer) + bytes_field(3, normalizer);
}

// llama.cpp keeps BERT's words with "▁" in front and their continuations without "##".
std::string vocab_txt(const GgufVocab& vocab) {
  std::string out;
  for (const std::string& token : vocab.tokens) {
    const bool word = token.starts_with("\xE2\x96\x81");
    const bool special = token.size() > 1 && token.front() == '[' && token.back() == ']';
    out += (word ? token.substr(3) : special ? token : std::string("##").append(token)) + "\n";
  }
  return out;
}

void expect_ids(const Tokenizer& tokenizer, const std::vector<GgufCase>& cases) {
  ASSERT_GT(cases.size(), 30u);
  for (const GgufCase& one : cases) {
    const auto ids = tokenizer.encode(one.text, {.add_special_tokens = false});
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(*ids, one.ids) << one.text;
    const auto text = tokenizer.decode(*ids, {.skip_special_tokens = false});
    ASSERT_TRUE(text);
    StreamDecoder stream(tokenizer, {.skip_special_tokens = false});
    std::string streamed;
    for (const std::int32_t id : *ids) streamed += stream.push(id).value();
    EXPECT_EQ(streamed + stream.finish().value(), *text);
  }
}

class RealVocabulary : public testing::TestWithParam<const char*> {};

// Oracle: the .out files beside the vocabularies.
TEST_P(RealVocabulary, GivesTheReferencesIds) {
  const std::string name = GetParam();
  const std::string path = tokenizers_folder() + "/" + name + ".gguf";
  NEEDS(path);
  const GgufVocab vocab = read_gguf_vocab(path);
  const Scratch folder;
  if (vocab.model == "gpt2") folder.write("tokenizer.json", bpe_json(vocab, name));
  if (vocab.model == "bert") folder.write("vocab.txt", vocab_txt(vocab));
  if (vocab.model == "llama") {
    folder.write("tokenizer.model", sentencepiece_model(vocab));
    folder.write("tokenizer_config.json",
                 R"({"tokenizer_class": "LlamaTokenizer", "legacy": true})");
  }
  const auto tokenizer = load_tokenizer(folder.path());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ((*tokenizer)->vocab_size(), static_cast<std::int32_t>(vocab.tokens.size()));
  expect_ids(**tokenizer, read_gguf_cases(path));
}

INSTANTIATE_TEST_SUITE_P(Gguf, RealVocabulary,
                         testing::Values("gpt-2", "starcoder", "refact", "falcon", "mpt",
                                         "deepseek-coder", "llama-spm", "phi-3", "bert-bge"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Oracle: encodings.json, written with the tokenizers library from this very tokenizer.json.
TEST(RealTokenizer, MistralAsTheReference) {
  const std::string folder = tokenizers_folder() + "/mistral";
  NEEDS(folder);
  const auto tokenizer = load_tokenizer(folder);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto file = read_json_if_present(folder + "/encodings.json");
  ASSERT_TRUE(file);
  for (const Json& entry : *find_member(*file, "entries")) {
    const std::string text = entry["text"].get<std::string>();
    const auto plain = (*tokenizer)->encode(text, {.add_special_tokens = false});
    EXPECT_EQ(plain.value(), entry["ids"].get<Ids>()) << text;
    EXPECT_EQ((*tokenizer)->encode(text, {}).value(), entry["ids_special"].get<Ids>()) << text;
    EXPECT_EQ((*tokenizer)->decode(*plain, {.skip_special_tokens = false}).value(),
              entry["decode"].get<std::string>());
  }
}

// Oracle: Whisper's English file has GPT-2's ranks, so GPT-2's ids must come out. The multilingual
// one must give back every text.
TEST(RealTokenizer, WhisperTiktoken) {
  const std::string root = tokenizers_folder();
  NEEDS(root + "/whisper-gpt2.tiktoken");
  const Scratch english;
  std::filesystem::copy(root + "/whisper-gpt2.tiktoken", english.path() + "/gpt2.tiktoken");
  const auto tokenizer = load_tokenizer(english.path());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto cases = read_gguf_cases(root + "/gpt-2.gguf");
  expect_ids(**tokenizer, cases);
  const Scratch multilingual;
  std::filesystem::copy(root + "/whisper-multilingual.tiktoken",
                        multilingual.path() + "/multilingual.tiktoken");
  const auto second = load_tokenizer(multilingual.path());
  ASSERT_TRUE(second) << second.error().message;
  for (const GgufCase& one : cases) {
    EXPECT_EQ((*second)->decode((*second)->encode(one.text, {}).value(), {}).value(), one.text);
  }
  EXPECT_EQ((*second)->token_id("<|startoftranscript|>"), 50258);
  EXPECT_EQ((*second)->token_id("<|notimestamps|>"), 50363);
  EXPECT_EQ((*second)->token_id("<|30.00|>"), 51864);
}

}  // namespace
}  // namespace quire::text
