// Nodes of a grammar, and code point ranges as UTF-8 byte sequences.
#include "engine/grammar/grammar.h"

#include <algorithm>

#include "base/check.h"

namespace quire::grammar {
namespace {

constexpr char32_t kLastCodePoint = 0x10FFFF;
constexpr char32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

int utf8_length(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

void utf8_encode(char32_t c, int length, unsigned char* out) {
  static constexpr unsigned char kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (int i = length - 1; i > 0; --i) {
    out[i] = static_cast<unsigned char>(0x80 | (c & 0x3F));
    c >>= 6;
  }
  out[0] = static_cast<unsigned char>(kLead[length] | c);
}

ByteSet byte_range(int first, int last) {
  ByteSet set;
  for (int b = first; b <= last; ++b) set.set(static_cast<std::size_t>(b));
  return set;
}

// Sorted, disjoint, without surrogates.
std::vector<CodePointRange> normalise(std::vector<CodePointRange> ranges) {
  std::vector<CodePointRange> out;
  const auto add = [&](char32_t first, char32_t last) {
    if (first > last) return;
    if (!out.empty() && first <= out.back().last + 1) {
      out.back().last = std::max(out.back().last, last);
    } else {
      out.push_back({first, last});
    }
  };
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const CodePointRange& range : ranges) {
    const char32_t last = std::min(range.last, kLastCodePoint);
    add(range.first, std::min<char32_t>(last, kFirstSurrogate - 1));
    add(std::max<char32_t>(range.first, kLastSurrogate + 1), last);
  }
  return out;
}

// Splits [first, last] of one UTF-8 length into sequences of independent byte ranges
// (Cox, "Regular Expression Matching in the Wild", 2010).
void split_utf8(char32_t first, char32_t last, std::vector<std::vector<ByteSet>>& out) {
  const int length = utf8_length(first);
  for (int i = 1; i < length; ++i) {
    const char32_t mask = (char32_t{1} << (6 * i)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      split_utf8(first, first | mask, out);
      split_utf8((first | mask) + 1, last, out);
      return;
    }
    if ((last & mask) != mask) {
      split_utf8(first, (last & ~mask) - 1, out);
      split_utf8(last & ~mask, last, out);
      return;
    }
  }
  unsigned char low[4], high[4];
  utf8_encode(first, length, low);
  utf8_encode(last, length, high);
  std::vector<ByteSet> sequence;
  for (int i = 0; i < length; ++i) sequence.push_back(byte_range(low[i], high[i]));
  out.push_back(std::move(sequence));
}

}  // namespace

NodeId Grammar::add(Node node) {
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Grammar::empty() { return add({}); }

NodeId Grammar::bytes(const ByteSet& set) {
  return add({.kind = Node::Kind::kBytes, .bytes = set, .children = {}});
}

NodeId Grammar::literal(std::string_view text) {
  std::vector<NodeId> children;
  for (const char c : text) {
    children.push_back(
        bytes(byte_range(static_cast<unsigned char>(c), static_cast<unsigned char>(c))));
  }
  return sequence(std::move(children));
}

NodeId Grammar::code_points(std::vector<CodePointRange> ranges) {
  static constexpr char32_t kLengthEnds[] = {0x7F, 0x7FF, 0xFFFF, kLastCodePoint};
  std::vector<std::vector<ByteSet>> sequences;
  ByteSet ascii;
  for (CodePointRange range : normalise(std::move(ranges))) {
    for (const char32_t end : kLengthEnds) {
      if (range.first > end || range.first > range.last) continue;
      const char32_t last = std::min(range.last, end);
      if (end == 0x7F) {
        ascii |= byte_range(static_cast<int>(range.first), static_cast<int>(last));
      } else {
        split_utf8(range.first, last, sequences);
      }
      range.first = last + 1;
    }
  }
  std::vector<NodeId> choices;
  if (ascii.any()) choices.push_back(bytes(ascii));
  for (const auto& sets : sequences) {
    std::vector<NodeId> parts;
    for (const ByteSet& set : sets) parts.push_back(bytes(set));
    choices.push_back(sequence(std::move(parts)));
  }
  return choice(std::move(choices));
}

NodeId Grammar::code_points_except(std::vector<CodePointRange> ranges) {
  std::vector<CodePointRange> rest;
  char32_t next = 0;
  for (const CodePointRange& range : normalise(std::move(ranges))) {
    if (range.first > next) rest.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) rest.push_back({next, kLastCodePoint});
  return code_points(std::move(rest));
}

NodeId Grammar::sequence(std::vector<NodeId> children) {
  if (children.empty()) return empty();
  if (children.size() == 1) return children[0];
  return add({.kind = Node::Kind::kSequence, .bytes = {}, .children = std::move(children)});
}

// A choice of nothing matches nothing: an empty byte set.
NodeId Grammar::choice(std::vector<NodeId> children) {
  if (children.empty()) return bytes({});
  if (children.size() == 1) return children[0];
  return add({.kind = Node::Kind::kChoice, .bytes = {}, .children = std::move(children)});
}

NodeId Grammar::repeat(NodeId child, int min, int max) {
  CHECK(min >= 0 && (max == kUnbounded || max >= min), "repeat {} to {}", min, max);
  return add({.kind = Node::Kind::kRepeat,
              .bytes = {},
              .children = {child},
              .repeat_min = min,
              .repeat_max = max});
}

NodeId Grammar::rule(RuleId rule) {
  return add({.kind = Node::Kind::kRule, .bytes = {}, .children = {}, .rule = rule});
}

RuleId Grammar::declare(std::string name) {
  rules_.push_back({std::move(name)});
  return static_cast<RuleId>(rules_.size() - 1);
}

void Grammar::define(RuleId rule, NodeId node) {
  Rule& target = rules_[static_cast<std::size_t>(rule)];
  CHECK(target.node < 0, "rule {} defined twice", target.name);
  target.node = node;
}

}  // namespace quire::grammar
