// Reasoning, content and calls told apart by markers in the text.
#include <algorithm>
#include <array>

#include "models/text/answer/answer_machine.h"
#include "models/text/answer/call_reader.h"
#include "models/text/answer/marker_scan.h"

namespace quire::text {
namespace {

using Kind = AnswerEvent::Kind;

const ReasoningFormat kNoReasoning = {};
const ToolFormat kNoTools = {};

bool only_blanks(std::string_view text) { return std::all_of(text.begin(), text.end(), is_blank); }

class MarkerMachine final : public AnswerMachine {
 public:
  explicit MarkerMachine(const AnswerParserOptions& options)
      : options_(options),
        reasoning_(options.format.reasoning != nullptr ? *options.format.reasoning : kNoReasoning),
        tools_(options.format.tools != nullptr ? *options.format.tools : kNoTools),
        has_tools_(options.format.tools != nullptr),
        calls_(options),
        where_(options.reasoning_is_open && !reasoning_.end.empty() ? Where::kReasoning
                                                                    : Where::kContent) {}

  void finish(bool cut, AnswerEvents& events) override {
    switch (where_) {
      case Where::kReasoning:
        add_reasoning(scan_.take(), events);
        return;
      case Where::kContent:
        add_content(scan_.take(), fed(), events);
        break;
      case Where::kSection:
        if (section_calls_ == 0 || (!cut && !only_blanks(raw_.text()))) add_content(raw_, events);
        break;
      case Where::kCall:
        finish_call(cut, events);
        break;
    }
    // Blanks at the end belong to an answer in words only.
    if (calls_.count() == 0) flush_blanks(events);
  }

  bool in_reasoning() const override { return where_ == Where::kReasoning; }
  int call_count() const override { return calls_.count(); }

 private:
  enum class Where { kReasoning, kContent, kSection, kCall };

  void feed(char c, AnswerEvents& events) override {
    switch (where_) {
      case Where::kReasoning:
        return feed_reasoning(c, events);
      case Where::kContent:
        return feed_content(c, events);
      case Where::kSection:
        raw_.add(c, fed() - 1);
        return feed_section(c, events);
      case Where::kCall:
        raw_.add(c, fed() - 1);
        return feed_call(c, events);
    }
  }

  // --- reasoning --------------------------------------------------------------------------------

  void feed_reasoning(char c, AnswerEvents& events) {
    // A model that calls a tool while it thinks has stopped thinking. A grammar that holds says for
    // itself where the reasoning ends.
    const bool watches = has_tools_ && calls_.may_call() && !options_.calls_are_enforced;
    const std::array markers = {reasoning_.end, watches ? section_marker() : std::string_view(),
                                watches ? call_marker() : std::string_view()};
    std::string text;
    const int found = scan_.feed(c, markers, text);
    add_reasoning(text, events);
    if (found < 0) return;
    blanks_.clear();
    where_ = Where::kContent;
    content_is_blank_ = true;
    skips_blanks_ = true;
    if (found > 0) begin_section(markers[static_cast<std::size_t>(found)], found == 2);
  }

  void add_reasoning(std::string_view text, AnswerEvents& events) {
    for (const char c : text) {
      if (is_blank(c)) {
        if (reasoning_has_text_) blanks_.add(c, 0);
        continue;
      }
      if (options_.show_reasoning) {
        add_event(events, Kind::kReasoning, blanks_.text());
        add_event(events, Kind::kReasoning, std::string_view(&c, 1));
      }
      blanks_.clear();
      reasoning_has_text_ = true;
    }
  }

  // --- content ----------------------------------------------------------------------------------

  std::string_view section_marker() const {
    // "[" alone is a marker at the very beginning only.
    return tools_.section_begin == "[" ? std::string_view() : tools_.section_begin;
  }
  std::string_view call_marker() const {
    const bool direct = tools_.section_begin.empty() || tools_.section_optional;
    return direct ? tools_.call_begin : std::string_view();
  }

  void feed_content(char c, AnswerEvents& events) {
    const bool watches = has_tools_ && calls_.may_call();
    if (watches && tools_.bare && !bare_tried_ && !scan_.holds() && content_is_blank_ &&
        !is_blank(c)) {
      bare_tried_ = true;
      const char first = tools_.shape == CallShape::kJsonObject ? '{' : '[';
      if (c == first) {
        begin_section({}, false);
        raw_.add(c, fed() - 1);
        if (tools_.shape != CallShape::kPython) feed_section(c, events);
        return;
      }
    }
    const std::array markers = {content_is_blank_ ? reasoning_.begin : std::string_view(),
                                reasoning_.content_begin, reasoning_.content_end,
                                watches ? section_marker() : std::string_view(),
                                watches ? call_marker() : std::string_view()};
    std::string text;
    const int found = scan_.feed(c, markers, text);
    const std::string_view marker =
        found < 0 ? std::string_view() : markers[static_cast<std::size_t>(found)];
    add_content(text, fed() - marker.size() - scan_.held_bytes(), events);
    if (found == 0) {
      begin_reasoning();
    } else if (found > 2) {
      begin_section(marker, found == 4);
    }
  }

  void begin_reasoning() {
    blanks_.clear();
    where_ = Where::kReasoning;
    reasoning_has_text_ = false;
  }

  // end: of `text` in the whole text.
  void add_content(std::string_view text, std::size_t end, AnswerEvents& events) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      add_content_byte(text[i], end - text.size() + i, events);
    }
  }

  void add_content(const SourcedText& text, AnswerEvents& events) {
    for (std::size_t i = 0; i < text.text().size(); ++i) {
      add_content_byte(text.text()[i], text.at(i), events);
    }
  }

  void add_content_byte(char c, std::size_t at, AnswerEvents& events) {
    if (skips_blanks_ && is_blank(c)) return;
    if (is_blank(c)) {
      blanks_.add(c, at);
      // Only where a call may follow, or a block of reasoning, can blanks turn out to be none of
      // the content.
      if (!options_.parse_calls && !content_is_blank_) flush_blanks(events);
      return;
    }
    flush_blanks(events);
    add_content_text(std::string_view(&c, 1), at + 1, events);
    content_is_blank_ = false;
    skips_blanks_ = false;
  }

  void flush_blanks(AnswerEvents& events) { add_content_text(blanks_.take(), events); }

  // --- calls ------------------------------------------------------------------------------------

  void begin_section(std::string_view marker, bool is_call) {
    raw_ = blanks_.take();
    for (std::size_t i = 0; i < marker.size(); ++i) raw_.add(marker[i], fed() - marker.size() + i);
    section_calls_ = 0;
    in_array_ = false;
    where_ = Where::kSection;
    if (is_call) begin_call();
  }

  void begin_call() {
    reader_ = make_call_reader(tools_, options_.tools);
    where_ = Where::kCall;
  }

  // Does this byte begin a call that has no marker of its own?
  bool begins_bare_call(char c) const {
    if (!tools_.call_begin.empty() || !calls_.may_call()) return false;
    if (tools_.shape == CallShape::kPython) {
      return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    return c == '{';
  }

  void feed_section(char c, AnswerEvents& events) {
    if (!scan_.holds()) {
      if (is_blank(c)) return;
      if (section_calls_ > 0 && (c == ',' || tools_.separator == std::string_view(&c, 1))) return;
      if (tools_.shape == CallShape::kJsonArray && (c == '[' || c == ']')) {
        if (in_array_ == (c == ']')) return feed_bracket(c, events);
      }
      if (begins_bare_call(c)) {
        begin_call();
        return feed_call(c, events);
      }
    }
    const std::array markers = {section_calls_ > 0 ? tools_.call_end : std::string_view(),
                                section_calls_ > 0 ? tools_.arguments_end : std::string_view(),
                                tools_.section_end,
                                calls_.may_call() ? tools_.call_begin : std::string_view(),
                                section_calls_ > 0 ? reasoning_.begin : std::string_view()};
    std::string text;
    const int found = scan_.feed(c, markers, text);
    if (!text.empty()) return leave_section(events);
    if (found == 0 || found == 1) {
      raw_.clear();
      if (found == 0 && tools_.section_begin.empty()) end_section();
    } else if (found == 2) {
      if (section_calls_ == 0) return leave_section(events);
      end_section();
    } else if (found == 3) {
      begin_call();
    } else if (found == 4) {
      begin_reasoning();
    }
  }

  void feed_bracket(char c, AnswerEvents& events) {
    in_array_ = c == '[';
    if (in_array_) return;
    if (section_calls_ == 0) return leave_section(events);
    raw_.clear();
    if (tools_.section_end.empty()) end_section();
  }

  // The calls are over, as they should be.
  void end_section() {
    raw_.clear();
    where_ = Where::kContent;
    content_is_blank_ = true;
    skips_blanks_ = true;
  }

  // What stands here is no part of a call: it is content from the last complete call on.
  void leave_section(AnswerEvents& events) {
    scan_.take();
    where_ = Where::kContent;
    skips_blanks_ = section_calls_ > 0;
    add_content(raw_.take(), events);
    content_is_blank_ = false;
  }

  void feed_call(char c, AnswerEvents& events) {
    const ReadState state = reader_->feed(c);
    if (state == ReadState::kBroken) return break_call(c, events);
    if (options_.calls_are_enforced && reader_->name_known) write_call(events);
    if (state != ReadState::kDone) return;
    const auto arguments = parse_json(reader_->arguments);
    if (!calls_.open() && (!arguments || !arguments->is_object())) return break_call(c, events);
    write_call(events);
    calls_.end();
    reader_.reset();
    raw_.clear();
    ++section_calls_;
    where_ = Where::kSection;
    // Without any end marker the next byte is free.
    if (tools_.shape == CallShape::kJsonObject && tools_.call_end.empty() &&
        tools_.separator.empty() && tools_.section_end.empty()) {
      end_section();
    }
  }

  void write_call(AnswerEvents& events) {
    if (!calls_.open()) calls_.begin(reader_->name, reader_->native_id, events);
    calls_.grow(reader_->arguments, events);
  }

  void break_call(char c, AnswerEvents& events) {
    const bool begun = calls_.open();
    calls_.end();
    reader_.reset();
    if (begun) {  // the rest went out as arguments
      raw_.clear();
      raw_.add(c, fed() - 1);
    }
    leave_section(events);
  }

  void finish_call(bool cut, AnswerEvents& events) {
    if (cut && reader_->name_known && !reader_->arguments.empty()) {
      write_call(events);
      calls_.end();
      return;
    }
    if (calls_.open()) return;
    leave_section(events);
  }

  const AnswerParserOptions& options_;
  const ReasoningFormat& reasoning_;
  const ToolFormat& tools_;
  const bool has_tools_;
  CallWriter calls_;
  Where where_;
  MarkerScan scan_;
  SourcedText blanks_;  // seen, and not known yet whether they are shown
  bool reasoning_has_text_ = false;
  bool content_is_blank_ = true;  // since the beginning, the reasoning or the last call
  bool skips_blanks_ = false;     // right behind the reasoning or a call
  bool bare_tried_ = false;
  // Of the section of calls that is open:
  SourcedText raw_;  // its text since the last complete call
  int section_calls_ = 0;
  bool in_array_ = false;
  std::unique_ptr<CallReader> reader_;
};

}  // namespace

std::unique_ptr<AnswerMachine> make_marker_machine(const AnswerParserOptions& options) {
  return std::make_unique<MarkerMachine>(options);
}

}  // namespace quire::text
