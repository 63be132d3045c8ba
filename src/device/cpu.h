// A CPU as the operations see it: a team of threads and the instruction set to use.
#pragma once

#include "device/cpu_features.h"
#include "device/thread_team.h"

namespace octet::device {

/// Handed to every operation; there is no global one. `isa` bounds the kernels chosen (--isa).
class Cpu {
 public:
  /// Throws octet::Error when this machine lacks `isa`.
  explicit Cpu(int threads, Isa isa = cpu_features().best());

  ThreadTeam& team() { return team_; }
  Isa isa() const { return isa_; }

 private:
  Isa isa_;
  ThreadTeam team_;
};

}  // namespace octet::device
