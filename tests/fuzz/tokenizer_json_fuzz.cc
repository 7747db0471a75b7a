// Any tokenizer.json must load or be refused, and what loads must encode, decode and stream without
// fault; the stream must add up to the whole.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "models/text/text_file.h"
#include "models/text/tokenizer_json.h"

namespace {

using quire::text::DecodeOptions;
using quire::text::Tokenizer;

void check(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, {});
  if (!ids) return;
  for (const bool skip : {true, false}) {
    const DecodeOptions options{.skip_special_tokens = skip};
    const auto whole = tokenizer.decode(*ids, options);
    quire::text::StreamDecoder stream(tokenizer, options);
    std::string streamed;
    bool good = true;
    for (const std::int32_t id : *ids) {
      const auto piece = stream.push(id);
      good = good && piece.has_value();
      if (piece) streamed += *piece;
    }
    const auto rest = stream.finish();
    if (rest) streamed += *rest;
    if (whole && good && rest && streamed != *whole) std::abort();
  }
}

}  // namespace

// The input is a tokenizer.json and, behind a NUL, a text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  quire::JsonLimits limits;
  limits.nodes = 20'000;
  const auto json = quire::parse_json(input.substr(0, end), limits);
  if (!json) return 0;
  auto parts = quire::text::parts_of_tokenizer_json(*json);
  if (!parts) return 0;
  const auto tokenizer = quire::text::make_pipeline(std::move(*parts));
  if (!tokenizer) return 0;
  check(**tokenizer,
        "Hello, world's \xE2\x96\x81 \xE4\xBD\xA0\xE5\xA5\xBD 123\n  <s> \xFF e\xCC\x81");
  if (end < input.size()) check(**tokenizer, input.substr(end + 1).substr(0, 256));
  return 0;
}
