// The vocabulary of a GGUF file, for tests against ids that were made with real tokenizers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quire::text {

struct GgufVocab {
  std::string model;  // "gpt2", "llama", "bert"
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t> types;  // 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte
  std::vector<std::string> merges;
};

// Reads the metadata; the test fails when the file is not what it should be.
GgufVocab read_gguf_vocab(const std::string& path);

// A text and the ids that Hugging Face tokenizers gave for it, without special tokens.
struct GgufCase {
  std::string text;
  std::vector<std::int32_t> ids;
};
std::vector<GgufCase> read_gguf_cases(const std::string& path);

}  // namespace quire::text
