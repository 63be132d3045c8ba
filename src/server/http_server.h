// HTTP over httplib's parser: listening, a thread for each connection, limits, and a clean end.
#pragma once

#include <httplib.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/connection.h"
#include "server/turned_away.h"

namespace octet::server {

/// Of httplib it uses the parser, the routes and the writing of answers. What it does itself, for
/// httplib 0.11's own ways do not hold: accepting (a queue of 5, an end at the first failure, a
/// port shared with another process), threads (a fixed number, which slow streams take up), waiting
/// (select, no deadline for a whole request), and stopping (which cuts streams off).
class HttpServer : public httplib::Server {
 public:
  HttpServer(ConnectionLimits limits, size_t most_connections)
      : limits_(limits), most_connections_(most_connections) {}
  ~HttpServer() override;
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Starts listening; port 0 takes a free one. Returns the port. Throws Error when that fails.
  int bind(const std::string& host, int port);
  /// Accepts connections until drain() is called, then those that wait, and listens no longer; in a
  /// thread of its own.
  void accept_connections();
  /// No more connections, and no more requests on those that are open but for what has been sent.
  void drain();
  /// Waits until all connections are closed; false when some are not after `time`.
  bool wait_until_closed(std::chrono::milliseconds time);
  /// Closes connections that are still open and waits for their threads.
  void close_all();

  bool draining() const { return draining_.load(); }
  size_t open_connections() const;
  /// The connection that this thread serves.
  Connection& connection();

 private:
  void accept_one(int descriptor, TurnedAway& turned_away);
  void serve(Connection& connection);
  void join_finished();

  ConnectionLimits limits_;
  size_t most_connections_;
  std::atomic<bool> draining_{false};
  mutable std::mutex mutex_;
  std::condition_variable closed_;
  struct Worker {
    std::thread thread;
    Connection* connection = nullptr;
  };
  std::map<std::thread::id, Worker> workers_;
  std::vector<std::thread> finished_;
};

}  // namespace octet::server
