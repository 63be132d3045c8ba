// A linear layer y = x·Wᵀ + bias with packed weights: int8 (LLM.int8() and the other rows of
// Table 1), 16-bit or 32-bit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "device/cpu.h"
#include "linear/precision.h"
#include "ops/matmul16/matmul16.h"
#include "tensor/owner.h"
#include "tensor/view.h"

namespace octet::linear {

/// The 16/32-bit weights a layer is packed from, W [outputs, inputs], read by rows as float.
struct WeightSource {
  int64_t outputs = 0;
  int64_t inputs = 0;
  /// The 16-bit type in which these weights are kept when they stay 16-bit: bf16 when stored so,
  /// f16 otherwise.
  ops::SixteenBit sixteen_bit = ops::SixteenBit::f16;
  /// Writes rows [first, first + rows) to out[rows][inputs]. Called from several threads.
  std::function<void(int64_t first, int64_t rows, float* out)> read_rows;
};

/// What a packed layer consists of: what `octet quantize` stores and loads. Which members are used
/// depends on `method`: codes for the int8 methods, panels16 for fp16/bf16, panels32 for fp32.
/// n16 = outputs padded to 16, k64/k32 = inputs padded to 64/32.
struct LinearParts {
  Method method = Method::llm_int8;
  int64_t outputs = 0;
  int64_t inputs = 0;
  tensor::Shared<int8_t> codes;          ///< [n16/16][k64/4][16][4]
  tensor::Shared<int32_t> column_sums;   ///< [n16]
  tensor::Shared<float> column_scales;   ///< [n16] c_w (max |w|) or, zeropoint methods, 1/nd·127
  tensor::Shared<int32_t> column_zeros;  ///< [n16] zero points (zeropoint methods), else empty
  tensor::Shared<int32_t> kept_columns;  ///< ascending input columns kept in 16 bits
  tensor::Shared<uint16_t> kept_panels;  ///< [n16/16][padded(kept,32)/2][16][2]
  ops::SixteenBit sixteen_bit = ops::SixteenBit::f16;
  tensor::Shared<uint16_t> panels16;  ///< [n16/16][k32/2][16][2]; also `batch`'s originals
  tensor::Shared<float> panels32;     ///< [n16/16][k][16]
  tensor::Shared<float> bias;         ///< [n16] or empty
};

/// Scratch memory of linear layers, reused from call to call; one per forward pass in flight.
struct Workspace {
  tensor::Array<int8_t> codes;
  tensor::Array<int32_t> sums;
  tensor::Array<float> floats;
  tensor::Array<uint16_t> planes;
};

/// How one call runs.
struct LinearCall {
  int activation_bits = 16;
  /// First rows of the sequences in x, ascending, beginning with 0: the "calls" of methods that
  /// depend on the whole call. Empty: all rows are one call.
  std::span<const int64_t> calls;
  const float* residual = nullptr;  ///< added to the output; [rows, residual_stride]; may be out
  int64_t residual_stride = 0;
};

class Linear {
 public:
  Linear() = default;
  /// Packs while reading: peak extra memory is a few rows per thread.
  /// Throws Error when a weight is not finite or inputs exceed ops::kInt8MaxK; `name` is for it.
  static Linear pack(device::Cpu& cpu, const WeightSource& source, std::span<const float> bias,
                     const Precision& precision, std::string_view name);
  static Linear from_parts(device::Cpu& cpu, LinearParts parts, const Precision& precision);

  /// Keeps these input columns (ascending) in 16 bits, read again from the source.
  void keep_columns(device::Cpu& cpu, const WeightSource& source, std::span<const int32_t> columns);

  int64_t inputs() const { return parts_.inputs; }
  int64_t outputs() const { return parts_.outputs; }
  const LinearParts& parts() const { return parts_; }
  const Precision& precision() const { return precision_; }
  /// Bytes of everything packed.
  int64_t bytes() const;

  /// out[rows, outputs] = x·Wᵀ + bias + residual. Returns the first row of x that holds a value
  /// that is not finite, or −1: then the output of that row means nothing and the caller reports
  /// it by its own name for the layer.
  int64_t forward(device::Cpu& cpu, tensor::MatrixView<const float> x,
                  tensor::MatrixView<float> out, const LinearCall& call,
                  Workspace& workspace) const;

  /// Row n of W as float (embedding lookup); 16-bit and 32-bit layers only.
  void read_row(int64_t n, float* out) const;

 private:
  LinearParts parts_;
  Precision precision_;
};

}  // namespace octet::linear
