// What memory of a GPU is in a build without CUDA: none.
#include "device/gpu_memory.h"

#if !defined(OCTET_HAS_CUDA)

#include "base/error.h"
#include "device/gpu_driver.h"

namespace octet::device {

namespace {

[[noreturn]] void no_cuda() {
  fail("this build of octet has no CUDA: use --device cpu, or build with -DOCTET_CUDA=ON");
}

}  // namespace

void use_gpu(int) {
  no_cuda();
}
Stream make_stream() {
  no_cuda();
}
void destroy_stream(Stream) {}
void synchronize(Stream) {
  no_cuda();
}
GpuMemory gpu_memory() {
  no_cuda();
}
int current_gpu() {
  no_cuda();
}
void* driver_allocate(int64_t) {
  no_cuda();
}
void driver_free(void*) noexcept {}
void* allocate_pinned(int64_t) {
  no_cuda();
}
void free_pinned(void*) noexcept {}
void copy_to_gpu(void*, const void*, int64_t, Stream) {
  no_cuda();
}
void copy_from_gpu(void*, const void*, int64_t, Stream) {
  no_cuda();
}
void zero_gpu(void*, int64_t, Stream) {
  no_cuda();
}
void check_launch(const char*) {
  no_cuda();
}

}  // namespace octet::device

#endif
