// datetime.strftime for strftime_now, in the C locale.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quire::text::jinja {

// `seconds` since 1970 as UTC. Raises when the result exceeds the output limit.
std::string strftime_utc(std::string_view format, std::int64_t seconds);

}  // namespace quire::text::jinja
