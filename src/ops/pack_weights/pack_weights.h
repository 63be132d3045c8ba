// From stored weights to packed panels: the kernels of loading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/int8_matmul/int8_matmul.h"
#include "ops/registry.h"
#include "tensor/dtype.h"

namespace octet::ops {

/// The weights behind one panel as a checkpoint stores them: row i is output column i of the panel.
struct StoredRows {
  tensor::DType type = tensor::DType::f32;    ///< f32, f16 or bf16
  int64_t count = 0;                          ///< of rows: 0 to 16
  int64_t k = 0;                              ///< elements of a row
  const std::byte* rows[kPanelColumns] = {};  ///< where each row begins, aligned or not
};

/// row_max[i] = max |w| of row i. Compared as integers of the magnitude bits, so that an infinity
/// or NaN in a row comes out as such: the caller must check.
struct StoredMaximaArgs {
  StoredRows stored;
  float* row_max = nullptr;  ///< [count]
};

/// The int8 codes rint(w·((1/c)·127)) of finite weights (ops/quantize_rows has the arithmetic),
/// row i with c = row_max[i], in the layout of int8_matmul: `panel` gets [k64/4][16][4], padding 0,
/// column_sums the sums of 16 columns of codes.
struct PackInt8Args {
  StoredRows stored;
  const float* row_max = nullptr;  ///< [count]
  int8_t* panel = nullptr;
  int32_t* column_sums = nullptr;
};

/// The weights as they are, in the layout of matmul16: `panel` gets [k32/2][16][2], padding 0.
/// `type` is f16 or bf16.
struct Pack16Args {
  StoredRows stored;
  uint16_t* panel = nullptr;
};

/// One row as float, exactly.
struct WidenRowArgs {
  tensor::DType type = tensor::DType::f32;  ///< f32, f16 or bf16
  int64_t k = 0;
  const std::byte* row = nullptr;
  float* out = nullptr;  ///< [k]
};

/// Rounds to the nearest 16-bit values, ties to even. Returns false, and writes nothing that means
/// anything, when a value is not finite or rounds to infinity.
struct NarrowRowArgs {
  tensor::DType type = tensor::DType::f16;  ///< f16 or bf16
  int64_t k = 0;
  const float* row = nullptr;
  uint16_t* out = nullptr;  ///< [k]
};

/// The column sums of a panel that PackInt8Args made and a file gave back. Returns false when a
/// code is −128, which no kernel of int8_matmul expects.
struct SumPanelArgs {
  const int8_t* panel = nullptr;   ///< [k/4][16][4]
  int64_t k = 0;                   ///< a multiple of kInt8KStep
  int32_t* column_sums = nullptr;  ///< [16]
};

using StoredMaximaFunction = void(const StoredMaximaArgs&);
using PackInt8Function = void(const PackInt8Args&);
using Pack16Function = void(const Pack16Args&);
using WidenRowFunction = void(const WidenRowArgs&);
using NarrowRowFunction = bool(const NarrowRowArgs&);
using SumPanelFunction = bool(const SumPanelArgs&);

std::span<const Kernel<StoredMaximaFunction>> stored_maxima_kernels();
std::span<const Kernel<PackInt8Function>> pack_int8_kernels();
std::span<const Kernel<Pack16Function>> pack16_kernels();
std::span<const Kernel<WidenRowFunction>> widen_row_kernels();
std::span<const Kernel<NarrowRowFunction>> narrow_row_kernels();
std::span<const Kernel<SumPanelFunction>> sum_panel_kernels();

}  // namespace octet::ops
