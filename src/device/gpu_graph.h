// Launches of a stream recorded once and run as one. Only in builds with CUDA.
#pragma once

#include <functional>
#include <memory>

#include "device/gpu_memory.h"

namespace octet::device {

class GpuGraph {
 public:
  GpuGraph();
  /// Records what `launch` gives to the stream; nothing of it runs. It must not allocate.
  GpuGraph(Stream stream, const std::function<void()>& launch);
  ~GpuGraph();
  GpuGraph(GpuGraph&&) noexcept;
  GpuGraph& operator=(GpuGraph&&) noexcept;

  void run(Stream stream) const;

 private:
  struct Recorded;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace octet::device
