// One request, one answer; an error never ends the loop.
#include "models/text/tokenize_lines.h"

#include <istream>
#include <ostream>

#include "models/text/spec.h"
#include "models/text/text_file.h"

namespace quire::text {
namespace {

Result<Json> encode_request(const Tokenizer& tokenizer, const std::string& text,
                            const EncodeOptions& options) {
  QUIRE_ASSIGN(const auto ids, tokenizer.encode(text, options));
  Json tokens = Json::array();
  for (const std::int32_t id : ids) tokens.push_back(tokenizer.token(id));
  Json answer = Json::object();
  answer["ids"] = ids;
  answer["tokens"] = std::move(tokens);
  return answer;
}

Result<std::vector<std::int32_t>> read_ids(const Json& list) {
  if (!list.is_array()) return fail(ErrorCode::kInvalid, "ids must be a list");
  std::vector<std::int32_t> ids;
  for (const Json& json : list) {
    QUIRE_ASSIGN(const std::int64_t id, json_integer(json, "ids", INT32_MIN, INT32_MAX));
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

Result<Json> decode_request(const Tokenizer& tokenizer, const SpecReader& request) {
  QUIRE_ASSIGN(const auto ids, read_ids(*request.member("ids")));
  DecodeOptions options;
  QUIRE_ASSIGN(options.skip_special_tokens, request.boolean("skip_special_tokens", true));
  QUIRE_ASSIGN(const bool stream, request.boolean("stream", false));
  Json answer = Json::object();
  if (!stream) {
    QUIRE_ASSIGN(answer["text"], tokenizer.decode(ids, options));
    return answer;
  }
  StreamDecoder decoder(tokenizer, options);
  Json pieces = Json::array();
  std::string text;
  const auto take = [&](const std::string& piece) {
    pieces.push_back(piece);
    text += piece;
  };
  for (const std::int32_t id : ids) {
    QUIRE_ASSIGN(const std::string piece, decoder.push(id));
    take(piece);
  }
  QUIRE_ASSIGN(const std::string rest, decoder.finish());
  take(rest);
  answer["text"] = text;
  answer["pieces"] = std::move(pieces);
  return answer;
}

Result<Json> answer(const Tokenizer& tokenizer, std::string_view line) {
  QUIRE_ASSIGN(const Json json, parse_json(line, vocabulary_limits()));
  if (json.is_string()) return encode_request(tokenizer, json.get<std::string>(), {});
  const SpecReader request(json, "request");
  if (request.member("ids") != nullptr) return decode_request(tokenizer, request);
  QUIRE_ASSIGN(const std::string text, request.string("text"));
  EncodeOptions options;
  QUIRE_ASSIGN(options.add_special_tokens, request.boolean("add_special_tokens", true));
  QUIRE_ASSIGN(options.parse_special, request.boolean("parse_special", true));
  return encode_request(tokenizer, text, options);
}

}  // namespace

std::string tokenize_line(const Tokenizer& tokenizer, std::string_view line) {
  const Result<Json> result = answer(tokenizer, line);
  if (result) return dump_json(*result);
  Json error = Json::object();
  error["error"] = result.error().message;
  return dump_json(error);
}

void tokenize_lines(const Tokenizer& tokenizer, std::istream& in, std::ostream& out) {
  std::string line;
  while (std::getline(in, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    out << tokenize_line(tokenizer, line) << '\n' << std::flush;
  }
}

}  // namespace quire::text
