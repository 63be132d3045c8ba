// A CPU as the operations see it: a team of threads and the instruction set to use.
#pragma once

#include "device/cpu_features.h"
#include "device/thread_team.h"

namespace octet::device {

/// Handed to every operation; there is no global one.
class Cpu {
 public:
  /// `isa` (--isa) bounds the kernels chosen. Throws octet::Error when `available`, this machine's
  /// features, lacks it.
  explicit Cpu(int threads, Isa isa = cpu_features().best(),
               const CpuFeatures& available = cpu_features());

  ThreadTeam& team() { return team_; }
  Isa isa() const { return isa_; }
  /// What kernels may use: nothing above isa().
  const CpuFeatures& features() const { return features_; }

 private:
  Isa isa_;
  CpuFeatures features_;
  ThreadTeam team_;
};

}  // namespace octet::device
