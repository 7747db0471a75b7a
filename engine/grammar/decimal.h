// Decimal numbers as they are written, for bounds that must hold digit by digit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quire::grammar {

struct Decimal {
  bool negative = false;
  std::uint64_t whole = 0;
  std::string fraction;  // digits behind the point, without zeros at the end
};

// Of a JSON number; nothing beyond 18 digits on either side.
std::optional<Decimal> decimal_of(std::string_view text);
// -1, 0 or 1.
int compare(const Decimal& a, const Decimal& b);
double value_of(const Decimal& decimal);
// Nothing when it has too many digits.
std::optional<Decimal> times(const Decimal& decimal, std::int64_t factor);
std::string spell(const Decimal& decimal);

}  // namespace quire::grammar
