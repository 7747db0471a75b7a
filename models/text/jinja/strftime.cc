// The directives of strftime as glibc and Python print them in the C locale.
#include "models/text/jinja/strftime.h"

#include <optional>

#include <array>

#include "models/text/jinja/budget.h"
#include "models/text/jinja/operators.h"

namespace quire::text::jinja {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};

struct Moment {
  std::int64_t year;
  int month;     // 0-11
  int day;       // 1-31
  int weekday;   // 0 is Sunday
  int year_day;  // 0-365
  int hour, minute, second;
  std::int64_t unix_seconds;
};

bool is_leap(std::int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

// Days to a civil date, by Hinnant's algorithm (chrono-compatible low-level date algorithms).
Moment moment_of(std::int64_t seconds) {
  const auto days = static_cast<std::int64_t>(floor_divide(seconds, 86400));
  const auto rest = static_cast<int>(floor_modulo(seconds, 86400));
  const std::int64_t shifted = days + 719468;  // from 0000-03-01
  const std::int64_t era = static_cast<std::int64_t>(floor_divide(shifted, 146097));
  const std::int64_t day_of_era = shifted - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  Moment moment{};
  moment.day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  moment.month =
      static_cast<int>(month_from_march < 10 ? month_from_march + 2 : month_from_march - 10);
  moment.year = year_of_era + era * 400 + (moment.month < 2 ? 1 : 0);
  moment.weekday = static_cast<int>(floor_modulo(days + 4, 7));
  static constexpr std::array<int, 12> kBefore = {0,   31,  59,  90,  120, 151,
                                                  181, 212, 243, 273, 304, 334};
  moment.year_day = kBefore[static_cast<std::size_t>(moment.month)] + moment.day - 1 +
                    (moment.month > 1 && is_leap(moment.year) ? 1 : 0);
  moment.hour = rest / 3600;
  moment.minute = rest / 60 % 60;
  moment.second = rest % 60;
  moment.unix_seconds = seconds;
  return moment;
}

struct IsoWeek {
  std::int64_t year;
  int week;
};

IsoWeek iso_week(const Moment& moment) {
  const int monday_based = (moment.weekday + 6) % 7;
  int week = (moment.year_day - monday_based + 10) / 7;
  const auto weeks_in = [](std::int64_t year) {
    const auto starts = [](std::int64_t y) {
      return floor_modulo(y + floor_divide(y, 4) - floor_divide(y, 100) + floor_divide(y, 400), 7);
    };
    return starts(year) == 4 || starts(year - 1) == 3 ? 53 : 52;
  };
  if (week < 1) return {moment.year - 1, weeks_in(moment.year - 1)};
  if (week > weeks_in(moment.year)) return {moment.year + 1, 1};
  return {moment.year, week};
}

std::string padded(std::int64_t value, int width, char flag, char fill = '0') {
  if (flag == '-') return fmt::format("{}", value);
  if (flag == '_') fill = ' ';
  if (flag == '0') fill = '0';
  std::string digits = fmt::format("{}", value);
  const auto wanted = static_cast<std::size_t>(width);
  return digits.size() >= wanted ? digits : std::string(wanted - digits.size(), fill) + digits;
}

// Directives that stand for a longer format.
std::string_view shorthand(char c) {
  switch (c) {
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'D': case 'x': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'r': return "%I:%M:%S %p";
    case 'R': return "%H:%M";
    case 'T': case 'X': return "%H:%M:%S";
    default: return {};
  }
}

struct Number {
  std::int64_t value = 0;
  int width = 1;
  char fill = '0';
};

std::optional<Number> number_of(const Moment& m, char c) {
  const int hour12 = m.hour % 12 == 0 ? 12 : m.hour % 12;
  const auto of_century = [](Int year) {
    return static_cast<std::int64_t>(floor_modulo(year, 100));
  };
  switch (c) {
    case 'C': return Number{static_cast<std::int64_t>(floor_divide(m.year, 100)), 2};
    case 'd': return Number{m.day, 2};
    case 'e': return Number{m.day, 2, ' '};
    case 'g': return Number{of_century(iso_week(m).year), 2};
    case 'G': return Number{iso_week(m).year};
    case 'H': return Number{m.hour, 2};
    case 'I': return Number{hour12, 2};
    case 'j': return Number{m.year_day + 1, 3};
    case 'k': return Number{m.hour, 2, ' '};
    case 'l': return Number{hour12, 2, ' '};
    case 'm': return Number{m.month + 1, 2};
    case 'M': return Number{m.minute, 2};
    case 's': return Number{m.unix_seconds};
    case 'S': return Number{m.second, 2};
    case 'u': return Number{m.weekday == 0 ? 7 : m.weekday};
    case 'U': return Number{(m.year_day + 7 - m.weekday) / 7, 2};
    case 'V': return Number{iso_week(m).week, 2};
    case 'w': return Number{m.weekday};
    case 'W': return Number{(m.year_day + 7 - (m.weekday + 6) % 7) / 7, 2};
    case 'y': return Number{of_century(m.year), 2};
    case 'Y': return Number{m.year};
    default: return std::nullopt;
  }
}

std::string directive(const Moment& m, char c, char flag) {
  if (const auto longer = shorthand(c); !longer.empty()) {
    return strftime_utc(longer, m.unix_seconds);
  }
  if (const auto number = number_of(m, c)) {
    return padded(number->value, number->width, flag, number->fill);
  }
  const auto day = kDays[static_cast<std::size_t>(m.weekday)];
  const auto month = kMonths[static_cast<std::size_t>(m.month)];
  switch (c) {
    case 'a': return std::string(day.substr(0, 3));
    case 'A': return std::string(day);
    case 'b': case 'h': return std::string(month.substr(0, 3));
    case 'B': return std::string(month);
    case 'f': return "000000";
    case 'n': return "\n";
    case 'p': return m.hour < 12 ? "AM" : "PM";
    case 'P': return m.hour < 12 ? "am" : "pm";
    case 't': return "\t";
    case 'z': case 'Z': return "";  // datetime.now() knows no zone
    case '%': return "%";
    default: return flag == '\0' ? std::string{'%', c} : std::string{'%', flag, c};
  }
}

}  // namespace

std::string strftime_utc(std::string_view format, std::int64_t seconds) {
  const Moment moment = moment_of(seconds);
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    char c = format[++i];
    char flag = '\0';
    if ((c == '-' || c == '_' || c == '0') && i + 1 < format.size()) {
      flag = c;
      c = format[++i];
    }
    out += directive(moment, c, flag);
    check_built_bytes(out.size());
  }
  return out;
}

}  // namespace quire::text::jinja
