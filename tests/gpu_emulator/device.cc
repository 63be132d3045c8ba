// The emulated GPU: its memory is the host's, its streams do everything at once.
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "base/error.h"
#include "device/gpu.h"
#include "device/gpu_choices.h"
#include "device/gpu_graph.h"
#include "device/gpu_memory.h"
#include "gpu_emulator/cuda.h"

namespace octet::device {

GpuList list_gpus() {
  Gpu gpu;
  gpu.name = "emulated on the CPU";
  gpu.capability_major = 9;
  gpu.multiprocessors = 4;
  gpu.memory_bytes = int64_t{4} << 30;
  return {.gpus = {gpu}, .why_none = {}};
}

bool warpgroup_products() {
  return false;
}

void use_gpu(int index) {
  if (index != 0) fail("there is no GPU cuda:{}", index);
}
Stream make_stream() {
  return nullptr;
}
void destroy_stream(Stream) {}
void synchronize(Stream) {}
int64_t free_gpu_memory() {
  return int64_t{4} << 30;
}

void* allocate_gpu(int64_t bytes) {
  // Not a byte more than asked for, so that a sanitizer sees what goes beyond; aligned as CUDA's.
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, static_cast<size_t>(bytes)) != 0) fail("no memory");
  std::memset(memory, 0xcd, static_cast<size_t>(bytes));
  return memory;
}
void free_gpu(void* memory) noexcept {
  std::free(memory);
}
void* allocate_pinned(int64_t bytes) {
  return allocate_gpu(bytes);
}
void free_pinned(void* memory) noexcept {
  std::free(memory);
}

void copy_to_gpu(void* to, const void* from, int64_t bytes, Stream) {
  std::memcpy(to, from, static_cast<size_t>(bytes));
}
void copy_from_gpu(void* to, const void* from, int64_t bytes, Stream) {
  std::memcpy(to, from, static_cast<size_t>(bytes));
}
void zero_gpu(void* memory, int64_t bytes, Stream) {
  gpu_emulator::submit([=] { std::memset(memory, 0, static_cast<size_t>(bytes)); });
}
void check_launch(const char*) {}

namespace {

std::vector<std::function<void()>>* recording = nullptr;

}  // namespace

struct GpuGraph::Recorded {
  std::vector<std::function<void()>> work;
};
GpuGraph::GpuGraph() = default;
GpuGraph::~GpuGraph() = default;
GpuGraph::GpuGraph(GpuGraph&&) noexcept = default;
GpuGraph& GpuGraph::operator=(GpuGraph&&) noexcept = default;

GpuGraph::GpuGraph(Stream, const std::function<void()>& launch)
    : recorded_(std::make_unique<Recorded>()) {
  recording = &recorded_->work;
  launch();
  recording = nullptr;
}

void GpuGraph::run(Stream) const {
  for (const auto& work : recorded_->work) work();
}

}  // namespace octet::device

void octet::gpu_emulator::submit(std::function<void()> work) {
  if (device::recording != nullptr) {
    device::recording->push_back(std::move(work));
  } else {
    work();
  }
}
