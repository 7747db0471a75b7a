// Turning token spellings back into text, one token after the other.
//
// Every decoder is a stage that is fed piece by piece, and decoding at once is feeding everything:
// a stream and a single call therefore give the same text by construction.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/load/json.h"

namespace quire::text {

// Takes the parts of a list of tokens. The text of one token may come in several parts, each valid
// UTF-8; end_token() closes it; finish() comes once, at the end of the list.
class DecodeSink {
 public:
  virtual ~DecodeSink() = default;
  virtual Status text(std::string_view part) = 0;
  virtual Status end_token() = 0;
  virtual Status finish() = 0;
};

// A stage passes what it makes on to the next one, which it does not own.
using MakeStage = std::function<std::unique_ptr<DecodeSink>(DecodeSink& next)>;

// The stages of a "decoder" of a tokenizer.json in their order; Sequences are flattened. Null gives
// the reference's default: tokens joined by spaces.
Result<std::vector<MakeStage>> make_decoder(const Json& spec, std::string_view where);
// `clean_up_tokenization_spaces`: removes the spaces before punctuation and English contractions.
std::vector<MakeStage> make_clean_up();
// Bytes of the byte alphabet, as the ByteLevel decoder; for tokenizers without a tokenizer.json.
MakeStage make_byte_level_stage();
// "<0x0A>" is a byte, all else stands for itself, joined and read as UTF-8 (PLaMo).
MakeStage make_fallback_bytes_stage();

// A chain of stages that ends in a string.
class DecodeChain {
 public:
  explicit DecodeChain(const std::vector<MakeStage>& stages);
  DecodeChain(DecodeChain&&) = delete;

  Status push(std::string_view token);
  Status finish();
  // What came out since the last call.
  std::string take();

 private:
  class Output;
  std::unique_ptr<Output> output_;
  std::vector<std::unique_ptr<DecodeSink>> stages_;  // the last one is fed
  DecodeSink* head_;

 public:
  ~DecodeChain();
};

}  // namespace quire::text
