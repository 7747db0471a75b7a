// Decimal numbers between two bounds as digit patterns.
#include <algorithm>
#include <limits>
#include <map>

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

NodeId JsonValues::integers(std::optional<std::int64_t> min, std::optional<std::int64_t> max) {
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
      if (!high) {  // and all that are longer
        parts.push_back(grammar_.sequence(
            {grammar_.bytes(digit_set('1', '9')),
             grammar_.repeat(grammar_.bytes(digit_set('0', '9')), length, kUnbounded)}));
        break;
      }
      if (*high <= end) break;
      begin = end + 1;
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

NodeId JsonValues::integer_between(const NumberBounds& bounds) {
  // The integer next to a bound on its inner side; side is 1 for a minimum, -1 for a maximum.
  const auto inner = [](const Decimal& bound, bool excluded, std::int64_t side) {
    const auto whole = static_cast<std::int64_t>(bound.whole);
    const std::int64_t truncated = bound.negative ? -whole : whole;
    if (bound.fraction.empty()) return truncated + (excluded ? side : 0);
    const bool outside = bound.negative == (side < 0);  // truncation went to the outer side
    return truncated + (outside ? side : 0);
  };
  std::optional<std::int64_t> min, max;
  if (bounds.min) min = inner(*bounds.min, bounds.min_excluded, 1);
  if (bounds.max) max = inner(*bounds.max, bounds.max_excluded, -1);
  return integers(min, max);
}

namespace {

// What may stand behind the whole part when that equals the whole part of one bound or of both.
class Fraction {
 public:
  Fraction(Grammar& grammar, const JsonValues::NumberBounds& bounds, bool tight_low,
           bool tight_high)
      : grammar_(grammar), bounds_(bounds) {
    if (tight_low) low_ = bounds.min->fraction;
    if (tight_high) high_ = bounds.max->fraction;
    size_ = std::max(low_.size(), high_.size());
    start_ = {0, tight_low, tight_high};
  }

  NodeId run() {
    std::vector<NodeId> choices;
    if (may_end(start_)) choices.push_back(grammar_.empty());
    choices.push_back(grammar_.sequence({grammar_.literal("."), digit(start_)}));
    return grammar_.choice(std::move(choices));
  }

 private:
  // Digits read (no more than the bounds have) and whether all of them equal a bound's.
  struct State {
    std::size_t at = 0;
    bool low = false, high = false;
    auto operator<=>(const State&) const = default;
  };

  static char digit_of(const std::string& fraction, std::size_t at) {
    return at < fraction.size() ? fraction[at] : '0';
  }

  // Ending means that only zeros follow.
  bool may_end(const State& state) const {
    if (state.low && (state.at < low_.size() || bounds_.min_excluded)) return false;
    return !state.high || state.at < high_.size() || !bounds_.max_excluded;
  }

  NodeId digit(const State& state) {
    std::map<State, ByteSet> next;
    for (char c = '0'; c <= '9'; ++c) {
      const char low = digit_of(low_, state.at), high = digit_of(high_, state.at);
      if ((state.low && c < low) || (state.high && c > high)) continue;
      const State behind = {std::min(state.at + 1, size_), state.low && c == low,
                            state.high && c == high};
      next[behind].set(static_cast<unsigned char>(c));
    }
    std::vector<NodeId> choices;
    for (const auto& [behind, set] : next) {
      choices.push_back(grammar_.sequence({grammar_.bytes(set), rest(behind)}));
    }
    return grammar_.choice(std::move(choices));
  }

  NodeId rest(const State& state) {
    if (!state.low && !state.high) {
      return grammar_.repeat(grammar_.bytes(digit_set('0', '9')), 0, kUnbounded);
    }
    const auto [it, added] = rules_.try_emplace(state, -1);
    if (added) {
      const RuleId rule = it->second = grammar_.declare("fraction");
      const NodeId more = digit(state);
      grammar_.define(rule, may_end(state) ? grammar_.optional(more) : more);
    }
    return grammar_.rule(rules_.at(state));
  }

  Grammar& grammar_;
  const JsonValues::NumberBounds& bounds_;
  std::string low_, high_;
  std::size_t size_ = 0;
  State start_;
  std::map<State, RuleId> rules_;
};

}  // namespace

// Of magnitudes: both bounds are at least 0, the lower one is there.
NodeId JsonValues::unsigned_between(const NumberBounds& bounds) {
  const auto low = static_cast<std::int64_t>(bounds.min->whole);
  const NodeId digit = grammar_.bytes(digit_set('0', '9'));
  const NodeId any_fraction = grammar_.optional(
      grammar_.sequence({grammar_.literal("."), grammar_.repeat(digit, 1, kUnbounded)}));
  const auto with_whole = [&](std::int64_t whole, bool tight_low, bool tight_high) {
    return grammar_.sequence({grammar_.literal(std::to_string(whole)),
                              Fraction(grammar_, bounds, tight_low, tight_high).run()});
  };
  std::vector<NodeId> choices;
  if (!bounds.max) {
    choices.push_back(with_whole(low, true, false));
    choices.push_back(grammar_.sequence({integers(low + 1, std::nullopt), any_fraction}));
    return grammar_.choice(std::move(choices));
  }
  const auto high = static_cast<std::int64_t>(bounds.max->whole);
  if (low > high) return grammar_.choice({});
  if (low == high) return with_whole(low, true, true);
  choices.push_back(with_whole(low, true, false));
  choices.push_back(with_whole(high, false, true));
  if (high - low > 1) {
    choices.push_back(grammar_.sequence({integers(low + 1, high - 1), any_fraction}));
  }
  return grammar_.choice(std::move(choices));
}

NodeId JsonValues::number_between(const NumberBounds& bounds) {
  std::vector<NodeId> choices;
  const auto magnitude = [](std::optional<Decimal> decimal) {
    if (decimal) decimal->negative = false;
    return decimal;
  };
  if (!bounds.max || !bounds.max->negative) {
    NumberBounds positive = bounds;
    if (!bounds.min || bounds.min->negative) {
      positive.min = Decimal{};
      positive.min_excluded = false;
    }
    choices.push_back(unsigned_between(positive));
  }
  if (!bounds.min || bounds.min->negative) {
    // The magnitudes run the other way; zero is written without a sign.
    NumberBounds negative{magnitude(bounds.max), magnitude(bounds.min), bounds.max_excluded,
                          bounds.min_excluded};
    if (!bounds.max || !bounds.max->negative) {
      negative.min = Decimal{};
      negative.min_excluded = true;
    }
    choices.push_back(grammar_.sequence({grammar_.literal("-"), unsigned_between(negative)}));
  }
  return grammar_.choice(std::move(choices));
}

NodeId JsonValues::number_with_fraction() {
  const NodeId digits = grammar_.repeat(grammar_.bytes(digit_set('0', '9')), 0, kUnbounded);
  return grammar_.sequence({grammar_.optional(grammar_.literal("-")), integers(0, std::nullopt),
                            grammar_.literal("."), digits, grammar_.bytes(digit_set('1', '9')),
                            digits});
}

}  // namespace quire::grammar
