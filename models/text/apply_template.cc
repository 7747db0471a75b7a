// Parsing of the command's inputs.
#include "models/text/apply_template.h"

#include <array>
#include <charconv>

#include "models/load/json.h"
#include "models/text/chat_template.h"

namespace quire::text {
namespace {

std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719468;
}

std::int64_t days_in_month(std::int64_t year, std::int64_t month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
}

}  // namespace

Result<std::string> apply_template(std::string_view source, std::string_view context_json,
                                   std::int64_t now_unix) {
  JsonLimits limits;
  limits.allow_non_finite = true;
  auto context = parse_json(context_json, limits);
  if (!context) return fail(context.error().code, "context: {}", context.error().message);
  if (!context->is_object()) {
    return fail(ErrorCode::kInvalid, "context must be an object, got {}", context->type_name());
  }
  QUIRE_ASSIGN(const ChatTemplate compiled, ChatTemplate::compile(source));
  return compiled.render(*context, now_unix);
}

Result<std::int64_t> parse_time(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalid, "time must look like 2026-11-21T12:00:00, got '{}'", text);
  };
  std::string_view rest = text;
  if (rest.ends_with('Z')) rest.remove_suffix(1);
  if (rest.size() != 10 && rest.size() != 19) return wrong();
  std::array<std::int64_t, 6> fields = {0, 1, 1, 0, 0, 0};
  static constexpr std::array<std::size_t, 6> kAt = {0, 5, 8, 11, 14, 17};
  for (std::size_t i = 0; i < fields.size() && kAt[i] < rest.size(); ++i) {
    const std::size_t width = i == 0 ? 4 : 2;
    const char* end = rest.data() + kAt[i] + width;
    const auto parsed = std::from_chars(rest.data() + kAt[i], end, fields[i]);
    if (parsed.ec != std::errc() || parsed.ptr != end || fields[i] < 0) return wrong();
  }
  const bool separators = rest[4] == '-' && rest[7] == '-' &&
                          (rest.size() == 10 || ((rest[10] == 'T' || rest[10] == ' ') &&
                                                 rest[13] == ':' && rest[16] == ':'));
  const auto [year, month, day, hour, minute, second] = fields;
  if (!separators || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
      hour > 23 || minute > 59 || second > 59) {
    return wrong();
  }
  return days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

}  // namespace quire::text
