// Assembles the parts of a tokenizer.json.
#include "models/text/tokenizer_json.h"

#include "models/text/bpe.h"
#include "models/text/spec.h"

namespace quire::text {
namespace {

const Json kNull;

const Json& member_or_null(const Json& json, std::string_view key) {
  const Json* found = find_member(json, key);
  return found == nullptr ? kNull : *found;
}

Status read_added_tokens(const Json& list, const Vocab& vocab, AddedTokens& out) {
  if (list.is_null()) return {};
  if (!list.is_array()) return fail(ErrorCode::kInvalid, "added_tokens must be a list");
  std::size_t idx = 0;
  for (const Json& json : list) {
    const std::string where = fmt::format("added_tokens[{}]", idx++);
    QUIRE_ASSIGN(AddedToken token, read_added_token(json, where));
    QUIRE_ASSIGN(const std::int64_t id,
                 SpecReader(json, where).integer("id", 0, Vocab::kIdMax - 1));
    const std::string content = token.content;
    QUIRE_TRY(out.add(std::move(token), vocab));
    // The reference numbers the tokens itself and only warns; ids that differ from the file's would
    // reach the wrong row of the embedding.
    const std::int32_t given = content.empty() ? static_cast<std::int32_t>(id) : out.find(content);
    if (given != id) {
      return fail(ErrorCode::kInvalid, "{}: \"{}\" has id {} but the vocabulary gives it {}", where,
                  content.substr(0, 64), id, given);
    }
  }
  return {};
}

}  // namespace

Result<AddedToken> read_added_token(const Json& json, std::string_view where) {
  const SpecReader spec(json, std::string(where));
  AddedToken token;
  QUIRE_ASSIGN(token.content, spec.string("content"));
  QUIRE_ASSIGN(token.single_word, spec.boolean("single_word", false));
  QUIRE_ASSIGN(token.lstrip, spec.boolean("lstrip", false));
  QUIRE_ASSIGN(token.rstrip, spec.boolean("rstrip", false));
  QUIRE_ASSIGN(token.special, spec.boolean("special", false));
  QUIRE_ASSIGN(token.normalized, spec.boolean("normalized", !token.special));
  return token;
}

Result<PipelineParts> parts_of_tokenizer_json(const Json& file) {
  if (!file.is_object()) return fail(ErrorCode::kInvalid, "the file must hold an object");
  PipelineParts parts;
  QUIRE_ASSIGN(parts.model, make_token_model(member_or_null(file, "model"), "model"));
  QUIRE_ASSIGN(parts.normalizers,
               make_normalizers(member_or_null(file, "normalizer"), "normalizer"));
  QUIRE_ASSIGN(PreTokenizerSteps steps,
               make_pre_tokenizer(member_or_null(file, "pre_tokenizer"), "pre_tokenizer"));
  parts.pre_tokenizers = std::move(steps.steps);
  if (steps.ends_with_bytes) {
    if (auto* bpe = dynamic_cast<Bpe*>(parts.model.get())) {
      bpe->take_raw_bytes();
    } else {
      parts.pre_tokenizers.push_back(make_byte_mapper());
    }
  }
  QUIRE_ASSIGN(parts.post_processor,
               make_post_processor(member_or_null(file, "post_processor"), "post_processor"));
  QUIRE_ASSIGN(parts.decoder, make_decoder(member_or_null(file, "decoder"), "decoder"));
  QUIRE_TRY(
      read_added_tokens(member_or_null(file, "added_tokens"), parts.model->vocab(), parts.added));
  return parts;
}

}  // namespace quire::text
