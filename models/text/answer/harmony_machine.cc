// OpenAI's Harmony: messages with a header (role, channel, recipient) and a body.
#include <algorithm>
#include <array>

#include "models/text/answer/answer_machine.h"
#include "models/text/answer/call_reader.h"
#include "models/text/answer/marker_scan.h"

namespace quire::text {
namespace {

using Kind = AnswerEvent::Kind;

constexpr std::size_t kHeaderBytesMax = 1024;

class HarmonyMachine final : public AnswerMachine {
 public:
  explicit HarmonyMachine(const AnswerParserOptions& options) : options_(options), calls_(options) {
    if (options.reasoning_is_open) body_ = Body::kReasoning, in_body_ = true;
  }

  void finish(bool cut, AnswerEvents& events) override {
    const std::string rest = scan_.take();
    if (in_body_) {
      add_body(rest, fed(), events);
      end_body(fed(), cut, events);
    } else if (!in_header_) {
      add_header(rest, fed());
      add_content_text(header_, events);
    }
  }

  bool in_reasoning() const override { return in_body_ && body_ == Body::kReasoning; }
  int call_count() const override { return calls_.count(); }

 private:
  enum class Body { kContent, kReasoning, kCall };

  void feed(char c, AnswerEvents& events) override {
    static constexpr std::array<std::string_view, 6> kMarkers = {
        "<|message|>", "<|channel|>", "<|start|>", "<|end|>", "<|call|>", "<|return|>"};
    std::string text;
    const int found = scan_.feed(c, kMarkers, text);
    const std::string_view marker =
        found < 0 ? std::string_view() : kMarkers[static_cast<std::size_t>(found)];
    const std::size_t end = fed() - marker.size() - scan_.held_bytes();  // of `text`
    if (in_body_) {
      add_body(text, end, events);
    } else {
      add_header(text, end);
      // Text where a message should begin: an answer without the format's headers.
      const bool bare = !in_header_ && !text.empty();
      if (bare || header_.text().size() > kHeaderBytesMax) begin_body(Body::kContent, events);
    }
    if (found < 0) return;
    if (marker == "<|message|>" && !in_body_) {
      begin_body(body_of_header(), events);
      return;
    }
    if (in_body_) end_body(end, false, events);
    in_header_ = marker == "<|channel|>" || marker == "<|start|>";
    if (marker == "<|channel|>") add_header(marker, fed());
  }

  void add_header(std::string_view text, std::size_t end) {
    for (std::size_t i = 0; i < text.size(); ++i) header_.add(text[i], end - text.size() + i);
  }

  // "assistant<|channel|>commentary to=functions.f <|constrain|>json", in any order.
  Body body_of_header() {
    name_.clear();
    const std::string& header = header_.text();
    constexpr std::string_view kTo = "to=", kFunctions = "functions.", kChannel = "<|channel|>";
    if (const std::size_t to = header.find(kTo); to != std::string::npos) {
      std::string_view rest = std::string_view(header).substr(to + kTo.size());
      rest = rest.substr(0, std::min(rest.find_first_of(" <\n"), rest.size()));
      if (rest.starts_with(kFunctions)) rest.remove_prefix(kFunctions.size());
      name_ = rest;
      if (calls_.may_call() && !name_.empty() && name_.size() <= kCallNameBytesMax) {
        return Body::kCall;
      }
    }
    const std::size_t channel = header.rfind(kChannel);
    const bool analysis = channel != std::string::npos &&
                          header.substr(channel + kChannel.size()).starts_with("analysis");
    return analysis ? Body::kReasoning : Body::kContent;
  }

  void begin_body(Body body, AnswerEvents& events) {
    const SourcedText text = header_.take();
    const bool bare = !in_header_;
    in_header_ = false;
    in_body_ = true;
    body_ = body;
    arguments_.clear();
    if (bare && body == Body::kContent) {
      add_content_text(text, events);
    } else if (bare) {
      add_body(text.text(), fed(), events);
    }
    if (body == Body::kCall && options_.calls_are_enforced) calls_.begin(name_, {}, events);
  }

  // end: of `text` in the whole text.
  void add_body(std::string_view text, std::size_t end, AnswerEvents& events) {
    if (body_ == Body::kReasoning) {
      if (options_.show_reasoning) add_event(events, Kind::kReasoning, text);
    } else if (body_ == Body::kContent) {
      add_content_text(text, end, events);
    } else {
      arguments_ += text;
      if (calls_.open()) calls_.grow(arguments_, events);
    }
  }

  // end: of the body in the whole text.
  void end_body(std::size_t end, bool cut, AnswerEvents& events) {
    in_body_ = false;
    if (body_ != Body::kCall) return;
    if (only_blanks(arguments_)) arguments_ = "{}";
    const auto value = parse_json(arguments_);
    if (calls_.open() || cut || (value && value->is_object())) {
      if (!calls_.open()) calls_.begin(name_, {}, events);
      calls_.grow(arguments_, events);
    } else {
      add_content_text(arguments_, end, events);
    }
    calls_.end();
  }

  static bool only_blanks(std::string_view text) {
    return std::all_of(text.begin(), text.end(), is_blank);
  }

  const AnswerParserOptions& options_;
  CallWriter calls_;
  MarkerScan scan_;
  SourcedText header_;
  bool in_header_ = false;
  bool in_body_ = false;
  Body body_ = Body::kContent;
  std::string name_, arguments_;  // of a call
};

}  // namespace

std::unique_ptr<AnswerMachine> make_harmony_machine(const AnswerParserOptions& options) {
  return std::make_unique<HarmonyMachine>(options);
}

}  // namespace quire::text
