// Splitting tokens where their plain text ends.
#include "engine/grammar/token_trie.h"

#include <algorithm>
#include <utility>

namespace quire::grammar {
namespace {

std::vector<ByteTrie::Entry> entries_of(const std::vector<std::string>& bytes) {
  std::vector<ByteTrie::Entry> entries;
  for (std::size_t id = 0; id < bytes.size(); ++id) {
    if (!bytes[id].empty()) entries.push_back({bytes[id], static_cast<std::int32_t>(id)});
  }
  return entries;
}

// Bytes of the character of several bytes at the beginning of `text`, as many of them as there are;
// 0 when they are not one.
std::size_t wide_length(std::string_view text) {
  const WideForm* form = wide_form_of(static_cast<std::uint8_t>(text[0]));
  if (form == nullptr) return 0;
  const std::size_t length = std::min(text.size(), static_cast<std::size_t>(form->rest) + 2);
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    const bool good =
        i == 1 ? byte >= form->second_first && byte <= form->second_last : (byte & 0xC0) == 0x80;
    if (!good) return 0;
  }
  return length;
}

struct Front {
  std::size_t characters = 0, bytes = 0;
};
Front front_of(std::string_view text, const TextRun& run) {
  Front front;
  while (front.bytes < text.size()) {
    const auto byte = static_cast<std::uint8_t>(text[front.bytes]);
    std::size_t length = 0;
    if (byte < 0x80) {
      length = run.ascii[byte] ? 1 : 0;
    } else if (run.wide) {
      length = wide_length(text.substr(front.bytes));
    }
    if (length == 0) break;
    front.bytes += length;
    ++front.characters;
  }
  return front;
}

// What JSON's strings may hold without an escape.
TextRun json_text() {
  TextRun run;
  for (std::size_t c = 0x20; c < 0x7F; ++c) run.ascii.set(c, c != '"' && c != '\\');
  run.wide = true;
  return run;
}

}  // namespace

TokenTrie::TokenTrie(std::span<const std::string> bytes)
    : bytes_(bytes.begin(), bytes.end()), trie_(entries_of(bytes_)) {
  const TextRun usual = json_text();
  wanted_.push_back(
      {usual.ascii, usual.wide, std::make_shared<const TextSplit>(make_split(usual))});
}

TextSplit TokenTrie::make_split(const TextRun& run) const {
  constexpr std::size_t kLengths = TextRuns::kLengthMax + 1;
  TextSplit out;
  out.ascii = run.ascii;
  out.wide = run.wide;
  out.whole.assign(kLengths, TokenMask(mask_words(), 0));
  std::vector<std::vector<ByteTrie::Entry>> rests(kLengths);
  for (std::int32_t id = 0; id < vocab_size(); ++id) {
    const std::string_view text = bytes(id);
    if (text.empty()) continue;
    const Front front = front_of(text, run);
    if (front.characters >= kLengths) {
      out.long_ids.push_back(id);
    } else if (front.bytes == text.size()) {
      mask_allow(out.whole[front.characters], id);
    } else {
      rests[front.characters].push_back({text.substr(front.bytes), id});
    }
  }
  for (std::size_t l = 1; l < kLengths; ++l) {
    for (std::size_t i = 0; i < mask_words(); ++i) out.whole[l][i] |= out.whole[l - 1][i];
  }
  for (auto& entries : rests) out.rests.emplace_back(std::move(entries));
  return out;
}

TokenTrie::Wanted* TokenTrie::find(const TextRun& run) const {
  const auto it = std::find_if(wanted_.begin(), wanted_.end(), [&](const Wanted& other) {
    return other.ascii == run.ascii && other.wide == run.wide;
  });
  if (it == wanted_.end()) return nullptr;
  std::rotate(it, it + 1, wanted_.end());
  return &wanted_.back();
}

std::shared_ptr<const TextSplit> TokenTrie::split(const TextRun& run) const {
  const std::lock_guard lock(mutex_);
  if (Wanted* known = find(run)) {
    if (!known->split) known->split = std::make_shared<const TextSplit>(make_split(run));
    return known->split;
  }
  if (wanted_.size() == kSplitsMax) wanted_.erase(wanted_.begin());
  wanted_.push_back({run.ascii, run.wide, nullptr});
  return nullptr;
}

void TokenTrie::prepare(const TextRun& run) const {
  {
    const std::lock_guard lock(mutex_);
    if (const Wanted* known = find(run); known != nullptr && known->split) return;
  }
  auto split = std::make_shared<const TextSplit>(make_split(run));
  const std::lock_guard lock(mutex_);
  if (Wanted* known = find(run)) {
    known->split = std::move(split);
    return;
  }
  if (wanted_.size() == kSplitsMax) wanted_.erase(wanted_.begin());
  wanted_.push_back({run.ascii, run.wide, std::move(split)});
}

}  // namespace quire::grammar
