// Clients that find all connections taken: told so, and held for a moment so that they can read it.
#pragma once

#include <chrono>
#include <deque>

namespace octet::server {

/// Belongs to one thread.
class TurnedAway {
 public:
  TurnedAway() = default;
  ~TurnedAway();
  TurnedAway(const TurnedAway&) = delete;
  TurnedAway& operator=(const TurnedAway&) = delete;

  /// Answers with 503, whatever is asked. Owns `descriptor` from now on.
  void add(int descriptor);
  /// Takes in what they send, for to close before that would take the answer from them too, and
  /// closes those that have ended or were here long enough.
  void sweep();

 private:
  using Clock = std::chrono::steady_clock;
  struct Client {
    int descriptor;
    Clock::time_point until;
  };
  std::deque<Client> clients_;  ///< by `until`
};

}  // namespace octet::server
