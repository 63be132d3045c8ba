// A client's socket with deadlines.
#include "server/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace octet::server {
namespace {

using std::chrono::milliseconds;

constexpr size_t kBufferBytes = 8192;
/// How often a waiting connection looks whether the server is about to stop.
constexpr milliseconds kLook{100};
constexpr milliseconds kLinger{1000};

milliseconds until(Connection::Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - Connection::Clock::now());
  return std::max(left, milliseconds(0));
}

/// poll() for one socket; 0 when the time is over.
short poll_once(int descriptor, short events, milliseconds time) {
  pollfd poll = {.fd = descriptor, .events = events, .revents = 0};
  const int ready = ::poll(&poll, 1, static_cast<int>(time.count()));
  if (ready < 0) return errno == EINTR ? short{0} : short{POLLERR};
  return poll.revents;
}

void address_of(int descriptor, bool remote, std::string& ip, int& port) {
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if ((remote ? getpeername(descriptor, any, &length) : getsockname(descriptor, any, &length)) != 0)
    return;
  char host[NI_MAXHOST] = {};
  char service[NI_MAXSERV] = {};
  if (getnameinfo(any, length, host, sizeof host, service, sizeof service,
                  NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
    ip = host;
    port = std::atoi(service);
  }
}

}  // namespace

Connection::Connection(int descriptor, const ConnectionLimits& limits,
                       const std::atomic<bool>& draining)
    : descriptor_(descriptor), limits_(limits), draining_(draining), buffer_(kBufferBytes) {}

Connection::~Connection() {
  ::close(descriptor_);
}

bool Connection::wait_readable(Clock::time_point deadline, bool unless_draining) const {
  for (;;) {
    const bool last = unless_draining && draining_.load();
    const milliseconds left = last ? milliseconds(0) : until(deadline);
    const short ready = poll_once(descriptor_, POLLIN, std::min(left, kLook));
    if (ready != 0) return true;
    if (left.count() == 0) return false;
  }
}

bool Connection::wait_for_request() {
  if (begin_ == end_ && !wait_readable(Clock::now() + limits_.idle_time, true)) return false;
  deadline_ = Clock::now() + limits_.request_time;
  allowed_bytes_ = limits_.head_bytes;
  return true;
}

bool Connection::peer_left() const {
  return (poll_once(descriptor_, POLLRDHUP, milliseconds(0)) &
          (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void Connection::interrupt() {
  ::shutdown(descriptor_, SHUT_RDWR);
}

void Connection::linger() {
  ::shutdown(descriptor_, SHUT_WR);
  const auto deadline = Clock::now() + kLinger;
  while (wait_readable(deadline, false)) {
    if (::recv(descriptor_, buffer_.data(), buffer_.size(), MSG_DONTWAIT) <= 0) return;
    if (Clock::now() >= deadline) return;
  }
}

bool Connection::is_readable() const {
  return begin_ < end_ || poll_once(descriptor_, POLLIN, until(deadline_)) != 0;
}

bool Connection::is_writable() const {
  const short ready = poll_once(descriptor_, POLLOUT, limits_.write_time);
  return (ready & POLLOUT) != 0 && (ready & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

ssize_t Connection::read(char* out, size_t size) {
  if (allowed_bytes_ == 0) return -1;
  if (begin_ == end_) {
    if (!wait_readable(deadline_, false)) return -1;
    const ssize_t got = ::recv(descriptor_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) return got;
    begin_ = 0;
    end_ = static_cast<size_t>(got);
  }
  const size_t taken = std::min({size, end_ - begin_, allowed_bytes_});
  std::memcpy(out, buffer_.data() + begin_, taken);
  begin_ += taken;
  allowed_bytes_ -= taken;
  return static_cast<ssize_t>(taken);
}

ssize_t Connection::write(const char* data, size_t size) {
  if (!is_writable()) return -1;
  return ::send(descriptor_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  address_of(descriptor_, true, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  address_of(descriptor_, false, ip, port);
}

}  // namespace octet::server
