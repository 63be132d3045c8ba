// The server: OpenAI's API, a page and metrics for one model, from start to a clean end.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/engine.h"

namespace octet::server {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;      ///< 0: a free one
  std::string api_key;  ///< empty: everyone may ask
  size_t most_connections = 256;
  size_t body_bytes = size_t{8} << 20;
  /// From a request's first byte to its last, and until a client takes in more of an answer.
  std::chrono::milliseconds client_time{30'000};
  /// Called after each response, from any thread.
  std::function<void(const std::string& line)> log = {};
};

class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens and answers from now on, with 503 until serve() is called. Returns the port. Throws
  /// Error when it cannot listen there.
  int start();
  /// Passes requests on to the engine, which must live until stop() has returned.
  void serve(Engine& engine);
  /// Accepts nothing new, finishes what was accepted within `time`, tells the rest, closes all.
  void stop(std::chrono::milliseconds time);
  /// Ends the time of a stop() that another thread is in.
  void hurry();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace octet::server
