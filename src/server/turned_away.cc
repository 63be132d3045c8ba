// The answer to those for whom there is no connection.
#include "server/turned_away.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace octet::server {
namespace {

constexpr size_t kMost = 256;
constexpr std::chrono::milliseconds kStay{1000};

constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
    "Content-Type: application/json\r\nContent-Length: 136\r\n\r\n"
    "{\"error\":{\"message\":\"too many connections are open; try again later\","
    "\"type\":\"service_unavailable_error\",\"param\":null,\"code\":null}}      ";
constexpr size_t kFullBody = kFull.size() - (kFull.find("\r\n\r\n") + 4);
static_assert(kFullBody == 136);

/// False when the client has closed its side.
bool take_in(int descriptor) {
  std::array<char, 4096> unread;
  ssize_t got = 0;
  do {
    got = ::recv(descriptor, unread.data(), unread.size(), MSG_DONTWAIT);
  } while (got == static_cast<ssize_t>(unread.size()));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace

TurnedAway::~TurnedAway() {
  for (const Client& client : clients_) ::close(client.descriptor);
}

void TurnedAway::add(int descriptor) {
  ::send(descriptor, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(descriptor, SHUT_WR);
  if (clients_.size() == kMost) {
    ::close(clients_.front().descriptor);
    clients_.pop_front();
  }
  clients_.push_back({.descriptor = descriptor, .until = Clock::now() + kStay});
}

void TurnedAway::sweep() {
  const auto now = Clock::now();
  std::erase_if(clients_, [now](const Client& client) {
    if (take_in(client.descriptor) && now < client.until) return false;
    ::close(client.descriptor);
    return true;
  });
}

}  // namespace octet::server
