// Multiples of a number as digit patterns: a walk over the remainder of what has been read.
#include <algorithm>
#include <map>

#include "engine/grammar/json_values.h"

namespace quire::grammar {
namespace {

// A reader with doubles must find the multiple that was written: so many digits they tell apart.
constexpr std::size_t kDigitsExact = 15;

class Multiples {
 public:
  // Of unit / 10^places.
  Multiples(Grammar& grammar, std::uint64_t unit, std::size_t places)
      : grammar_(grammar), unit_(unit), places_(places) {
    std::uint64_t place = 1 % unit;
    for (std::size_t i = 0; i <= places; ++i) {
      place_values_.insert(place_values_.begin(), place);
      place = place * 10 % unit;
    }
  }

  NodeId integers() {
    return grammar_.choice(
        {grammar_.literal("0"),
         grammar_.sequence({grammar_.optional(grammar_.literal("-")), positive()})});
  }

  NodeId numbers() {
    with_fraction_ = true;
    const NodeId zero =
        grammar_.sequence({grammar_.literal("0"), grammar_.choice(end_of_whole(0))});
    return grammar_.sequence(
        {grammar_.optional(grammar_.literal("-")), grammar_.choice({zero, positive()})});
  }

 private:
  NodeId digit(char value, NodeId then) {
    ByteSet set;
    set.set(static_cast<unsigned char>(value));
    return grammar_.sequence({grammar_.bytes(set), then});
  }

  static std::uint64_t value_of(char digit) { return static_cast<std::uint64_t>(digit - '0'); }

  // Digits before the point, the first of them no zero.
  NodeId positive() {
    const std::size_t rows =
        with_fraction_ ? kDigitsExact - std::min(places_, kDigitsExact - 1) : 1;
    whole_.resize(rows);
    for (std::vector<RuleId>& row : whole_) {
      for (std::uint64_t r = 0; r < unit_; ++r) row.push_back(grammar_.declare("whole"));
    }
    const auto next = [&](std::size_t row, std::uint64_t remainder, char c) {
      return digit(c, grammar_.rule(whole_[row][(remainder * 10 + value_of(c)) % unit_]));
    };
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t behind = with_fraction_ ? row + 1 : row;
      for (std::uint64_t r = 0; r < unit_; ++r) {
        std::vector<NodeId> choices = end_of_whole(r);
        for (char c = '0'; c <= '9' && behind < rows; ++c) choices.push_back(next(behind, r, c));
        grammar_.define(whole_[row][r], grammar_.choice(std::move(choices)));
      }
    }
    std::vector<NodeId> first;
    for (char c = '1'; c <= '9'; ++c) first.push_back(next(0, 0, c));
    return grammar_.choice(std::move(first));
  }

  // What may follow the last digit before the point.
  std::vector<NodeId> end_of_whole(std::uint64_t remainder) {
    const std::uint64_t left = remainder * place_values_[0] % unit_;
    std::vector<NodeId> choices;
    if (left == 0) choices.push_back(grammar_.empty());
    if (with_fraction_) {
      choices.push_back(grammar_.sequence({grammar_.literal("."), fraction(0, left)}));
    }
    return choices;
  }

  // One digit or more, with `behind` of them read; as deep as there are places.
  NodeId fraction(std::size_t behind, std::uint64_t remainder) {
    if (behind == places_) {
      if (remainder != 0) return grammar_.choice({});
      return grammar_.repeat(grammar_.literal("0"), 1, kUnbounded);
    }
    if (const auto known = fractions_.find({behind, remainder}); known != fractions_.end()) {
      return grammar_.rule(known->second);
    }
    std::vector<NodeId> choices;
    for (char c = '0'; c <= '9'; ++c) {
      const std::uint64_t next = (remainder + value_of(c) * place_values_[behind + 1]) % unit_;
      const NodeId more = fraction(behind + 1, next);
      choices.push_back(digit(c, next == 0 ? grammar_.optional(more) : more));
    }
    const RuleId rule = grammar_.declare("fraction");
    grammar_.define(rule, grammar_.choice(std::move(choices)));
    fractions_[{behind, remainder}] = rule;
    return grammar_.rule(rule);
  }

  Grammar& grammar_;
  const std::uint64_t unit_;
  const std::size_t places_;
  // What a one counts, in units: before the point, then at each place behind it.
  std::vector<std::uint64_t> place_values_;
  bool with_fraction_ = false;
  // By how many digits stand before, where that matters, and by remainder.
  std::vector<std::vector<RuleId>> whole_;
  std::map<std::pair<std::size_t, std::uint64_t>, RuleId> fractions_;
};

}  // namespace

NodeId JsonValues::integer_multiples(std::uint64_t unit) {
  return Multiples(grammar_, unit, 0).integers();
}

NodeId JsonValues::number_multiples(std::uint64_t unit, std::size_t places) {
  Multiples multiples(grammar_, unit, places);
  return places == 0 ? multiples.integers() : multiples.numbers();
}

}  // namespace quire::grammar
