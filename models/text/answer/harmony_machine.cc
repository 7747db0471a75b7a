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

  void feed(char c, AnswerEvents& events) override {
    static constexpr std::array<std::string_view, 6> kMarkers = {
        "<|message|>", "<|channel|>", "<|start|>", "<|end|>", "<|call|>", "<|return|>"};
    std::string text;
    const int found = scan_.feed(c, kMarkers, text);
    if (in_body_) {
      add_body(text, events);
    } else {
      header_ += text;
      // Text where a message should begin: an answer without the format's headers.
      const bool bare = !in_header_ && !text.empty();
      if (bare || header_.size() > kHeaderBytesMax) begin_body(Body::kContent, events);
    }
    if (found < 0) return;
    const auto marker = kMarkers[static_cast<std::size_t>(found)];
    if (marker == "<|message|>" && !in_body_) {
      begin_body(body_of_header(), events);
      return;
    }
    if (in_body_) end_body(false, events);
    in_header_ = marker == "<|channel|>" || marker == "<|start|>";
    if (marker == "<|channel|>") header_ += marker;
  }

  void finish(bool cut, AnswerEvents& events) override {
    const std::string rest = scan_.take();
    if (in_body_) {
      add_body(rest, events);
      end_body(cut, events);
    } else if (!in_header_) {
      add_event(events, Kind::kContent, header_ + rest);
    }
  }

  bool in_reasoning() const override { return in_body_ && body_ == Body::kReasoning; }
  int call_count() const override { return calls_.count(); }

 private:
  enum class Body { kContent, kReasoning, kCall };

  // "assistant<|channel|>commentary to=functions.f <|constrain|>json", in any order.
  Body body_of_header() {
    name_.clear();
    constexpr std::string_view kTo = "to=", kFunctions = "functions.", kChannel = "<|channel|>";
    if (const std::size_t to = header_.find(kTo); to != std::string::npos) {
      std::string_view rest = std::string_view(header_).substr(to + kTo.size());
      rest = rest.substr(0, std::min(rest.find_first_of(" <\n"), rest.size()));
      if (rest.starts_with(kFunctions)) rest.remove_prefix(kFunctions.size());
      name_ = rest;
      if (calls_.may_call() && !name_.empty() && name_.size() <= kCallNameBytesMax) {
        return Body::kCall;
      }
    }
    const std::size_t channel = header_.rfind(kChannel);
    const bool analysis = channel != std::string::npos &&
                          header_.substr(channel + kChannel.size()).starts_with("analysis");
    return analysis ? Body::kReasoning : Body::kContent;
  }

  void begin_body(Body body, AnswerEvents& events) {
    const std::string text = std::exchange(header_, {});
    const bool bare = !in_header_;
    in_header_ = false;
    in_body_ = true;
    body_ = body;
    arguments_.clear();
    if (bare) add_body(text, events);
    if (body == Body::kCall && options_.calls_are_enforced) calls_.begin(name_, {}, events);
  }

  void add_body(std::string_view text, AnswerEvents& events) {
    if (body_ == Body::kReasoning) {
      if (options_.show_reasoning) add_event(events, Kind::kReasoning, text);
    } else if (body_ == Body::kContent) {
      add_event(events, Kind::kContent, text);
    } else {
      arguments_ += text;
      if (calls_.open()) calls_.grow(arguments_, events);
    }
  }

  void end_body(bool cut, AnswerEvents& events) {
    in_body_ = false;
    if (body_ != Body::kCall) return;
    if (only_blanks(arguments_)) arguments_ = "{}";
    const auto value = parse_json(arguments_);
    if (calls_.open() || cut || (value && value->is_object())) {
      if (!calls_.open()) calls_.begin(name_, {}, events);
      calls_.grow(arguments_, events);
    } else {
      add_event(events, Kind::kContent, arguments_);
    }
    calls_.end();
  }

  static bool only_blanks(std::string_view text) {
    return std::all_of(text.begin(), text.end(), is_blank);
  }

  const AnswerParserOptions& options_;
  CallWriter calls_;
  MarkerScan scan_;
  std::string header_;
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
