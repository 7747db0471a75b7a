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
// The smallest positive number that is a multiple of both (which must be positive); nothing when it
// has too many digits.
std::optional<Decimal> common_multiple(const Decimal& a, const Decimal& b);
// The number times 10 to the `places`, nothing when that is no integer of up to 18 digits.
std::optional<std::uint64_t> scaled(const Decimal& decimal, std::size_t places);
std::string spell(const Decimal& decimal);

}  // namespace quire::grammar
