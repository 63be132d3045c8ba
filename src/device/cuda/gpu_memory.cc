// Memory of a GPU and page-locked memory of the host, from the CUDA runtime.
#include "device/gpu_memory.h"

#include <cuda_runtime_api.h>

#include "base/error.h"
#include "device/gpu_driver.h"

namespace octet::device {

namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail("CUDA: {}: {}", what, cudaGetErrorString(error));
}

}  // namespace

void use_gpu(int index) {
  int count = 0;
  check(cudaGetDeviceCount(&count), "cannot list the GPUs");
  if (index < 0 || index >= count) {
    fail("there is no GPU cuda:{}; this machine has {} (octet devices lists them)", index, count);
  }
  int major = 0;
  int minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index), "attributes");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index), "attributes");
  if (major * 10 + minor < 75) {
    fail("cuda:{} has compute capability {}.{}; int8 products need 7.5 or newer: use --device cpu",
         index, major, minor);
  }
  check(cudaSetDevice(index), "cannot use the GPU");
}

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cannot make a stream");
  return stream;
}

void destroy_stream(Stream stream) {
  if (stream != nullptr) cudaStreamDestroy(stream);
}

void synchronize(Stream stream) {
  check(cudaStreamSynchronize(stream), "a kernel failed");
}

GpuMemory gpu_memory() {
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cannot ask for the free memory");
  return {static_cast<int64_t>(free), static_cast<int64_t>(total)};
}

int current_gpu() {
  int gpu = 0;
  check(cudaGetDevice(&gpu), "cannot ask for the GPU in use");
  return gpu;
}

void* driver_allocate(int64_t bytes) {
  void* memory = nullptr;
  if (cudaMalloc(&memory, static_cast<size_t>(bytes)) == cudaSuccess) return memory;
  cudaGetLastError();  // forget it: the caller may go on with less
  return nullptr;
}

void driver_free(void* memory) noexcept {
  cudaFree(memory);
}

void* allocate_pinned(int64_t bytes) {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, static_cast<size_t>(bytes)), "no page-locked memory");
  return memory;
}

void free_pinned(void* memory) noexcept {
  if (memory != nullptr) cudaFreeHost(memory);
}

void copy_to_gpu(void* to, const void* from, int64_t bytes, Stream stream) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, stream),
        "copying to the GPU");
}

void copy_from_gpu(void* to, const void* from, int64_t bytes, Stream stream) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, stream),
        "copying from the GPU");
}

void zero_gpu(void* memory, int64_t bytes, Stream stream) {
  check(cudaMemsetAsync(memory, 0, static_cast<size_t>(bytes), stream), "clearing memory");
}

void check_launch(const char* what) {
  check(cudaGetLastError(), what);
}

}  // namespace octet::device
