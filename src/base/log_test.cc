#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <thread>

namespace gateway::log {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// Sends the log into a pipe and gives back what arrived.
class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(pipe2(ends_, O_NONBLOCK), 0);
    set_output(ends_[1]);
  }
  void TearDown() override {
    set_output(2);
    set_up(Format::kText, Level::kInfo);
    close(ends_[0]);
    close(ends_[1]);
  }
  std::string written() const {
    std::string text(65536, '\0');
    const ssize_t size = read(ends_[0], text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }

  int ends_[2] = {-1, -1};
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  set_up(Format::kJson, Level::kInfo);
  info("test.started", {{"name", "alpha"}, {"count", 3}});
  const std::string line = written();
  EXPECT_THAT(line, MatchesRegex(R"(\{"time":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z","level":"info",.*\})"
                                 "\n"));
  EXPECT_THAT(line, HasSubstr(R"("event":"test.started","name":"alpha","count":"3"})"));
}

TEST_F(LogTest, EscapesWhatCouldBreakOutOfAJsonText) {
  set_up(Format::kJson, Level::kInfo);
  info("test.odd", {{"value", "a\"b\\c\nd\x01\x7f\xff{}%v"}});
  const std::string line = written();
  EXPECT_THAT(line, HasSubstr(R"("value":"a\"b\\c\u000ad\u0001\u007f\u00ff{}%v"})"));
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
}

TEST_F(LogTest, WritesTextForPeopleWithoutLineBreaksOfOthers) {
  set_up(Format::kText, Level::kInfo);
  warning("test.odd", {{"value", "two\nlines"}});
  const std::string line = written();
  EXPECT_THAT(line, HasSubstr("warning"));
  EXPECT_THAT(line, HasSubstr(R"(test.odd value="two\u000alines")"));
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  set_up(Format::kText, Level::kWarning);
  info("test.quiet");
  EXPECT_EQ(written(), "");
  error("test.loud");
  EXPECT_THAT(written(), HasSubstr("test.loud"));
  set_up(Format::kText, Level::kDebug);
  write(Level::kDebug, "test.detail");
  EXPECT_THAT(written(), HasSubstr("test.detail"));
}

TEST_F(LogTest, WritesAnErrorsIdAndDetailButNotItsRemedy) {
  error(Error(ErrorCode::kExpired, "test.expired", "ended yesterday", "ask again"));
  const std::string line = written();
  EXPECT_THAT(line, HasSubstr(R"(test.expired detail="ended yesterday")"));
  EXPECT_THAT(line, Not(HasSubstr("ask again")));
}

TEST_F(LogTest, KeepsTheLinesOfThreadsWhole) {
  set_up(Format::kText, Level::kInfo);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int j = 0; j < 50; ++j) info("test.line", {{"value", "xxxxxxxxxx"}});
      });
    }
  }
  std::string text;
  for (std::string part = written(); !part.empty(); part = written()) text += part;
  std::size_t lines = 0;
  for (std::size_t at = 0; at < text.size(); ++lines) {
    const std::size_t end = text.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_THAT(text.substr(at, end - at), ::testing::EndsWith("test.line value=\"xxxxxxxxxx\""));
    at = end + 1;
  }
  EXPECT_EQ(lines, 200U);
}

TEST_F(LogTest, SurvivesAnOutputThatIsGone) {
  set_output(-1);
  info("test.nowhere");
  set_output(ends_[1]);
  info("test.back");
  EXPECT_THAT(written(), HasSubstr("test.back"));
}

}  // namespace
}  // namespace gateway::log
