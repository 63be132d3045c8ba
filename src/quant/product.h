// Exact integer products (LLM.int8(), Eqs. 4–5) and the ordered 16-bit product of Eq. 8.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/view.h"

namespace octet::quant {

/// C[r][n] = Σ_k A[r][k]·B[n][k] in int32; A [rows, K], B [columns, K] (as weights are stored).
/// K ≤ 133,120, so that no sum of codes in [−127, 127] overflows.
std::vector<int32_t> matmul_int32(tensor::MatrixView<const int8_t> a,
                                  tensor::MatrixView<const int8_t> b);

/// Σ_k (A[k] − a)(B[k] − b), unrolled as in Eq. 5 into Σ A·B − a·ΣB − b·ΣA + K·a·b, in int64: with
/// zero points the terms leave int32 beyond K = 33,000.
int64_t zeropoint_product(std::span<const int32_t> a_codes, int32_t a_zero,
                          std::span<const int32_t> b_codes, int32_t b_zero);

/// zeropoint_product of every row of A with every row of B.
std::vector<int64_t> matmul_zeropoint(tensor::MatrixView<const int8_t> a,
                                      std::span<const int32_t> a_zeros,
                                      tensor::MatrixView<const int8_t> b,
                                      std::span<const int32_t> b_zeros);

enum class SixteenBit : uint8_t { f16, bf16 };

/// `value` rounded to the 16-bit type (to nearest, ties to even) and read back as float.
float round_to_sixteen_bit(float value, SixteenBit type);

/// Σ_k x[k]·w[k] with weights of a 16-bit type (w holds values it represents exactly), in the order
/// of AMX's TDPBF16PS: x becomes `planes` bfloat16 planes (hi, and the rest lo), an f16 weight two
/// bfloat16 planes exactly; per 32 values of k and per pair of planes one fused chain over the even
/// and one over the odd elements, their sum added to the result.
float product16(std::span<const float> x, int planes, std::span<const float> w, SixteenBit type);

}  // namespace octet::quant
