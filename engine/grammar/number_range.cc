// Decimal numbers between two bounds as digit patterns.
#include <algorithm>
#include <limits>

#include "engine/grammar/json_values.h"

namespace quire::grammar {
namespace {

ByteSet digit_set(char first, char last) {
  ByteSet set;
  for (char c = first; c <= last; ++c) set.set(static_cast<unsigned char>(c));
  return set;
}

}  // namespace

// Numbers of equal length, digit by digit: low 123, high 567 becomes
// 1(2(3-9)|[3-9].)|[2-4]..|5(...).
NodeId JsonValues::digits(std::uint64_t low, std::uint64_t high) {
  const std::string a = std::to_string(low), b = std::to_string(high);
  const auto any_digits = [&](std::size_t count) {
    return grammar_.repeat(grammar_.bytes(digit_set('0', '9')), static_cast<int>(count),
                           static_cast<int>(count));
  };
  // Suffixes of a (at least) and b (at most) from position i on.
  const auto at_least = [&](const auto& self, std::size_t i) -> NodeId {
    if (i == a.size()) return grammar_.empty();
    std::vector<NodeId> choices = {
        grammar_.sequence({grammar_.bytes(digit_set(a[i], a[i])), self(self, i + 1)})};
    if (a[i] < '9') {
      choices.push_back(
          grammar_.sequence({grammar_.bytes(digit_set(static_cast<char>(a[i] + 1), '9')),
                             any_digits(a.size() - i - 1)}));
    }
    return grammar_.choice(std::move(choices));
  };
  const auto at_most = [&](const auto& self, std::size_t i) -> NodeId {
    if (i == b.size()) return grammar_.empty();
    std::vector<NodeId> choices = {
        grammar_.sequence({grammar_.bytes(digit_set(b[i], b[i])), self(self, i + 1)})};
    if (b[i] > '0') {
      choices.push_back(
          grammar_.sequence({grammar_.bytes(digit_set('0', static_cast<char>(b[i] - 1))),
                             any_digits(b.size() - i - 1)}));
    }
    return grammar_.choice(std::move(choices));
  };
  std::size_t same = 0;
  while (same < a.size() && a[same] == b[same]) ++same;
  if (same == a.size()) return grammar_.literal(a);
  std::vector<NodeId> choices = {
      grammar_.sequence(
          {grammar_.bytes(digit_set(a[same], a[same])), at_least(at_least, same + 1)}),
      grammar_.sequence({grammar_.bytes(digit_set(b[same], b[same])), at_most(at_most, same + 1)})};
  if (b[same] - a[same] > 1) {
    choices.push_back(grammar_.sequence(
        {grammar_.bytes(digit_set(static_cast<char>(a[same] + 1), static_cast<char>(b[same] - 1))),
         any_digits(a.size() - same - 1)}));
  }
  return grammar_.sequence(
      {grammar_.literal(a.substr(0, same)), grammar_.choice(std::move(choices))});
}

NodeId JsonValues::integer_between(std::optional<std::int64_t> min,
                                   std::optional<std::int64_t> max) {
  if (!min && !max) return integer();
  std::vector<NodeId> choices;
  // Magnitudes [low, high] (no high: all above low), split by the number of digits.
  const auto magnitudes = [&](std::uint64_t low, std::optional<std::uint64_t> high) {
    std::vector<NodeId> parts;
    std::uint64_t begin = low;
    for (;;) {
      const int length = static_cast<int>(std::to_string(begin).size());
      std::uint64_t end = 9;
      for (int i = 1; i < length; ++i) end = end * 10 + 9;
      if (length >= 19) end = std::numeric_limits<std::uint64_t>::max();
      parts.push_back(digits(
          begin, high && *high < end ? *high
                                     : std::min<std::uint64_t>(end, 9'999'999'999'999'999'999ull)));
      if (high ? *high <= end : length >= 19) break;
      begin = end + 1;
    }
    if (!high) {  // twenty digits and more
      parts.push_back(grammar_.sequence(
          {grammar_.bytes(digit_set('1', '9')),
           grammar_.repeat(grammar_.bytes(digit_set('0', '9')), 19, kUnbounded)}));
    }
    return grammar_.choice(std::move(parts));
  };
  const auto magnitude = [](std::int64_t value) {
    return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  };
  if (!max || *max >= 0) {
    const std::int64_t low = std::max<std::int64_t>(min.value_or(0), 0);
    if (!max)
      choices.push_back(magnitudes(magnitude(low), std::nullopt));
    else if (low <= *max)
      choices.push_back(magnitudes(magnitude(low), magnitude(*max)));
  }
  if (!min || *min < 0) {
    const std::int64_t top = std::min<std::int64_t>(max.value_or(-1), -1);
    NodeId negative = -1;
    if (!min)
      negative = magnitudes(magnitude(top), std::nullopt);
    else if (*min <= top)
      negative = magnitudes(magnitude(top), magnitude(*min));
    if (negative >= 0) choices.push_back(grammar_.sequence({grammar_.literal("-"), negative}));
  }
  return grammar_.choice(std::move(choices));
}

// An integer part n stands for [n, n + 1) above zero and (n - 1, n] below it, so the fraction is
// free strictly inside the bounds and zero at them.
NodeId JsonValues::number_between(const NumberBounds& bounds) {
  const NodeId digit = grammar_.bytes(digit_set('0', '9'));
  const NodeId zeros = grammar_.optional(grammar_.sequence(
      {grammar_.literal("."), grammar_.repeat(grammar_.literal("0"), 1, kUnbounded)}));
  const NodeId some = grammar_.sequence(
      {grammar_.literal("."), grammar_.repeat(digit, 0, kUnbounded),
       grammar_.bytes(digit_set('1', '9')), grammar_.repeat(digit, 0, kUnbounded)});
  const auto low = bounds.min && bounds.min_excluded ? std::optional(*bounds.min + 1) : bounds.min;
  const auto high = bounds.max && bounds.max_excluded ? std::optional(*bounds.max - 1) : bounds.max;
  std::vector<NodeId> choices = {grammar_.sequence({integer_between(low, high), zeros})};
  // Positive non-integers: floor in [max(min, 0), max - 1].
  if (!bounds.max || *bounds.max > 0) {
    const std::int64_t from = std::max<std::int64_t>(bounds.min.value_or(0), 0);
    const auto to = bounds.max ? std::optional(*bounds.max - 1) : std::nullopt;
    if (!to || from <= *to) choices.push_back(grammar_.sequence({integer_between(from, to), some}));
  }
  // Negative non-integers: the magnitude's floor in [max(-max, 0), -min - 1].
  if (!bounds.min || *bounds.min < 0) {
    const std::int64_t from = std::max<std::int64_t>(bounds.max ? -*bounds.max : 0, 0);
    const auto to = bounds.min ? std::optional(-*bounds.min - 1) : std::nullopt;
    if (!to || from <= *to) {
      choices.push_back(
          grammar_.sequence({grammar_.literal("-"), integer_between(from, to), some}));
    }
  }
  return grammar_.choice(std::move(choices));
}

}  // namespace quire::grammar
