// The special tokens around an encoded text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/load/json.h"

namespace quire::text {

// Ids in front of the text and behind it. The reference's processors for a single text reduce to
// this: a template may even repeat the text, so it is a list of parts.
struct PostProcessor {
  struct Part {
    bool is_text = true;
    std::vector<std::int32_t> ids;  // of the special tokens, when it is not the text
  };
  std::vector<Part> parts = {Part{}};

  std::vector<std::int32_t> apply(std::vector<std::int32_t> text, bool add_special_tokens) const;
};

Result<PostProcessor> make_post_processor(const Json& spec, std::string_view where);
// BOS and EOS around the text, each where there is one.
PostProcessor make_bos_eos(std::optional<std::int32_t> bos, std::optional<std::int32_t> eos);

}  // namespace quire::text
