// The fixed point over groups and states, searched from the longest candidate down.
#include "cache/prefix_match.h"

#include <algorithm>

#include "base/check.h"

namespace quire::cache {
namespace {

class Matcher {
 public:
  Matcher(const PrefixIndex& index, const MatchRules& rules, const PrefixQuery& query)
      : index_(index), rules_(rules), query_(query) {}

  PrefixMatch run() {
    PrefixMatch match;
    if (query_.tokens.size() < 2 || !walk()) return match;
    match.page_path = std::ssize(path_) - 1;
    match.known = known();
    PrefixMatch hit = cover(kObeyWindows);
    const bool pages = group_count() > 0;
    match.retained = pages ? cover(kIgnoreWindows).tokens : match.known;
    match.covered = pages ? hit.tokens : match.known;
    if (rules_.recurrent) hit = cover_with_state();
    match.tokens = hit.tokens;
    match.node = hit.node;
    match.tails = std::move(hit.tails);
    match.state = hit.state;
    return match;
  }

 private:
  enum WindowRule { kObeyWindows, kIgnoreWindows };

  std::int64_t page_tokens() const { return rules_.page_tokens; }
  int group_count() const { return static_cast<int>(rules_.windows.size()); }
  std::int64_t limit() const { return std::ssize(query_.tokens) - 1; }

  // The nodes of the query's full pages from the root on, and how far groups hold pages of them.
  bool walk() {
    NodeId node = index_.find_root(query_.cache_namespace);
    if (node == kNoNode) return false;
    path_ = {node};
    held_.assign(static_cast<std::size_t>(group_count()), {0});
    for (std::size_t i = 0; i < query_.page_hashes.size(); ++i) {
      const auto tokens = query_.tokens.subspan(i * static_cast<std::size_t>(page_tokens()),
                                                static_cast<std::size_t>(page_tokens()));
      node = index_.find_child(node, query_.page_hashes[i], tokens);
      if (node == kNoNode) break;
      path_.push_back(node);
      for (int g = 0; g < group_count(); ++g) {
        std::vector<std::int64_t>& held = held_[static_cast<std::size_t>(g)];
        held.push_back(index_.page(node, g) >= 0 ? held.back() + 1 : 0);
      }
    }
    top_ = std::min(std::ssize(path_) - 1, limit() / page_tokens());
    for (int g = 0; g < group_count(); ++g) {
      if (rules_.windows[static_cast<std::size_t>(g)] != 0) continue;
      while (held(g, top_) < top_) --top_;
    }
    return true;
  }

  // Pages of group g that lie contiguously before page bound `level`.
  std::int64_t held(int g, std::int64_t level) const {
    return held_[static_cast<std::size_t>(g)][static_cast<std::size_t>(level)];
  }

  // The tokens after page bound `level` that a hit may cover inside the next page.
  std::span<const std::int32_t> rest(std::int64_t level) const {
    const std::int64_t begin = level * page_tokens();
    const std::int64_t count = std::min(limit() - begin, page_tokens() - 1);
    return query_.tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
  }

  // Calls visit(node) for the nodes after `level` that may share a part of the next page.
  template <class Visit>
  void each_next(std::int64_t level, Visit visit) const {
    const auto at = static_cast<std::size_t>(level);
    if (at + 1 < path_.size()) visit(path_[at + 1]);
    int looked = 0;
    for (NodeId id = index_.first_child(path_[at]);
         id != kNoNode && looked < PrefixIndex::kSiblingsMax; id = index_.next_sibling(id)) {
      visit(id);
      ++looked;
    }
    for (NodeId id = index_.first_tail(path_[at]); id != kNoNode; id = index_.next_sibling(id)) {
      visit(id);
    }
  }

  std::int64_t known() const {
    const std::int64_t level = std::ssize(path_) - 1;
    if (level * page_tokens() >= limit()) return limit();
    std::int64_t longest = 0;
    each_next(level, [&](NodeId id) {
      longest = std::max(longest, common_prefix(index_.tokens(id), rest(level)));
    });
    return level * page_tokens() + longest;
  }

  // For every group the node whose page shares the most tokens after `level`; the least of these
  // numbers comes back.
  std::int64_t longest_tail(std::int64_t level, std::vector<NodeId>& tails) const {
    tails.clear();
    if (group_count() == 0) return 0;
    const std::span<const std::int32_t> tokens = rest(level);
    std::int64_t least = std::ssize(tokens);
    for (int g = 0; g < group_count() && least > 0; ++g) {
      std::int64_t longest = 0;
      NodeId best = kNoNode;
      each_next(level, [&](NodeId id) {
        if (index_.page(id, g) < 0) return;
        const std::int64_t common = common_prefix(index_.tokens(id), tokens);
        if (common > longest) {
          longest = common;
          best = id;
        }
      });
      tails.push_back(best);
      least = std::min(least, longest);
    }
    if (least == 0) tails.clear();
    return least;
  }

  // A token at `end` sees the window - 1 tokens before it: their pages up to `level` must be held.
  bool window_holds(std::int64_t level, std::int64_t end) const {
    for (int g = 0; g < group_count(); ++g) {
      const std::int64_t window = rules_.windows[static_cast<std::size_t>(g)];
      if (window == 0) continue;
      const std::int64_t first_page = std::max<std::int64_t>(0, end - window + 1) / page_tokens();
      if (held(g, level) < level - first_page) return false;
    }
    return true;
  }

  PrefixMatch at(std::int64_t level, std::int64_t tail, std::vector<NodeId> tails) const {
    PrefixMatch match;
    match.tokens = level * page_tokens() + tail;
    match.node = level == 0 ? kNoNode : path_[static_cast<std::size_t>(level)];
    if (tail > 0) match.tails = std::move(tails);
    return match;
  }

  PrefixMatch cover(WindowRule rule) const {
    std::vector<NodeId> tails;
    for (std::int64_t level = top_; level >= 0; --level) {
      const std::int64_t begin = level * page_tokens();
      // The longer the hit, the fewer pages must lie before it: one test spares the scan.
      if (rule == kObeyWindows && !window_holds(level, begin + page_tokens() - 1)) continue;
      const std::int64_t tail = longest_tail(level, tails);
      const auto fits = [&](std::int64_t end) {
        return rule == kIgnoreWindows || window_holds(level, end);
      };
      if (tail > 0 && fits(begin + tail)) return at(level, tail, std::move(tails));
      if (fits(begin)) return at(level, 0, {});
    }
    return {};
  }

  PrefixMatch cover_with_state() const {
    std::vector<NodeId> tails;
    for (std::int64_t level = top_; level >= 0; --level) {
      const std::int64_t begin = level * page_tokens();
      const NodeId tail = longest_state_tail(level, tails);
      if (tail != kNoNode) {
        PrefixMatch match = at(level, std::ssize(index_.tokens(tail)), tails);
        match.state = tail;
        return match;
      }
      const NodeId node = path_[static_cast<std::size_t>(level)];
      if (level > 0 && index_.state(node) >= 0 && window_holds(level, begin)) {
        PrefixMatch match = at(level, 0, {});
        match.state = node;
        return match;
      }
    }
    return {};
  }

  NodeId longest_state_tail(std::int64_t level, std::vector<NodeId>& tails) const {
    const std::span<const std::int32_t> tokens = rest(level);
    NodeId best = kNoNode;
    std::int64_t longest = 0;
    std::int64_t covered = -1;  // by pages, found out when the first state is met
    for (NodeId id = index_.first_tail(path_[static_cast<std::size_t>(level)]); id != kNoNode;
         id = index_.next_sibling(id)) {
      const std::int64_t count = std::ssize(index_.tokens(id));
      if (index_.state(id) < 0 || count <= longest) continue;
      if (common_prefix(index_.tokens(id), tokens) < count) continue;
      if (covered < 0) {
        covered = group_count() == 0 ? std::ssize(tokens) : longest_tail(level, tails);
      }
      if (count > covered || !window_holds(level, level * page_tokens() + count)) continue;
      best = id;
      longest = count;
    }
    return best;
  }

  const PrefixIndex& index_;
  const MatchRules& rules_;
  const PrefixQuery& query_;
  std::vector<NodeId> path_;                     // path_[i] ends at i pages
  std::vector<std::vector<std::int64_t>> held_;  // [group][level]
  std::int64_t top_ = 0;                         // the highest page bound that a hit may include
};

}  // namespace

PrefixMatch match_prefix(const PrefixIndex& index, const MatchRules& rules,
                         const PrefixQuery& query) {
  return Matcher(index, rules, query).run();
}

}  // namespace quire::cache
