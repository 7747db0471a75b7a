// `quire apply-template`: one template over one context, for looking at prompts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace quire::text {

// context_json: an object with the variables as Transformers passes them (messages, tools,
// add_generation_prompt, bos_token ...); nothing is added or converted.
Result<std::string> apply_template(std::string_view source, std::string_view context_json,
                                   std::int64_t now_unix);

// "2026-11-21T12:00:00", "2026-11-21 12:00:00" or "2026-11-21", with or without a final Z, as
// seconds since 1970, UTC.
Result<std::int64_t> parse_time(std::string_view text);

}  // namespace quire::text
