// GGUF version 3: magic, counts, then key, type, value; strings carry 64-bit lengths.
#include "tests/text/gguf_vocab.h"

#include <gtest/gtest.h>

#include <bit>
#include <sstream>

#include "models/text/text_file.h"

namespace quire::text {
namespace {

class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}

  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    if (at_ + bytes > bytes_.size()) throw std::runtime_error("the file ends early");
    for (std::size_t i = 0; i < bytes; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[at_ + i])) << (8 * i);
    }
    at_ += bytes;
    return value;
  }
  std::string text() {
    const std::uint64_t size = number(8);
    if (size > bytes_.size() - at_) throw std::runtime_error("a string is too long");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  void skip(std::uint32_t type) {
    if (type == kString) {
      text();
    } else if (type == kArray) {
      const auto element = static_cast<std::uint32_t>(number(4));
      for (std::uint64_t left = number(8); left > 0; --left) skip(element);
    } else {
      constexpr std::size_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
      number(kBytes[type]);
    }
  }
  static constexpr std::uint32_t kString = 8;
  static constexpr std::uint32_t kArray = 9;

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace

GgufVocab read_gguf_vocab(const std::string& path) {
  auto bytes = read_if_present(path);
  GgufVocab vocab;
  if (!bytes || !*bytes) {
    ADD_FAILURE() << path << " cannot be read";
    return vocab;
  }
  Reader reader(std::move(**bytes));
  EXPECT_EQ(reader.number(4), 0x46554747u) << "GGUF";
  reader.number(4);
  reader.number(8);
  for (std::uint64_t left = reader.number(8); left > 0; --left) {
    const std::string key = reader.text();
    const auto type = static_cast<std::uint32_t>(reader.number(4));
    if (key == "tokenizer.ggml.model") {
      vocab.model = reader.text();
      continue;
    }
    const bool wanted = key == "tokenizer.ggml.tokens" || key == "tokenizer.ggml.scores" ||
                        key == "tokenizer.ggml.token_type" || key == "tokenizer.ggml.merges";
    if (!wanted) {
      reader.skip(type);
      continue;
    }
    reader.number(4);
    for (std::uint64_t count = reader.number(8); count > 0; --count) {
      if (key == "tokenizer.ggml.tokens") vocab.tokens.push_back(reader.text());
      if (key == "tokenizer.ggml.merges") vocab.merges.push_back(reader.text());
      if (key == "tokenizer.ggml.token_type") {
        vocab.types.push_back(static_cast<std::int32_t>(reader.number(4)));
      }
      if (key == "tokenizer.ggml.scores") {
        vocab.scores.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(reader.number(4))));
      }
    }
  }
  return vocab;
}

std::vector<GgufCase> read_gguf_cases(const std::string& path) {
  const std::string texts = read_if_present(path + ".inp").value().value();
  std::istringstream lines(read_if_present(path + ".out").value().value());
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  std::vector<GgufCase> cases;
  std::string line;
  for (std::size_t at = 0; std::getline(lines, line);) {
    const std::size_t end = std::min(texts.find(kSeparator, at), texts.size());
    GgufCase one{texts.substr(at, end - at), {}};
    std::istringstream numbers(line);
    for (std::int32_t id; numbers >> id;) one.ids.push_back(id);
    cases.push_back(std::move(one));
    at = end + kSeparator.size();
    if (at > texts.size()) break;
  }
  return cases;
}

}  // namespace quire::text
