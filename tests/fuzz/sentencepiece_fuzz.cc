// Any SentencePiece model must be refused by the check or be safe in the library: encoding and
// decoding after loading must not fault. The same holds for tiktoken files and PLaMo's lines.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "models/text/slow_files.h"

namespace {

void use(tl::expected<quire::text::PipelineParts, quire::Error> parts) {
  if (!parts) return;
  const auto tokenizer = quire::text::make_pipeline(std::move(*parts));
  if (!tokenizer) return;
  for (const std::string_view text :
       {std::string_view("Hello \xEF\xAC\x81 \xE3\x8C\x80 e\xCC\x81 123\t\n"),
        std::string_view(
            "\xE2\x96\x81\xE2\x96\x81 \xE4\xBD\xA0 <0x41>\xF0\x9F\x98\x80 aaaaaaaaaaaaaaa")}) {
    const auto ids = (*tokenizer)->encode(text, {});
    if (ids) (void)(*tokenizer)->decode(*ids, {});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const quire::text::TokenizerConfig config;
  if (input.starts_with("[")) {
    use(quire::text::parts_of_plamo(input, config));
  } else if (!input.empty() && input[0] != '\x0A' && input[0] != '\x12') {
    use(quire::text::parts_of_tiktoken(input, "tokenizer.model", config));
  } else {
    use(quire::text::parts_of_sentencepiece(input, config));
  }
  return 0;
}
