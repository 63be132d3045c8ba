// The 16-bit product step by step as its contract says: what the other kernels are tested against.
#include <array>
#include <bit>
#include <cmath>

#include "base/half.h"
#include "ops/matmul16/kernels.h"

namespace octet::ops {

namespace {

using Block = std::array<std::array<float, kPanelColumns>, kMatmul16KStep>;

// A block's weights as planes of bfloat16 values: [plane][k][column]. bf16 weights have no low one.
struct WeightPlanes {
  Block high;
  Block low;
};

void read_block(const uint16_t* b, SixteenBit type, WeightPlanes& planes) {
  for (size_t k = 0; k < kMatmul16KStep; ++k) {
    for (size_t n = 0; n < kPanelColumns; ++n) {
      const uint16_t bits = b[k / 2 * 32 + n * 2 + k % 2];
      if (type == SixteenBit::bf16) {
        planes.high[k][n] = bf16_to_float(bits);
        continue;
      }
      const float w = f16_to_float(bits);
      planes.high[k][n] = std::bit_cast<float>(std::bit_cast<uint32_t>(w) & 0xffff0000u);
      planes.low[k][n] = w - planes.high[k][n];
    }
  }
}

// Adds one term of one block to a row's 16 columns.
void add_term(const uint16_t* a, const Block& b, float* c) {
  for (size_t n = 0; n < kPanelColumns; ++n) {
    float even = 0;
    float odd = 0;
    for (size_t k = 0; k < kMatmul16KStep; k += 2) {
      even = std::fma(bf16_to_float(a[k]), b[k][n], even);
      odd = std::fma(bf16_to_float(a[k + 1]), b[k + 1][n], odd);
    }
    c[n] += even + odd;
  }
}

}  // namespace

void matmul16_scalar(const Matmul16Args& args) {
  for (int64_t r = 0; r < args.rows && !args.accumulate; ++r) {
    for (int64_t n = 0; n < args.panels * kPanelColumns; ++n) args.c[r * args.c_stride + n] = 0;
  }
  WeightPlanes planes;
  for (int64_t panel = 0; panel < args.panels; ++panel) {
    for (int64_t k = 0; k < args.k; k += kMatmul16KStep) {
      read_block(args.b + (panel * args.k + k) * kPanelColumns, args.b_type, planes);
      for (int64_t r = 0; r < args.rows; ++r) {
        const uint16_t* a_high = args.a + r * args.a_stride + k;
        float* c = args.c + r * args.c_stride + panel * kPanelColumns;
        add_term(a_high, planes.high, c);
        if (args.planes == 2) add_term(a_high + args.k, planes.high, c);
        if (args.b_type == SixteenBit::f16) add_term(a_high, planes.low, c);
      }
    }
  }
}

void split_planes_scalar(const SplitPlanesArgs& args) {
  const int64_t k = padded(args.columns, kMatmul16KStep);
  for (int64_t i = 0; i < k; ++i) {
    const float x = i < args.columns ? args.x[i] : 0;
    const uint16_t high = float_to_bf16(x);
    args.out[i] = high;
    if (args.planes == 2) args.out[k + i] = float_to_bf16(x - bf16_to_float(high));
  }
}

}  // namespace octet::ops
