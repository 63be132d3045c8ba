// Accepting connections, and serving the requests of each in its own thread.
#include "server/http_server.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace octet::server {
namespace {

constexpr int kBacklog = 1024;

/// How often the listening thread looks for the end and after those turned away.
constexpr int kLookMs = 100;

void set_option(int descriptor, int level, int name, int value) {
  ::setsockopt(descriptor, level, name, &value, sizeof value);
}

/// A peer that is gone without a word is noticed after two minutes.
void configure(int descriptor) {
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

/// Answers are made anew each time: a part of one has no meaning.
void without_ranges(httplib::Request& request) {
  request.ranges.clear();
}

}  // namespace

HttpServer::~HttpServer() {
  drain();
  close_all();
  if (svr_sock_ != INVALID_SOCKET) ::close(svr_sock_);
}

int HttpServer::bind(const std::string& host, int port) {
  set_socket_options(
      [](socket_t descriptor) { set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1); });
  errno = 0;
  const int bound = port == 0 ? bind_to_any_port(host) : (bind_to_port(host, port) ? port : -1);
  if (bound < 0)
    fail("{} port {}: cannot listen there{}{}; choose another --host or --port", host, port,
         errno != 0 ? ": " : "", errno != 0 ? std::strerror(errno) : "");
  if (::listen(svr_sock_, kBacklog) != 0)
    fail("{} port {}: cannot listen there: {}", host, port, std::strerror(errno));
  return bound;
}

void HttpServer::accept_connections() {
  TurnedAway turned_away;
  // Who has connected before the end is still served, and told.
  for (int late = 0; late < kBacklog; late += draining_.load() ? 1 : 0) {
    const bool draining = draining_.load();
    pollfd poll = {.fd = svr_sock_, .events = POLLIN, .revents = 0};
    if (::poll(&poll, 1, draining ? 0 : kLookMs) > 0) {
      const int descriptor = ::accept4(svr_sock_, nullptr, nullptr, SOCK_CLOEXEC);
      if (descriptor >= 0) {
        accept_one(descriptor, turned_away);
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    } else if (draining) {
      break;
    }
    turned_away.sweep();
    join_finished();
  }
  ::shutdown(svr_sock_, SHUT_RDWR);
}

void HttpServer::accept_one(int descriptor, TurnedAway& turned_away) {
  configure(descriptor);
  const std::lock_guard lock(mutex_);
  if (workers_.size() >= most_connections_) {
    turned_away.add(descriptor);
    return;
  }
  auto connection = std::make_unique<Connection>(descriptor, limits_, draining_);
  Connection* const raw = connection.get();
  try {
    std::thread thread([this, owned = std::move(connection)] {
      try {
        serve(*owned);
      } catch (const std::exception&) {
        // Memory has run out, say: this connection ends, the others go on.
      }
      const std::lock_guard done(mutex_);
      const auto self = workers_.find(std::this_thread::get_id());
      finished_.push_back(std::move(self->second.thread));
      workers_.erase(self);
      closed_.notify_all();
    });
    const std::thread::id id = thread.get_id();
    workers_[id] = {.thread = std::move(thread), .connection = raw};
  } catch (const std::system_error&) {
    // No thread to be had: the connection is closed with what should have served it.
  }
}

void HttpServer::serve(Connection& connection) {
  while (connection.wait_for_request()) {
    // When connections become scarce, none is kept for requests that may come.
    const bool last = draining_.load() || open_connections() * 2 > most_connections_;
    bool closed = false;
    const bool served = process_request(connection, last, closed, without_ranges);
    if (!served || closed || last || connection.closes_after_response()) break;
  }
  connection.linger();
}

void HttpServer::drain() {
  draining_.store(true);
}

bool HttpServer::wait_until_closed(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return closed_.wait_for(lock, time, [this] { return workers_.empty(); });
}

void HttpServer::close_all() {
  {
    std::unique_lock lock(mutex_);
    for (const auto& [id, worker] : workers_) worker.connection->interrupt();
    closed_.wait(lock, [this] { return workers_.empty(); });
  }
  join_finished();
}

void HttpServer::join_finished() {
  std::vector<std::thread> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (std::thread& thread : finished) thread.join();
}

size_t HttpServer::open_connections() const {
  const std::lock_guard lock(mutex_);
  return workers_.size();
}

Connection& HttpServer::connection() {
  const std::lock_guard lock(mutex_);
  const auto self = workers_.find(std::this_thread::get_id());
  OCTET_CHECK(self != workers_.end());
  return *self->second.connection;
}

}  // namespace octet::server
