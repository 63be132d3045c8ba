// The emulated GPU: its memory is the host's, its streams do everything at once.
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "base/error.h"
#include "device/gpu.h"
#include "device/gpu_choices.h"
#include "device/gpu_driver.h"
#include "device/gpu_graph.h"
#include "device/gpu_memory.h"
#include "gpu_emulator/cuda.h"

namespace octet::device {

namespace {

constexpr int64_t kMemoryBytes = int64_t{4} << 30;

}  // namespace

GpuList list_gpus() {
  Gpu gpu;
  gpu.name = "emulated on the CPU";
  gpu.capability_major = 9;
  gpu.multiprocessors = 4;
  gpu.memory_bytes = kMemoryBytes;
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
GpuMemory gpu_memory() {
  return {kMemoryBytes - gpu_use(0).bytes, kMemoryBytes};
}
int current_gpu() {
  return 0;
}

namespace {

/// Not a byte more than asked for, so that a sanitizer sees what goes beyond; aligned as CUDA's.
void* aligned(int64_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, static_cast<size_t>(bytes)) != 0) return nullptr;
  return std::memset(memory, 0xcd, static_cast<size_t>(bytes));
}

}  // namespace

void* driver_allocate(int64_t bytes) {
  return aligned(bytes);
}
void driver_free(void* memory) noexcept {
  std::free(memory);
}
void* allocate_pinned(int64_t bytes) {
  void* memory = aligned(bytes);
  if (memory == nullptr) fail("no memory");
  return memory;
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
