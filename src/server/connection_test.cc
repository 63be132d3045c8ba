// What a connection still reads when the server is about to stop, and who is told to come again.
#include "server/connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "server/turned_away.h"

namespace octet::server {
namespace {

using namespace std::chrono_literals;

std::array<int, 2> socket_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  return ends;
}

std::string read_to_end(int descriptor) {
  std::string text;
  std::array<char, 512> part;
  for (ssize_t got = 0; (got = ::recv(descriptor, part.data(), part.size(), 0)) > 0;)
    text.append(part.data(), static_cast<size_t>(got));
  return text;
}

TEST(Connection, TakesARequestThatWasSentBeforeTheEndAndWaitsForNoOther) {
  const std::atomic<bool> draining{true};
  const auto ends = socket_pair();
  Connection connection(ends[0], {.idle_time = 1h}, draining);
  EXPECT_FALSE(connection.wait_for_request());
  ASSERT_EQ(::send(ends[1], "G", 1, 0), 1);
  EXPECT_TRUE(connection.wait_for_request());
  char byte = 0;
  EXPECT_EQ(connection.read(&byte, 1), 1);
  EXPECT_FALSE(connection.wait_for_request());
  ::close(ends[1]);
}

TEST(TurnedAway, ClientsReadTheirAnswerWhateverTheySendAfterIt) {
  TurnedAway turned_away;
  const auto ends = socket_pair();
  turned_away.add(ends[0]);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(::send(ends[1], "GET /", 5, MSG_NOSIGNAL), 5);
    turned_away.sweep();
  }
  const std::string answer = read_to_end(ends[1]);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("\r\nRetry-After: "), std::string::npos);
  ::shutdown(ends[1], SHUT_WR);
  turned_away.sweep();
  EXPECT_EQ(::send(ends[1], "x", 1, MSG_NOSIGNAL), -1);
  ::close(ends[1]);
}

TEST(TurnedAway, HoldsAFewHundredAtMost) {
  TurnedAway turned_away;
  const auto first = socket_pair();
  turned_away.add(first[0]);
  std::array<std::array<int, 2>, 256> others;
  for (auto& ends : others) {
    ends = socket_pair();
    turned_away.add(ends[0]);
  }
  EXPECT_EQ(::send(first[1], "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(::send(others[0][1], "x", 1, MSG_NOSIGNAL), 1);
  ::close(first[1]);
  for (const auto& ends : others) ::close(ends[1]);
}

}  // namespace
}  // namespace octet::server
