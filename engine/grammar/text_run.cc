// A run is a chain of states that the same characters connect; a chain that comes back to itself
// has no end.
#include "engine/grammar/text_run.h"

#include <algorithm>
#include <utility>

namespace quire::grammar {
namespace {

constexpr int kFirstPrintable = 0x20, kLastPrintable = 0x7E;

// The one state that every byte of the range leads to; kDead when there are several.
MatchState step_range(Automaton& automaton, MatchState state, std::uint8_t first,
                      std::uint8_t last) {
  const MatchState next = automaton.step(state, first);
  for (int byte = first + 1; byte <= last && next != kDead; ++byte) {
    if (automaton.step(state, static_cast<std::uint8_t>(byte)) != next) return kDead;
  }
  return next;
}

}  // namespace

const WideForm* wide_form_of(std::uint8_t lead) {
  for (const WideForm& form : kWideForms) {
    if (lead >= form.lead_first && lead <= form.lead_last) return &form;
  }
  return nullptr;
}

bool TextRuns::takes_wide(MatchState state, MatchState next) {
  return std::all_of(std::begin(kWideForms), std::end(kWideForms), [&](const WideForm& form) {
    MatchState at = step_range(*automaton_, state, form.lead_first, form.lead_last);
    at = step_range(*automaton_, at, form.second_first, form.second_last);
    for (int i = 0; i < form.rest; ++i) at = step_range(*automaton_, at, 0x80, 0xBF);
    return at == next;
  });
}

TextRuns::Link& TextRuns::link(MatchState state) {
  const auto at = static_cast<std::size_t>(state);
  if (at >= links_.size()) links_.resize(std::max(at + 1, 2 * links_.size()));
  if (links_[at].known) return links_[at];
  Link found;
  found.known = true;
  std::vector<std::pair<MatchState, AsciiSet>> targets;
  for (int byte = kFirstPrintable; byte <= kLastPrintable; ++byte) {
    const MatchState next = automaton_->step(state, static_cast<std::uint8_t>(byte));
    if (next == kDead) continue;
    auto it = std::find_if(targets.begin(), targets.end(),
                           [&](const auto& target) { return target.first == next; });
    if (it == targets.end()) it = targets.insert(it, {next, {}});
    it->second.set(static_cast<std::size_t>(byte));
  }
  const auto widest = std::max_element(
      targets.begin(), targets.end(),
      [](const auto& a, const auto& b) { return a.second.count() < b.second.count(); });
  if (widest != targets.end()) {
    found.next = widest->first;
    found.run.ascii = widest->second;
    found.run.wide = takes_wide(state, widest->first);
  }
  return links_[at] = found;
}

bool TextRuns::takes_none(MatchState state, const TextRun& run) {
  const auto dead = [&](int byte) {
    return automaton_->step(state, static_cast<std::uint8_t>(byte)) == kDead;
  };
  for (std::size_t c = run.ascii._Find_first(); c < run.ascii.size(); c = run.ascii._Find_next(c)) {
    if (!dead(static_cast<int>(c))) return false;
  }
  for (int lead = 0xC2; run.wide && lead <= 0xF4; ++lead) {
    if (!dead(lead)) return false;
  }
  return true;
}

const TextRun& TextRuns::of(MatchState state) {
  const Link first = link(state);  // by value: links_ may grow
  if (first.run_known) return links_[static_cast<std::size_t>(state)].run;
  TextRun run = first.run;
  run.length_max = first.next == kDead ? 0 : 1;
  for (MatchState at = first.next; run.length_max > 0 && run.length_max < kLengthMax;) {
    const Link next = link(at);
    const bool goes_on =
        next.next != kDead && (run.ascii & ~next.run.ascii).none() && (!run.wide || next.run.wide);
    if (!goes_on) {
      run.ends = takes_none(at, run);
      break;
    }
    if (at == state || next.next == at) {
      run.length_max = kLengthMax;
    } else if (next.run_known && next.run.ascii == run.ascii && next.run.wide == run.wide) {
      run.length_max += next.run.length_max;
      run.ends = next.run.ends && run.length_max <= kLengthMax;
      run.length_max = std::min(run.length_max, kLengthMax);
      break;
    } else {
      ++run.length_max;
      at = next.next;
    }
  }
  Link& known = links_[static_cast<std::size_t>(state)];
  known.run = run;
  known.run_known = true;
  return known.run;
}

}  // namespace quire::grammar
