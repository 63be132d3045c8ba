// Small operations on whole rows of floats on a GPU.
#pragma once

#include <cstdint>

#include "device/gpu_memory.h"
#include "tensor/dtype.h"

namespace octet::ops::cuda {

/// out[r] = table[tokens[r]] · scale; table [.., stride] of f32, f16 or bf16.
struct EmbedRows {
  const void* table = nullptr;
  tensor::DType type = tensor::DType::f16;
  int64_t stride = 0;
  const int32_t* tokens = nullptr;
  float scale = 1;
  int64_t rows = 0;
  int64_t columns = 0;
  float* out = nullptr;
};
void embed_rows(const EmbedRows& args, device::Stream stream);

/// x[r] += table[positions[r] + offset], rows of `columns`.
void add_positions(float* x, const float* table, const int32_t* positions, int64_t offset,
                   int64_t rows, int64_t columns, device::Stream stream);
/// x += y.
void add(float* x, const float* y, int64_t count, device::Stream stream);
/// x *= factor.
void scale(float* x, float factor, int64_t count, device::Stream stream);
/// x = cap · tanh(x / cap).
void softcap(float* x, float cap, int64_t count, device::Stream stream);
/// out[i] = x[indices[i]].
void gather_rows(const float* x, const int32_t* indices, int64_t rows, int64_t columns, float* out,
                 device::Stream stream);

}  // namespace octet::ops::cuda
