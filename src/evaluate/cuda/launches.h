// Timing launches on a GPU.
#pragma once

#include <functional>

#include "device/gpu_graph.h"

namespace octet::evaluate {

/// A number of launches, captured once and timed by events as often as wanted.
class Launches {
 public:
  /// `launch(i, stream)` is called for i < count, twice each: to warm up, and to capture.
  Launches(int count, const std::function<void(int, device::Stream)>& launch);
  ~Launches();
  Launches(const Launches&) = delete;
  Launches& operator=(const Launches&) = delete;

  /// Seconds of one launch: the mean over a replay of all.
  double seconds();

 private:
  int count_;
  device::Stream stream_;
  device::GpuGraph graph_;
  void* begin_ = nullptr;  // cudaEvent_t
  void* end_ = nullptr;
};

}  // namespace octet::evaluate
