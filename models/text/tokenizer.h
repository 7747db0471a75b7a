// Text to token ids and back, exactly as the checkpoint's authors have it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace quire::text {

struct EncodeOptions {
  bool add_special_tokens = true;  // BOS, EOS, [CLS] ... as the post-processor says
  // Special tokens written in the text become their ids; else they are text like any other. Added
  // tokens that are not special always become their ids, as in the reference.
  bool parse_special = true;
};

struct DecodeOptions {
  bool skip_special_tokens = true;
};

// Decodes a growing list of ids. Invariant: the concatenation of all pieces, finish() included,
// equals decode() of all ids; no piece ends inside a UTF-8 sequence.
class DecodeSession {
 public:
  virtual ~DecodeSession() = default;
  virtual Result<std::string> push(std::int32_t id) = 0;
  virtual Result<std::string> finish() = 0;
};

// Immutable after loading; every method may be called from any thread at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of the text. Invalid UTF-8 in `text` counts as U+FFFD. Refuses nothing but what the
  // tokenizer itself cannot express (an unknown token without unk_token).
  virtual Result<std::vector<std::int32_t>> encode(std::string_view text,
                                                   const EncodeOptions& options) const = 0;
  // Text of the ids; an id outside the vocabulary is refused by name. The bytes may end inside a
  // UTF-8 sequence only as the reference has it (U+FFFD in its place).
  virtual Result<std::string> decode(const std::vector<std::int32_t>& ids,
                                     const DecodeOptions& options) const = 0;

  // Decodes piece by piece; the session must not outlive the tokenizer.
  virtual std::unique_ptr<DecodeSession> start_decoding(const DecodeOptions& options) const = 0;

  // Largest id + 1 over vocabulary and added tokens.
  virtual std::int32_t vocab_size() const = 0;
  // The vocabulary's own spelling of a token ("Ġthe"), empty when the id has none.
  virtual std::string token(std::int32_t id) const = 0;
  virtual std::optional<std::int32_t> token_id(std::string_view token) const = 0;
  virtual bool is_special(std::int32_t id) const = 0;
  virtual std::optional<std::int32_t> bos_id() const = 0;
  virtual std::optional<std::int32_t> eos_id() const = 0;
};

// Reads whichever tokenizer files the checkpoint folder has: tokenizer.json first, then the slow
// formats; tokenizer_config.json, special_tokens_map.json and added_tokens.json refine it.
Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder);

// Decodes a growing list of ids piece by piece. Invariant: the concatenation of all pieces,
// finish() included, equals decode() of all ids; no piece ends inside a UTF-8 sequence.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, DecodeOptions options)
      : session_(tokenizer.start_decoding(options)) {}
  // The text that this id completes; empty while a character is still open. Amortised O(1).
  Result<std::string> push(std::int32_t id) { return session_->push(id); }
  // What was held back. Nothing may be pushed afterwards.
  Result<std::string> finish() { return session_->finish(); }

 private:
  std::unique_ptr<DecodeSession> session_;
};

}  // namespace quire::text
