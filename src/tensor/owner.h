// What owns memory: a cache-line aligned array, and storage shared with a mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace octet::tensor {

/// `bytes` > 0 zeroed bytes aligned to 64, straight from the system, so that untouched pages cost
/// nothing. Throws Error when the system has no room for them.
void* allocate_zeroed(size_t bytes);
void free_allocated(void* memory, size_t bytes);

/// An array of `size` zero-initialised elements, aligned to 64 bytes.
template <typename T>
class Array {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Array() = default;
  explicit Array(int64_t size) : size_(size) {
    if (size == 0) return;
    OCTET_CHECK(size > 0 && size < (int64_t{1} << 46));
    bytes_ = static_cast<size_t>(size) * sizeof(T);
    data_ = static_cast<T*>(allocate_zeroed(bytes_));
  }
  ~Array() { reset(); }
  Array(Array&& other) noexcept { *this = std::move(other); }
  Array& operator=(Array&& other) noexcept {
    if (this != &other) {
      reset();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  size_t bytes() const { return bytes_; }
  T& operator[](int64_t index) { return data_[index]; }
  const T& operator[](int64_t index) const { return data_[index]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  operator std::span<T>() { return {data_, static_cast<size_t>(size_)}; }
  operator std::span<const T>() const { return {data_, static_cast<size_t>(size_)}; }

  /// Makes room for at least `size` elements; the content is lost when it has to grow.
  void ensure(int64_t size) {
    if (size > size_) *this = Array(size + size / 2);
  }

 private:
  void reset() {
    if (data_ != nullptr) free_allocated(data_, bytes_);
    data_ = nullptr;
  }
  T* data_ = nullptr;
  int64_t size_ = 0;
  size_t bytes_ = 0;
};

/// Constant elements kept alive by a shared owner: an Array of ours or a mapped file.
template <typename T>
class Shared {
 public:
  Shared() = default;
  Shared(const T* data, int64_t size, std::shared_ptr<const void> owner)
      : data_(data), size_(size), owner_(std::move(owner)) {}
  /// Takes over an array.
  explicit Shared(Array<T>&& array) {
    auto owner = std::make_shared<Array<T>>(std::move(array));
    data_ = owner->data();
    size_ = owner->size();
    owner_ = std::move(owner);
  }

  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T& operator[](int64_t index) const { return data_[index]; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  size_t bytes() const { return static_cast<size_t>(size_) * sizeof(T); }
  /// Lets the elements go and remembers how many there were.
  void drop_values() {
    data_ = nullptr;
    owner_.reset();
  }

 private:
  const T* data_ = nullptr;
  int64_t size_ = 0;
  std::shared_ptr<const void> owner_;
};

}  // namespace octet::tensor
