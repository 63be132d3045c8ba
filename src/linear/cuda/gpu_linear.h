// A linear layer on a GPU: packed weights and the launches of a call.
#pragma once

#include <cstdint>

#include "device/gpu_choices.h"
#include "device/gpu_memory.h"
#include "linear/gpu_size.h"
#include "linear/linear.h"
#include "ops/cuda/product.h"
#include "ops/quantize_rows/cuda.h"

namespace octet::linear {

/// Scratch memory of linear layers on a GPU, reused from call to call of one stream. Captured
/// graphs hold its addresses: `moved` tells that one changed.
class GpuWorkspace {
 public:
  explicit GpuWorkspace(int multiprocessors);

  /// Grows what is too small; notes when an array moved.
  void make_room(const GpuCallSizes& sizes);
  ops::cuda::ProductWorkspace product();
  int64_t bytes() const;

  bool moved = false;
  bool warpgroups = device::warpgroup_products();  ///< ProductWorkspace::warpgroups
  device::GpuArray<int8_t> codes;
  device::GpuArray<int8_t> extra_codes;
  device::GpuArray<int32_t> extra_sums;
  device::GpuArray<int32_t> extra_slots;  ///< and, in front of them, their count
  device::GpuArray<float> factors;        ///< of rows, of extra rows, of kept columns
  device::GpuArray<uint16_t> planes;
  device::GpuArray<float> made;  ///< rows of float32 products

 private:
  int multiprocessors_;
  device::GpuArray<std::byte> partial_;
  device::GpuArray<uint32_t> counters_;
};

/// How one call runs: as LinearCall.
struct GpuLinearCall {
  ops::cuda::RowSource source;  ///< x, or what makes it
  int64_t rows = 0;
  int activation_bits = 16;
  const float* residual = nullptr;
  int64_t residual_stride = 0;
  float* out = nullptr;  ///< [rows, out_stride]
  int64_t out_stride = 0;
  ops::cuda::ErrorMark error;  ///< the least row that is not finite or beyond kLargestActivation
};

/// The weights of a Linear: a row for each output, outputs padded to 16. Methods with a scale for
/// each row of the activations, without zero points and without `batch`, and the 16- and 32-bit
/// ones. int8 products and their scales give the CPU's bits; 16-bit products are summed in another
/// order (ops/cuda/product.h).
class GpuLinear {
 public:
  GpuLinear() = default;
  /// Copies; `staging` is memory for the panels on their way.
  GpuLinear(const Linear& linear, device::GpuArray<std::byte>& staging, device::Stream stream);

  void forward(const GpuLinearCall& call, GpuWorkspace& workspace, device::Stream stream) const;

  int64_t inputs() const { return layout_.inputs; }
  int64_t outputs() const { return layout_.outputs; }
  int64_t bytes() const;
  /// The rows of 16- and 32-bit weights, for looking up embeddings, `row_stride` elements apart.
  const std::byte* weights() const { return weights_.data(); }
  int64_t row_stride() const { return layout_.k; }
  tensor::DType dtype() const;

 private:
  void forward_int8(const GpuLinearCall& call, ops::cuda::ProductEpilogue epilogue,
                    GpuWorkspace& workspace, device::Stream stream) const;
  void forward_sixteen_bit(const GpuLinearCall& call, ops::cuda::ProductEpilogue epilogue,
                           GpuWorkspace& workspace, device::Stream stream) const;
  void forward_thirty_two_bit(const GpuLinearCall& call, GpuWorkspace& workspace,
                              device::Stream stream) const;

  GpuLayout layout_;
  Precision precision_;
  ops::SixteenBit sixteen_bit_ = ops::SixteenBit::f16;  ///< type of the weights or kept columns
  device::GpuArray<std::byte> weights_;
  device::GpuArray<float> column_factors_;
  device::GpuArray<float> bias_;
  device::GpuArray<int32_t> kept_columns_;
  device::GpuArray<uint32_t> kept_mask_;
  device::GpuArray<uint16_t> kept_weights_;  ///< [columns][kept_padded]
};

}  // namespace octet::linear
