// Launches of a stream recorded once and run as one.
#include "device/gpu_graph.h"

#include <cuda_runtime_api.h>

#include "base/error.h"

namespace octet::device {

namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail("CUDA: {}: {}", what, cudaGetErrorString(error));
}

}  // namespace

struct GpuGraph::Recorded {
  cudaGraphExec_t executable = nullptr;
  ~Recorded() {
    if (executable != nullptr) cudaGraphExecDestroy(executable);
  }
};

GpuGraph::GpuGraph() = default;
GpuGraph::~GpuGraph() = default;
GpuGraph::GpuGraph(GpuGraph&&) noexcept = default;
GpuGraph& GpuGraph::operator=(GpuGraph&&) noexcept = default;

GpuGraph::GpuGraph(Stream stream, const std::function<void()>& launch)
    : recorded_(std::make_unique<Recorded>()) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cannot record launches");
  launch();
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream, &graph), "cannot record launches");
  const cudaError_t error = cudaGraphInstantiate(&recorded_->executable, graph, 0);
  cudaGraphDestroy(graph);
  check(error, "cannot prepare a graph");
}

void GpuGraph::run(Stream stream) const {
  check(cudaGraphLaunch(recorded_->executable, stream), "cannot run a graph");
}

}  // namespace octet::device
