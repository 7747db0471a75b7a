// Exact arithmetic on up to 18 digits before and behind the point.
#include "engine/grammar/decimal.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

namespace quire::grammar {
namespace {

constexpr std::size_t kDigitsMax = 18;

std::optional<Decimal> from_digits(bool negative, std::string digits, std::size_t fraction_size) {
  if (digits.size() <= fraction_size) digits.insert(0, fraction_size + 1 - digits.size(), '0');
  std::string whole = digits.substr(0, digits.size() - fraction_size);
  std::string fraction = digits.substr(digits.size() - fraction_size);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  if (whole.size() > kDigitsMax || fraction.size() > kDigitsMax) return std::nullopt;
  Decimal out;
  for (const char c : whole) out.whole = out.whole * 10 + static_cast<std::uint64_t>(c - '0');
  out.fraction = std::move(fraction);
  out.negative = negative && (out.whole > 0 || !out.fraction.empty());
  return out;
}

}  // namespace

std::optional<Decimal> decimal_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  long exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    exponent = std::strtol(std::string(text.substr(e + 1)).c_str(), nullptr, 10);
    text = text.substr(0, e);
  }
  std::string digits;
  long fraction_size = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      fraction_size = static_cast<long>(text.size() - i - 1);
    } else if (text[i] >= '0' && text[i] <= '9') {
      digits += text[i];
    } else {
      return std::nullopt;
    }
  }
  fraction_size -= exponent;
  if (std::abs(fraction_size) > 64 || digits.size() > 64) return std::nullopt;
  if (fraction_size < 0) {
    digits.append(static_cast<std::size_t>(-fraction_size), '0');
    fraction_size = 0;
  }
  return from_digits(negative, digits, static_cast<std::size_t>(fraction_size));
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  const int sign = a.negative ? -1 : 1;
  if (a.whole != b.whole) return a.whole < b.whole ? -sign : sign;
  // Without zeros at the end, a beginning of the other fraction is the smaller one.
  const int order = a.fraction.compare(b.fraction);
  return order == 0 ? 0 : order < 0 ? -sign : sign;
}

double value_of(const Decimal& decimal) { return std::strtod(spell(decimal).c_str(), nullptr); }

std::optional<Decimal> times(const Decimal& decimal, std::int64_t factor) {
  const bool negative = decimal.negative != (factor < 0);
  auto size = static_cast<std::uint64_t>(factor < 0 ? -factor : factor);
  // Digit by digit from the right, since the product may have more than 64 bits.
  std::string digits = std::to_string(decimal.whole) + decimal.fraction;
  std::string out;
  unsigned __int128 carry = 0;
  for (auto it = digits.rbegin(); it != digits.rend() || carry > 0;) {
    if (it != digits.rend()) carry += static_cast<unsigned __int128>(*it++ - '0') * size;
    out += static_cast<char>('0' + static_cast<int>(carry % 10));
    carry /= 10;
    if (out.size() > 64) return std::nullopt;
  }
  std::reverse(out.begin(), out.end());
  return from_digits(negative, out, decimal.fraction.size());
}

std::optional<std::uint64_t> scaled(const Decimal& decimal, std::size_t places) {
  std::string digits = std::to_string(decimal.whole) + decimal.fraction;
  if (decimal.fraction.size() > places) return std::nullopt;
  digits.append(places - decimal.fraction.size(), '0');
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  if (digits.size() > kDigitsMax) return std::nullopt;
  return std::stoull(digits);
}

std::optional<Decimal> common_multiple(const Decimal& a, const Decimal& b) {
  const std::size_t places = std::max(a.fraction.size(), b.fraction.size());
  const auto x = scaled(a, places), y = scaled(b, places);
  if (!x || !y || *x == 0 || *y == 0) return std::nullopt;
  const auto product = static_cast<unsigned __int128>(*x / std::gcd(*x, *y)) * *y;
  if (product > 1'000'000'000'000'000'000u) return std::nullopt;
  return from_digits(false, std::to_string(static_cast<std::uint64_t>(product)), places);
}

std::string spell(const Decimal& decimal) {
  std::string out = (decimal.negative ? "-" : "") + std::to_string(decimal.whole);
  if (!decimal.fraction.empty()) out += "." + decimal.fraction;
  return out;
}

}  // namespace quire::grammar
