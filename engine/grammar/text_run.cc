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
  const auto widest =
      std::max_element(targets.begin(), targets.end(), [](const auto& a, const auto& b) {
        return a.second.count() < b.second.count();
      });
  if (widest != targets.end()) {
    found.next = widest->first;
    found.run.ascii = widest->second;
    found.run.wide = takes_wide(state, widest->first);
  }
  return links_[at] = found;
}

const TextRun& TextRuns::of(MatchState state) {
  const Link first = link(state);  // by value: links_ may grow
  if (first.run_known) return links_[static_cast<std::size_t>(state)].run;
  int length = first.next == kDead ? 0 : 1;
  MatchState at = first.next;
  while (length > 0 && length < kLengthMax) {
    if (at == state) {
      length = kLengthMax;
      break;
    }
    const Link next = link(at);
    const bool goes_on = next.next != kDead && (first.run.ascii & ~next.run.ascii).none() &&
                         (!first.run.wide || next.run.wide);
    if (!goes_on) break;
    if (next.run_known && next.run.ascii == first.run.ascii && next.run.wide == first.run.wide) {
      length = std::min(kLengthMax, length + next.run.length_max);
      break;
    }
    if (next.next == at) {
      length = kLengthMax;
      break;
    }
    ++length;
    at = next.next;
  }
  Link& link = links_[static_cast<std::size_t>(state)];
  link.run.length_max = length;
  link.run_known = true;
  return link.run;
}

}  // namespace quire::grammar
