// Bodies as clients send them: whole, in chunks, and in ways that two readers could understand
// differently.
#include "server/body.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "server/api_error.h"

namespace octet::server {
namespace {

constexpr size_t kLimit = 1000;

/// A connection whose client has sent `text` and nothing after it.
class Sent {
 public:
  explicit Sent(const std::string& text) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    client_ = ends[1];
    EXPECT_EQ(::send(client_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    ::shutdown(client_, SHUT_WR);
    connection_ = std::make_unique<Connection>(ends[0], ConnectionLimits{}, draining_);
    EXPECT_TRUE(connection_->wait_for_request());
  }
  ~Sent() { ::close(client_); }
  Sent(const Sent&) = delete;
  Sent& operator=(const Sent&) = delete;

  Connection& connection() { return *connection_; }
  /// What the next reader of the connection finds.
  std::string rest() {
    std::string rest(kLimit, ' ');
    connection_->begin_body(kLimit);
    const ssize_t got = connection_->read(rest.data(), rest.size());
    rest.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return rest;
  }

 private:
  std::atomic<bool> draining_{false};
  int client_ = -1;
  std::unique_ptr<Connection> connection_;
};

httplib::Request with(const httplib::Headers& headers) {
  httplib::Request request;
  request.method = "POST";
  request.headers = headers;
  return request;
}

httplib::Request in_chunks() {
  return with({{"Transfer-Encoding", "chunked"}});
}

int refusal(const httplib::Request& request, const std::string& sent) {
  Sent client(sent);
  try {
    read_body(request, client.connection(), kLimit);
  } catch (const ApiError& error) {
    return error.status;
  }
  return 200;
}

TEST(Body, IsAsLongAsItsLengthAndLeavesTheRestAlone) {
  Sent client("{\"a\": 1}GET /");
  EXPECT_EQ(read_body(with({{"Content-Length", "8"}}), client.connection(), kLimit), "{\"a\": 1}");
  EXPECT_EQ(client.rest(), "GET /");
  Sent nothing("GET /");
  EXPECT_EQ(read_body(with({{"content-length", "0"}}), nothing.connection(), kLimit), "");
  EXPECT_EQ(nothing.rest(), "GET /");
}

TEST(Body, InChunksEndsWithTheirTrailers) {
  for (const std::string body :
       {"5\r\nhello\r\n006\r\n world\r\n0\r\n\r\n", "B;a=\"b\"\r\nhello world\r\n0 ;c\r\n\r\n",
        "b\r\nhello world\r\n000\r\nTrailer: a\r\nAnother: b\r\n\r\n"}) {
    Sent client(body + "GET /");
    EXPECT_EQ(read_body(in_chunks(), client.connection(), kLimit), "hello world");
    EXPECT_EQ(client.rest(), "GET /");
  }
}

TEST(Body, OfAnUnclearLengthIsRefused) {
  for (const char* length : {"", "abc", "-5", "+5", "0x5", "5 5", "5, 5", "5;", "1.0", "\xff"})
    EXPECT_EQ(refusal(with({{"Content-Length", length}}), "hello"), 400) << length;
  EXPECT_EQ(refusal(with({{"Content-Length", "5"}, {"Content-Length", "3"}}), "hello"), 400);
  EXPECT_EQ(refusal(with({{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}), "hello"),
            400);
  for (const char* encoding : {"", "identity", "gzip, chunked", "xchunked"})
    EXPECT_EQ(refusal(with({{"Transfer-Encoding", encoding}}), "hello"), 400) << encoding;
  EXPECT_EQ(refusal(with({}), "hello"), 411);
  EXPECT_EQ(refusal(with({{"Content-Length", "5"}, {"Content-Encoding", "gzip"}}), "hello"), 415);
  EXPECT_EQ(refusal(with({{"Content-Length", "5"}, {"Content-Encoding", "Identity"}}), "hello"),
            200);
}

TEST(Body, InBrokenChunksIsRefused) {
  for (const char* body :
       {"", "5", "5\r\n", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\nA: b\r\n", "zz\r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n", "5 5\r\nhello\r\n0\r\n\r\n", "3\r\nhello\r\n0\r\n\r\n",
        "7\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "5\r\nhello0\r\n\r\n"})
    EXPECT_EQ(refusal(in_chunks(), body), 400) << body;
  EXPECT_EQ(refusal(in_chunks(), "5;" + std::string(9000, 'a')), 400);
}

TEST(Body, ThatIsTooLargeIsRefusedBeforeItIsRead) {
  EXPECT_EQ(refusal(with({{"Content-Length", "1000"}}), std::string(kLimit, 'a')), 200);
  for (const char* length :
       {"1001", "18446744073709551615", "18446744073709551616", "99999999999999999999999999999999"})
    EXPECT_EQ(refusal(with({{"Content-Length", length}}), ""), 413) << length;
  EXPECT_EQ(refusal(in_chunks(), "3e9\r\n"), 413);
  EXPECT_EQ(refusal(in_chunks(), "1\r\na\r\n3e8\r\n"), 413);
  EXPECT_EQ(refusal(in_chunks(), "ffffffffffffffff\r\n"), 413);
  EXPECT_EQ(refusal(in_chunks(), "11111111111111111\r\n"), 400);
}

TEST(Body, ThatEndsEarlyIsRefused) {
  EXPECT_EQ(refusal(with({{"Content-Length", "6"}}), "hello"), 400);
  EXPECT_EQ(refusal(with({{"Content-Length", "999"}}), ""), 400);
}

}  // namespace
}  // namespace octet::server
