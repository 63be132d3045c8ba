// Memory of a GPU and page-locked memory of the host, with their owners. Only in builds with CUDA.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

struct CUstream_st;

namespace octet::device {

/// Work on a GPU runs in the order in which it was given to a stream.
using Stream = CUstream_st*;

/// Makes GPU `index` the one that the calling thread works with. Throws Error when there is none
/// of that number, or it is older than compute capability 7.5.
void use_gpu(int index);
Stream make_stream();
void destroy_stream(Stream stream);
void synchronize(Stream stream);

/// Memory of the current GPU: what all programs have left of it, and all there is.
struct GpuMemory {
  int64_t free_bytes = 0;
  int64_t total_bytes = 0;
};
GpuMemory gpu_memory();

/// What this process has of GPU `gpu` by allocate_gpu. CUDA's own needs (context, kernels, graphs)
/// are not in it.
struct GpuUse {
  int64_t bytes = 0;
  int64_t most_bytes = 0;   ///< at any time
  int64_t limit_bytes = 0;  ///< 0: none
};
GpuUse gpu_use(int gpu);
/// From now on allocate_gpu keeps GPU `gpu` within `bytes`; 0: within what there is.
void limit_gpu_memory(int gpu, int64_t bytes);
/// most_bytes counts from now on.
void restart_gpu_peak(int gpu);

/// `bytes` > 0 of the current GPU; their content is undefined. Throws Error when there is no room,
/// or when it would pass the limit.
void* allocate_gpu(int64_t bytes);
void free_gpu(void* memory) noexcept;
void* allocate_pinned(int64_t bytes);
void free_pinned(void* memory) noexcept;

void copy_to_gpu(void* to, const void* from, int64_t bytes, Stream stream);
void copy_from_gpu(void* to, const void* from, int64_t bytes, Stream stream);
void zero_gpu(void* memory, int64_t bytes, Stream stream);

/// Throws Error naming `what` when a launch before failed.
void check_launch(const char* what);

/// Where arrays lie: a GPU's memory, or host memory that it copies from and to at full speed.
struct OnGpu {
  static void* allocate(int64_t bytes) { return allocate_gpu(bytes); }
  static void free(void* memory) noexcept { free_gpu(memory); }
};
struct Pinned {
  static void* allocate(int64_t bytes) { return allocate_pinned(bytes); }
  static void free(void* memory) noexcept { free_pinned(memory); }
};

/// Owns elements whose content is undefined at first.
template <typename T, typename Place>
class PlacedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  PlacedArray() = default;
  explicit PlacedArray(int64_t size) : size_(size) {
    if (size > 0) data_ = static_cast<T*>(Place::allocate(bytes()));
  }
  /// Copies to a GPU; the host's elements may go when it returns.
  PlacedArray(std::span<const T> host, Stream stream)
      : PlacedArray(static_cast<int64_t>(host.size())) {
    static_assert(std::is_same_v<Place, OnGpu>);
    if (size_ == 0) return;
    copy_to_gpu(data_, host.data(), bytes(), stream);
    synchronize(stream);
  }
  ~PlacedArray() { Place::free(data_); }
  PlacedArray(PlacedArray&& other) noexcept { *this = std::move(other); }
  PlacedArray& operator=(PlacedArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  int64_t bytes() const { return size_ * static_cast<int64_t>(sizeof(T)); }
  /// Makes room for at least `size` elements; true when the array moved and lost its content.
  bool ensure(int64_t size) {
    if (size <= size_) return false;
    *this = PlacedArray();  // first, so that both need not fit
    *this = PlacedArray(size);
    return true;
  }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};

template <typename T>
using GpuArray = PlacedArray<T, OnGpu>;
template <typename T>
using PinnedArray = PlacedArray<T, Pinned>;

}  // namespace octet::device
