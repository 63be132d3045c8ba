// One client's connection: bytes in and out with deadlines, and whether the client is still there.
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace octet::server {

struct ConnectionLimits {
  /// A request's line and headers together.
  size_t head_bytes = size_t{64} << 10;
  /// From a request's first byte to its last: a client that sends byte by byte does not keep a
  /// thread for longer.
  std::chrono::milliseconds request_time{30'000};
  /// Between requests.
  std::chrono::milliseconds idle_time{30'000};
  /// Until a client takes in more of an answer.
  std::chrono::milliseconds write_time{30'000};
};

/// Waits by poll(), which unlike httplib's own select() knows descriptors from 1024 on.
class Connection : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  /// Owns `descriptor`. While `draining`, requests that have not been sent do not begin.
  Connection(int descriptor, const ConnectionLimits& limits, const std::atomic<bool>& draining);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Waits for the next request; false when none comes. Starts its deadline.
  bool wait_for_request();
  /// The head is over: from here on at most `bytes` more.
  void begin_body(size_t bytes) { allowed_bytes_ = bytes; }
  /// The rest of a request will not be read, so nothing can follow it.
  void close_after_response() { close_after_response_ = true; }
  bool closes_after_response() const { return close_after_response_; }
  /// Whether the client has closed its end, or the connection is broken.
  bool peer_left() const;
  /// Ends whatever waits for the client, from any thread.
  void interrupt();
  /// Takes in for a moment what the client still sends, so that it can read the answer.
  void linger();

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* out, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return descriptor_; }

 private:
  bool wait_readable(Clock::time_point deadline, bool unless_draining) const;

  int descriptor_;
  ConnectionLimits limits_;
  const std::atomic<bool>& draining_;
  Clock::time_point deadline_;
  size_t allowed_bytes_ = 0;
  bool close_after_response_ = false;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace octet::server
