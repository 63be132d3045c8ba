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

/// Memory of the current GPU that is free, bytes.
int64_t free_gpu_memory();

/// `bytes` > 0 of the current GPU; their content is undefined. Throws Error when there is no room.
void* allocate_gpu(int64_t bytes);
void free_gpu(void* memory) noexcept;
void* allocate_pinned(int64_t bytes);
void free_pinned(void* memory) noexcept;

void copy_to_gpu(void* to, const void* from, int64_t bytes, Stream stream);
void copy_from_gpu(void* to, const void* from, int64_t bytes, Stream stream);
void zero_gpu(void* memory, int64_t bytes, Stream stream);

/// Throws Error naming `what` when a launch before failed.
void check_launch(const char* what);

/// An array in the memory of one GPU.
template <typename T>
class GpuArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  GpuArray() = default;
  explicit GpuArray(int64_t size) : size_(size) {
    if (size > 0) data_ = static_cast<T*>(allocate_gpu(size * static_cast<int64_t>(sizeof(T))));
  }
  /// Copies; the host's elements may go when it returns.
  GpuArray(std::span<const T> host, Stream stream) : GpuArray(static_cast<int64_t>(host.size())) {
    if (size_ == 0) return;
    copy_to_gpu(data_, host.data(), bytes(), stream);
    synchronize(stream);
  }
  ~GpuArray() { free_gpu(data_); }
  GpuArray(GpuArray&& other) noexcept { *this = std::move(other); }
  GpuArray& operator=(GpuArray&& other) noexcept {
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
    *this = GpuArray();
    *this = GpuArray(size);
    return true;
  }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};

/// Host memory that a GPU copies from and to at full speed.
template <typename T>
class PinnedArray {
 public:
  PinnedArray() = default;
  explicit PinnedArray(int64_t size) : size_(size) {
    if (size > 0) data_ = static_cast<T*>(allocate_pinned(size * static_cast<int64_t>(sizeof(T))));
  }
  ~PinnedArray() { free_pinned(data_); }
  PinnedArray(PinnedArray&& other) noexcept { *this = std::move(other); }
  PinnedArray& operator=(PinnedArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  T* data() { return data_; }
  int64_t size() const { return size_; }
  bool ensure(int64_t size) {
    if (size <= size_) return false;
    *this = PinnedArray();
    *this = PinnedArray(size);
    return true;
  }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace octet::device
