// What looks at memory without owning it: an untyped tensor view and a typed matrix view.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/dtype.h"

namespace octet::tensor {

using Shape = std::vector<int64_t>;

/// A contiguous row-major tensor in somebody else's memory (a mapped file). `bytes` covers exactly
/// the elements of `shape`; whoever makes a View has checked that.
struct View {
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;

  int64_t elements() const {
    int64_t product = 1;
    for (int64_t extent : shape) product *= extent;
    return product;
  }
  /// Bytes of one row (all dimensions but the first).
  int64_t row_bytes() const {
    return shape.empty() || shape[0] == 0 ? 0 : static_cast<int64_t>(bytes.size()) / shape[0];
  }
};

/// A row-major matrix [rows, columns] whose rows lie `stride` elements apart.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;

  MatrixView() = default;
  MatrixView(T* pointer, int64_t row_count, int64_t column_count)
      : data(pointer), rows(row_count), columns(column_count), stride(column_count) {}
  MatrixView(T* pointer, int64_t row_count, int64_t column_count, int64_t row_stride)
      : data(pointer), rows(row_count), columns(column_count), stride(row_stride) {}
  /// A view of mutable elements is also a view of constant ones.
  operator MatrixView<const T>() const { return {data, rows, columns, stride}; }

  T* row(int64_t index) const { return data + index * stride; }
  MatrixView slice_rows(int64_t first, int64_t count) const {
    return {row(first), count, columns, stride};
  }
  MatrixView slice_columns(int64_t first, int64_t count) const {
    return {data + first, rows, count, stride};
  }
};

}  // namespace octet::tensor
