// Timing launches on a GPU.
#include "evaluate/cuda/launches.h"

#include <cuda_runtime_api.h>

#include "base/error.h"

namespace octet::evaluate {

namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail("CUDA: {}: {}", what, cudaGetErrorString(error));
}

}  // namespace

Launches::Launches(int count, const std::function<void(int, device::Stream)>& launch)
    : count_(count), stream_(device::make_stream()) {
  for (int i = 0; i < count; ++i) launch(i, stream_);
  device::synchronize(stream_);
  graph_ = device::GpuGraph(stream_, [&] {
    for (int i = 0; i < count; ++i) launch(i, stream_);
  });
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  check(cudaEventCreate(&begin), "event");
  check(cudaEventCreate(&end), "event");
  begin_ = begin;
  end_ = end;
}

Launches::~Launches() {
  if (begin_ != nullptr) cudaEventDestroy(static_cast<cudaEvent_t>(begin_));
  if (end_ != nullptr) cudaEventDestroy(static_cast<cudaEvent_t>(end_));
  device::destroy_stream(stream_);
}

double Launches::seconds() {
  check(cudaEventRecord(static_cast<cudaEvent_t>(begin_), stream_), "event");
  graph_.run(stream_);
  check(cudaEventRecord(static_cast<cudaEvent_t>(end_), stream_), "event");
  device::synchronize(stream_);
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin_),
                             static_cast<cudaEvent_t>(end_)),
        "event");
  return static_cast<double>(milliseconds) / 1e3 / count_;
}

}  // namespace octet::evaluate
