// Rows of a step: buffers for them, and work on each of them by a team of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "device/cpu.h"
#include "tensor/owner.h"
#include "tensor/view.h"

namespace octet::model {

/// The array, grown when it is smaller, as rows.
inline tensor::MatrixView<float> matrix(tensor::Array<float>& array, int64_t rows,
                                        int64_t columns) {
  array.ensure(rows * columns);
  return {array.data(), rows, columns};
}

/// Calls function(row) for every row; small work stays on the calling thread.
template <typename Function>
void for_rows(device::Cpu& cpu, int64_t rows, int64_t columns, const Function& function) {
  constexpr int64_t kSerialElements = 8192;
  if (rows * columns <= kSerialElements) {
    for (int64_t row = 0; row < rows; ++row) function(row);
    return;
  }
  const int64_t chunk = std::max<int64_t>(1, kSerialElements / columns);
  cpu.team().for_each((rows + chunk - 1) / chunk, [&](int64_t task, int) {
    const int64_t end = std::min(rows, (task + 1) * chunk);
    for (int64_t row = task * chunk; row < end; ++row) function(row);
  });
}

}  // namespace octet::model
