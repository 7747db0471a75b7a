// Where an automaton takes plain characters one after the other: the inside of strings, bounded or
// not, so that whole subtrees of a vocabulary need no walk.
#pragma once

#include <bitset>
#include <cstdint>
#include <vector>

#include "engine/grammar/automaton.h"

namespace quire::grammar {

using AsciiSet = std::bitset<128>;

// Well-formed UTF-8 of several bytes (Unicode 15, table 3-7): the lead, the byte behind it, and how
// many of 80..BF follow.
struct WideForm {
  std::uint8_t lead_first, lead_last, second_first, second_last;
  int rest;
};
inline constexpr WideForm kWideForms[] = {{0xC2, 0xDF, 0x80, 0xBF, 0}, {0xE0, 0xE0, 0xA0, 0xBF, 1},
                                          {0xE1, 0xEC, 0x80, 0xBF, 1}, {0xED, 0xED, 0x80, 0x9F, 1},
                                          {0xEE, 0xEF, 0x80, 0xBF, 1}, {0xF0, 0xF0, 0x90, 0xBF, 2},
                                          {0xF1, 0xF3, 0x80, 0xBF, 2}, {0xF4, 0xF4, 0x80, 0x8F, 2}};
// The form that begins with this byte, null for others.
const WideForm* wide_form_of(std::uint8_t lead);

// From the state, any `length_max` characters out of `ascii` (and, with `wide`, out of all that
// UTF-8 writes in several bytes), and any beginning of their bytes, lead to living states.
struct TextRun {
  AsciiSet ascii;
  bool wide = false;
  int length_max = 0;
  bool ends = false;  // one such character more is dead in any case
};

// The runs of an automaton's states, found once for each.
class TextRuns {
 public:
  // automaton must outlive the runs.
  explicit TextRuns(Automaton& automaton) : automaton_(&automaton) {}

  // Valid until the next call.
  const TextRun& of(MatchState state);
  // Where one character of the state's run leads.
  MatchState next(MatchState state) { return link(state).next; }

  // A longer run is told as one of this length; tokens beyond it are walked.
  static constexpr int kLengthMax = 32;

 private:
  // One character: the state that most of the printable ones lead to.
  struct Link {
    bool known = false, run_known = false;
    MatchState next = kDead;
    TextRun run;
  };
  Link& link(MatchState state);
  bool takes_wide(MatchState state, MatchState next);
  bool takes_none(MatchState state, const TextRun& run);

  Automaton* automaton_;
  std::vector<Link> links_;  // by state
};

}  // namespace quire::grammar
