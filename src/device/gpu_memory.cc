// Counts what is allocated on each GPU, and keeps it within a limit.
#include "device/gpu_memory.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "device/gpu_driver.h"

namespace octet::device {

namespace {

int64_t mebibytes(int64_t bytes) {
  return (bytes + (1 << 20) - 1) >> 20;
}

/// A GPU's memory is the process's, so is the account of it.
class Account {
 public:
  void limit(int gpu, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    use_[gpu].limit_bytes = bytes;
  }
  GpuUse use(int gpu) {
    const std::lock_guard lock(mutex_);
    return use_[gpu];
  }
  void restart_peak(int gpu) {
    const std::lock_guard lock(mutex_);
    use_[gpu].most_bytes = use_[gpu].bytes;
  }

  void* allocate(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    const int gpu = current_gpu();
    GpuUse& use = use_[gpu];
    if (use.limit_bytes > 0 && bytes > use.limit_bytes - use.bytes) {
      fail(
          "the GPU has no room for {} MiB more: {} MiB of --memory-limit's {} MiB are in use; use "
          "a "
          "larger limit, a smaller --ctx-size or batch, or --device auto",
          mebibytes(bytes), mebibytes(use.bytes), use.limit_bytes >> 20);
    }
    void* memory = driver_allocate(bytes);
    if (memory == nullptr) {
      fail(
          "the GPU has no room for {} MiB more ({} MiB are free): use a smaller --ctx-size or "
          "batch, or --device auto",
          mebibytes(bytes), gpu_memory().free_bytes >> 20);
    }
    use.bytes += bytes;
    use.most_bytes = std::max(use.most_bytes, use.bytes);
    blocks_[memory] = {gpu, bytes};
    return memory;
  }

  void free(void* memory) noexcept {
    const std::lock_guard lock(mutex_);
    driver_free(memory);
    const auto found = blocks_.find(memory);
    use_[found->second.gpu].bytes -= found->second.bytes;
    blocks_.erase(found);
  }

 private:
  struct Block {
    int gpu;
    int64_t bytes;
  };
  std::mutex mutex_;
  std::map<int, GpuUse> use_;
  std::unordered_map<void*, Block> blocks_;
};

Account& account() {
  static Account account;
  return account;
}

}  // namespace

void* allocate_gpu(int64_t bytes) {
  return account().allocate(bytes);
}

void free_gpu(void* memory) noexcept {
  if (memory != nullptr) account().free(memory);
}

void limit_gpu_memory(int gpu, int64_t bytes) {
  account().limit(gpu, bytes);
}

GpuUse gpu_use(int gpu) {
  return account().use(gpu);
}

void restart_gpu_peak(int gpu) {
  account().restart_peak(gpu);
}

}  // namespace octet::device
