// A linear layer y = x·Wᵀ + bias with packed weights: int8 (LLM.int8() and the other rows of
// Table 1), 16-bit or 32-bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "device/cpu.h"
#include "device/function_ref.h"
#include "linear/kernels.h"
#include "linear/precision.h"
#include "ops/matmul16/matmul16.h"
#include "tensor/dtype.h"
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
  std::function<void(int64_t first, int64_t rows, float* out)> read_rows = {};
  /// Where the `inputs` elements of row n lie in memory, f32, f16 or bf16 by `stored_type`. Packing
  /// takes them from there and does not call read_rows. Empty when they lie nowhere like that.
  std::function<const std::byte*(int64_t n)> stored_row = {};
  tensor::DType stored_type = tensor::DType::f32;
  /// Rows of each of the matrices that are stacked, which tensor-wise methods scale one by one.
  /// Empty: there is one.
  std::vector<int64_t> part_rows = {};
};

/// int8 weights that a checkpoint holds already, W ≈ codes·scale/127 row by row.
struct CodeSource {
  int64_t outputs = 0;
  int64_t inputs = 0;
  tensor::Array<float> scales = {};  ///< [outputs] c_w, the largest magnitude of each row
  /// Writes rows [first, first + rows) to out[rows][inputs]. Called from several threads.
  std::function<void(int64_t first, int64_t rows, int8_t* out)> read_rows = {};
};

/// What a packed layer consists of: what `octet quantize` stores and loads. Which members are used
/// depends on `method`: codes for the int8 methods, panels16 for fp16/bf16, panels32 for fp32.
/// n16 = outputs padded to 16, k64/k32 = inputs padded to 64/32.
struct LinearParts {
  Method method = Method::llm_int8;
  int64_t outputs = 0;
  int64_t inputs = 0;
  tensor::Shared<int8_t> codes;         ///< [n16/16][k64/4][16][4]
  tensor::Shared<int32_t> column_sums;  ///< [n16]
  /// [n16] c_w, the largest magnitude of an output's weights over all inputs (tensor-wise methods:
  /// of all weights of its matrix); zeropoint methods: half of their range, 127/nd.
  tensor::Shared<float> column_scales;
  tensor::Shared<int32_t> column_zeros;  ///< [n16] zero points (zeropoint methods), else empty
  tensor::Shared<int32_t> kept_columns;  ///< ascending input columns kept in 16 bits
  tensor::Shared<uint16_t> kept_panels;  ///< [n16/16][padded(kept,32)/2][16][2]
  ops::SixteenBit sixteen_bit = ops::SixteenBit::f16;  ///< type of kept_panels and panels16
  tensor::Shared<uint16_t> panels16;  ///< [n16/16][k32/2][16][2]; also `batch`'s originals
  tensor::Shared<float> panels32;     ///< [n16/16][k][16]
  tensor::Shared<float> bias;         ///< [n16] or empty
};

/// Scratch memory of linear layers, reused from call to call; one per forward pass in flight.
/// Between the phases of a call it carries their results.
struct Workspace {
  // Phase 1.
  tensor::Array<float> row_max;          ///< [rows] max |x| of what goes into the int8 product
  tensor::Array<float> leftover_max;     ///< [rows] max |x| of the extra row, 0 where there is none
  std::vector<int32_t> outlier_columns;  ///< `batch`: those of this call, ascending
  tensor::Array<uint32_t> column_mask;   ///< `batch`: [inputs] 0 for outlier columns, else ~0
  tensor::Array<uint16_t> outlier_panels;  ///< `batch`: 16-bit weights of the outlier columns
  tensor::Array<float> rounded;            ///< `batch` on stored codes: [rows][inputs] x as f16
  // Phase 2.
  std::vector<int64_t> first_code_row;  ///< [rows + 1] where each row's one or two code rows are
  tensor::Array<int8_t> codes;          ///< [code rows][k64]
  tensor::Array<uint16_t> planes;       ///< [rows] bfloat16 planes of 16-bit columns
  tensor::Array<int32_t> sums;          ///< [code rows][n16], or a tile for each thread
  tensor::Array<float> products;        ///< [rows][n16], or a tile for each thread: 16/32-bit part
  tensor::Array<float> gathered;        ///< a row's 16-bit columns, for each thread
};

/// How one call runs.
struct LinearCall {
  int activation_bits = 16;
  /// First rows of the sequences in x, ascending, beginning with 0: the "calls" of methods that
  /// depend on the whole call. Empty: all rows are one call.
  std::span<const int64_t> calls = {};
  const float* residual = nullptr;  ///< added to the output; [rows, residual_stride]; may be out
  int64_t residual_stride = 0;
  /// Makes row r of x in its place: forward() calls it once for each row, from any thread of the
  /// team, before it reads the row. A norm or an activation then runs on rows that the quantisation
  /// finds in the core's cache. Null: x is there already. The phases called alone do not look at
  /// it.
  const device::FunctionRef<void(int64_t row)>* make_row = nullptr;
};

/// Activations beyond this are treated as not finite: the reciprocal of a larger scale is denormal.
inline constexpr float kLargestActivation = 0x1p126f;

class Linear {
 public:
  Linear() = default;
  /// Packs while reading: peak extra memory is a few rows per thread.
  /// Throws Error when a weight is not finite, does not fit f16 (method fp16) or inputs exceed
  /// ops::kInt8MaxK (int8 methods); `name` is for the message.
  static Linear pack(device::Cpu& cpu, const WeightSource& source, std::span<const float> bias,
                     const Precision& precision, std::string_view name);
  /// Packs codes as they are, for the absmax methods with a scale for each row. There are no 16-bit
  /// weights: `batch` takes outlier columns from the codes, and keep_columns cannot be called. With
  /// 8-bit activations `batch` is bitsandbytes' arithmetic, which rounds them to f16 first.
  /// Throws Error when a scale is negative or not finite, a code is −128 or a bias not finite.
  static Linear pack_codes(device::Cpu& cpu, const CodeSource& source, std::span<const float> bias,
                           const Precision& precision, std::string_view name);
  /// A layer packed before. Throws Error when the parts do not belong together. Kept columns are
  /// dropped when `precision` does not use them.
  static Linear from_parts(device::Cpu& cpu, LinearParts parts, const Precision& precision);

  /// Keeps these input columns (ascending) in 16 bits, read again from the source. Only for layers
  /// whose precision keeps_columns().
  void keep_columns(device::Cpu& cpu, const WeightSource& source, std::span<const int32_t> columns);

  int64_t inputs() const { return parts_.inputs; }
  int64_t outputs() const { return parts_.outputs; }
  const LinearParts& parts() const { return parts_; }
  const Precision& precision() const { return precision_; }
  /// Bytes of everything packed.
  int64_t bytes() const;

  /// out[rows, outputs] = x·Wᵀ + bias + residual. Returns the first row of x that holds a value
  /// that is not finite (or beyond kLargestActivation), or −1: then the output of that row means
  /// nothing and the caller reports it by its own name for the layer. Other rows are not affected.
  int64_t forward(device::Cpu& cpu, tensor::MatrixView<const float> x,
                  tensor::MatrixView<float> out, const LinearCall& call,
                  Workspace& workspace) const;

  /// The three phases of forward, for the absmax int8 methods with all rows one call
  /// (`call.calls` is not looked at). Ranks that split the inputs of one layer reduce the results
  /// of phase 1 (row_max, leftover_max: maximum) and of phase 2 (sums, products: sum) among them in
  /// between, and give bias and residual to one rank only.
  /// 1: row_max and leftover_max [rows]; returns what forward returns.
  int64_t row_maxima(device::Cpu& cpu, tensor::MatrixView<const float> x, const LinearCall& call,
                     Workspace& workspace) const;
  /// 2: quantises x with those scales; int32 sums [code rows][n16] and, with 16-bit columns,
  /// products [rows][n16].
  void multiply(device::Cpu& cpu, tensor::MatrixView<const float> x, const LinearCall& call,
                Workspace& workspace) const;
  /// 3: scales, 16-bit products, bias and residual.
  void finish(device::Cpu& cpu, tensor::MatrixView<float> out, const LinearCall& call,
              Workspace& workspace) const;

  /// Lets the weights go, once they are elsewhere; extents and bytes() stay.
  void drop_values();

  /// Row n of W as float (embedding lookup); 16-bit and 32-bit layers only.
  void read_row(int64_t n, float* out) const;

  /// What the implementation of the phases reads besides parts().
  const Kernels& kernels() const { return kernels_; }
  /// [n16] column_scales / 127.
  const float* column_factors() const { return column_factors_.data(); }
  /// [inputs] 0 for kept columns, else ~0; null when there are none.
  const uint32_t* kept_mask() const { return kept_mask_.data(); }

 private:
  /// Chooses kernels and derives what is not stored; called when parts_ and precision_ are set.
  void prepare(device::Cpu& cpu);
  void set_kept_mask();
  /// Makes all rows of x now.
  static void make_rows(device::Cpu& cpu, tensor::MatrixView<const float> x, LinearCall& call);
  /// For methods that depend on the whole call: each of call.calls by itself.
  int64_t forward_calls(device::Cpu& cpu, tensor::MatrixView<const float> x,
                        tensor::MatrixView<float> out, const LinearCall& call,
                        Workspace& workspace) const;
  int64_t forward_call(device::Cpu& cpu, tensor::MatrixView<const float> x,
                       tensor::MatrixView<float> out, const LinearCall& call,
                       Workspace& workspace) const;

  LinearParts parts_;
  Precision precision_;
  Kernels kernels_;
  tensor::Shared<float> column_factors_;
  tensor::Shared<uint32_t> kept_mask_;
};

}  // namespace octet::linear
