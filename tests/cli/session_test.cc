// Conversations: a backend that answers with what it was asked shows what the model would see.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "cli/chat_session.h"

namespace quire::cli {
namespace {

// Answers "N:" and the last message's text, N being the number of messages.
class Echo final : public ChatBackend {
 public:
  std::string name() const override { return "echo"; }
  Result<Answer> answer(const Json& messages, const Options& options, const TextSink& sink,
                        const std::atomic<bool>&) override {
    if (fails) return fail(ErrorCode::kInvalid, "no answer today");
    seen = messages;
    temperature = options.temperature;
    Answer answer;
    answer.text =
        fmt::format("{}:{}", messages.size(), messages.back().at("content").get<std::string>());
    answer.finish_reason = "stop";
    answer.completion_tokens = 3;
    sink(TextKind::kContent, answer.text);
    return answer;
  }
  Json seen;
  double temperature = -1;
  bool fails = false;
};

struct Talk {
  explicit Talk(Options options = {})
      : session(echo, std::move(options), cancelled,
                {[this](TextKind, std::string_view text) { out += text; },
                 [this](std::string_view line) { notes += std::string(line) + "\n"; }}) {}
  Echo echo;
  std::atomic<bool> cancelled{false};
  std::string out, notes;
  ChatSession session;
};

TEST(ChatSession, KeepsTheConversation) {
  Options options;
  options.system = "Be brief.";
  Talk talk(options);
  EXPECT_TRUE(talk.session.take("one"));
  EXPECT_TRUE(talk.session.take("two"));
  EXPECT_EQ(talk.out, "2:one\n4:two\n");
  EXPECT_EQ(talk.echo.seen[0], Json({{"role", "system"}, {"content", "Be brief."}}));
  talk.session.take("/retry");
  EXPECT_EQ(talk.echo.seen.size(), 4u) << "the last answer is gone before it is given again";
  talk.session.take("/undo");
  EXPECT_EQ(talk.session.messages().size(), 3u);
  talk.session.take("/clear");
  EXPECT_EQ(talk.session.messages().size(), 1u) << "the system prompt stays";
  talk.session.take("/system");
  EXPECT_TRUE(talk.session.messages().empty());
  EXPECT_FALSE(talk.session.take("/quit"));
}

TEST(ChatSession, AFailedTurnLeavesNoTrace) {
  Talk talk;
  talk.session.take("one");
  talk.echo.fails = true;
  talk.session.take("two");
  EXPECT_NE(talk.notes.find("no answer today"), std::string::npos);
  EXPECT_TRUE(talk.session.has_failed());
  EXPECT_EQ(talk.session.messages().size(), 2u);
  talk.echo.fails = false;
  talk.session.take("three");
  EXPECT_EQ(talk.echo.seen.size(), 3u);
}

TEST(ChatSession, SetsSampling) {
  Talk talk;
  talk.session.take("/set temperature 0.25");
  talk.session.take("x");
  EXPECT_EQ(talk.echo.temperature, 0.25);
  talk.session.take("/set temperature 1000");
  EXPECT_NE(talk.notes.find("from 0 to 100"), std::string::npos) << talk.notes;
  talk.session.take("/set temprature 1");
  EXPECT_NE(talk.notes.find("did you mean --temperature"), std::string::npos) << talk.notes;
  talk.session.take("/nonsense");
  EXPECT_NE(talk.notes.find("/help"), std::string::npos);
  EXPECT_EQ(talk.session.options().temperature, 0.25);
}

TEST(ChatSession, SavesAndLoads) {
  const std::filesystem::path path =
      std::filesystem::path(::testing::TempDir()) / "quire_session_test.json";
  Talk first, second;
  first.session.take("hello");
  first.session.take("/save " + path.string());
  second.session.take("/load " + path.string());
  EXPECT_EQ(first.session.messages(), second.session.messages());
  second.session.take("/load " + path.string() + ".none");
  EXPECT_NE(second.notes.find("cannot read"), std::string::npos);
  EXPECT_EQ(second.session.messages().size(), 2u);
  std::filesystem::remove(path);
}

TEST(InputLines, BlocksAndContinuations) {
  InputLines lines;
  EXPECT_TRUE(lines.add("one"));
  EXPECT_EQ(lines.take(), "one");
  EXPECT_FALSE(lines.add("one\\"));
  EXPECT_TRUE(lines.is_open());
  EXPECT_TRUE(lines.add("two"));
  EXPECT_EQ(lines.take(), "one\ntwo");
  EXPECT_FALSE(lines.add("\"\"\"first"));
  EXPECT_FALSE(lines.add("second \\"));
  EXPECT_TRUE(lines.add("third\"\"\""));
  EXPECT_EQ(lines.take(), "first\nsecond \\\nthird");
  EXPECT_TRUE(lines.add("\"\"\"all in one\"\"\""));
  EXPECT_EQ(lines.take(), "all in one");
  EXPECT_FALSE(lines.add("\"\"\""));
  EXPECT_FALSE(lines.add("x"));
  EXPECT_TRUE(lines.add("\"\"\""));
  EXPECT_EQ(lines.take(), "x\n");
}

}  // namespace
}  // namespace quire::cli
