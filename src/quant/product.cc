// Exact integer products and the ordered 16-bit product, one output at a time.
#include "quant/product.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/half.h"

namespace octet::quant {

std::vector<int32_t> matmul_int32(tensor::MatrixView<const int8_t> a,
                                  tensor::MatrixView<const int8_t> b) {
  OCTET_CHECK(a.columns == b.columns && a.columns <= 133120);
  std::vector<int32_t> c;
  c.reserve(static_cast<size_t>(a.rows * b.rows));
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t n = 0; n < b.rows; ++n) {
      int32_t sum = 0;
      for (int64_t k = 0; k < a.columns; ++k) sum += a.row(r)[k] * b.row(n)[k];
      c.push_back(sum);
    }
  }
  return c;
}

int64_t zeropoint_product(std::span<const int32_t> a_codes, int32_t a_zero,
                          std::span<const int32_t> b_codes, int32_t b_zero) {
  OCTET_CHECK(a_codes.size() == b_codes.size());
  int64_t ab = 0;
  int64_t a_sum = 0;
  int64_t b_sum = 0;
  for (size_t k = 0; k < a_codes.size(); ++k) {
    ab += int64_t{a_codes[k]} * b_codes[k];
    a_sum += a_codes[k];
    b_sum += b_codes[k];
  }
  const auto count = static_cast<int64_t>(a_codes.size());
  return ab - a_zero * b_sum - b_zero * a_sum + count * a_zero * b_zero;
}

std::vector<int64_t> matmul_zeropoint(tensor::MatrixView<const int8_t> a,
                                      std::span<const int32_t> a_zeros,
                                      tensor::MatrixView<const int8_t> b,
                                      std::span<const int32_t> b_zeros) {
  OCTET_CHECK(a.columns == b.columns);
  OCTET_CHECK(std::ssize(a_zeros) == a.rows && std::ssize(b_zeros) == b.rows);
  std::vector<int64_t> c;
  c.reserve(static_cast<size_t>(a.rows * b.rows));
  for (int64_t r = 0; r < a.rows; ++r) {
    const std::vector<int32_t> a_codes(a.row(r), a.row(r) + a.columns);
    for (int64_t n = 0; n < b.rows; ++n) {
      const std::vector<int32_t> b_codes(b.row(n), b.row(n) + b.columns);
      c.push_back(zeropoint_product(a_codes, a_zeros[static_cast<size_t>(r)], b_codes,
                                    b_zeros[static_cast<size_t>(n)]));
    }
  }
  return c;
}

float round_to_sixteen_bit(float value, SixteenBit type) {
  return type == SixteenBit::f16 ? f16_to_float(float_to_f16(value))
                                 : bf16_to_float(float_to_bf16(value));
}

namespace {

float bf16_nearest(float value) {
  return bf16_to_float(float_to_bf16(value));
}

float bf16_truncated(float value) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xffff0000u);
}

/// One block of at most 32 values: the even and the odd chain of fused multiply-adds, summed.
float block_product(const std::vector<float>& x, const std::vector<float>& w) {
  float even = 0;
  float odd = 0;
  for (size_t k = 0; k < x.size(); k += 2) {
    even = std::fma(x[k], w[k], even);
    if (k + 1 < x.size()) odd = std::fma(x[k + 1], w[k + 1], odd);
  }
  return even + odd;
}

}  // namespace

float product16(std::span<const float> x, int planes, std::span<const float> w, SixteenBit type) {
  OCTET_CHECK(x.size() == w.size() && (planes == 1 || planes == 2));
  float result = 0;
  for (size_t first = 0; first < x.size(); first += 32) {
    const size_t count = std::min<size_t>(32, x.size() - first);
    std::vector<float> x_hi(count), x_lo(count), w_hi(count), w_lo(count);
    for (size_t k = 0; k < count; ++k) {
      x_hi[k] = bf16_nearest(x[first + k]);
      x_lo[k] = bf16_nearest(x[first + k] - x_hi[k]);
      w_hi[k] = bf16_truncated(w[first + k]);
      w_lo[k] = w[first + k] - w_hi[k];  // 0 for bf16 weights
    }
    result += block_product(x_hi, w_hi);
    if (planes == 2) result += block_product(x_lo, w_hi);
    if (type == SixteenBit::f16) result += block_product(x_hi, w_lo);
  }
  return result;
}

}  // namespace octet::quant
