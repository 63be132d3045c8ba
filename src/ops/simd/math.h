// exp, tanh, erf and the logistic function over a lane type: the same bits on every instruction
// set.
//
// The polynomials are minimax fits (Remez, relative error of the function) whose coefficients were
// rounded to float one after the other, the later ones refitted each time; the error of each fit
// stands beside it, 1 ulp (the spacing of floats at the exact value) being at most 2^-23 = 1.2e-7
// of the value. The bounds in ulp hold for every float argument: all were compared with double
// once, the worst found is given; simd_test.cc compares a few million with long double. NaN gives
// NaN.
#pragma once

#include "ops/simd/lanes.h"

namespace octet::ops::simd {

/// e^x within 1 ulp (0.90); exp(0) = 1 exactly, +∞ above 88.72283, and +0 where e^x < 2^-125.5
/// (x < -86.99), which includes -∞: no result is denormal.
template <typename V>
OCTET_LANES V exp(V x) {
  // x = n·ln 2 + r with |r| ≤ ln(2)/2, e^x = 2^n · e^r. NaN passes both bounds (max and min give
  // their second operand).
  x = min(V::broadcast(89.0f), max(V::broadcast(-87.5f), x));
  // Adding 1.5·2^23 rounds to an integer and leaves that integer in the low bits of the pattern.
  const V shifter = V::broadcast(12582912.0f);
  const V shifted = fma(x, V::broadcast(0x1.715476p+0f), shifter);
  const V n = shifted - shifter;
  // ln 2 in two parts: n times the first (17 bits) is exact.
  V r = fma(n, V::broadcast(-0x1.62e4p-1f), x);
  r = fma(n, V::broadcast(-0x1.7f7d1cp-20f), r);
  V p = V::broadcast(0x1.6ac502p-10f);  // fit: 3.2e-9
  p = fma(p, r, V::broadcast(0x1.123dcap-7f));
  p = fma(p, r, V::broadcast(0x1.555858p-5f));
  p = fma(p, r, V::broadcast(0x1.55548cp-3f));
  p = fma(p, r, V::broadcast(0x1.fffffcp-2f));
  p = fma(p, r, V::broadcast(1.0f));
  p = fma(p, r, V::broadcast(1.0f));
  // 2^(n-1) times 2·e^r: for n = 128 the factor is still finite, and for n = -126 its pattern is
  // that of zero.
  const auto scale = shift_left<23>(shifted.bits() + V::Bits::broadcast(126));
  return (p + p) * V::from_bits(scale);
}

/// 1 / (1 + e^-x) within 3 ulp (2.49) where it is at least 2^-126; +0 below -88.73.
template <typename V>
OCTET_LANES V sigmoid(V x) {
  const V one = V::broadcast(1.0f);
  return one / (one + exp(V::zero() - x));
}

/// tanh x within 1.5 ulp (1.37); odd, tanh(±∞) = ±1, and tanh x = x for |x| < 2^-12.
template <typename V>
OCTET_LANES V tanh(V x) {
  const V magnitude = abs(x);
  const V square = x * x;
  V p = V::broadcast(-0x1.7863cep-8f);  // fit: 4.9e-9
  p = fma(p, square, V::broadcast(0x1.52cb4p-6f));
  p = fma(p, square, V::broadcast(-0x1.b85a38p-5f));
  p = fma(p, square, V::broadcast(0x1.110844p-3f));
  p = fma(p, square, V::broadcast(-0x1.55553ap-2f));
  const V small = fma(x * square, p, x);
  // 1 - 2/(e^2|x| + 1): the fraction is at most 0.45 here, so its error counts at most half.
  const V one = V::broadcast(1.0f);
  const V large = one - V::broadcast(2.0f) / (exp(magnitude + magnitude) + one);
  const auto sign = x.bits() & V::Bits::broadcast(0x80000000u);
  // The sign of `small` differs only for -0.
  const V value = select(less(magnitude, V::broadcast(0.625f)), small, large);
  return V::from_bits(value.bits() | sign);
}

/// erf x within 1.5 ulp (1.08); odd, ±1 beyond ±3.93.
template <typename V>
OCTET_LANES V erf(V x) {
  const V magnitude = abs(x);
  const V square = x * x;
  V p = V::broadcast(0x1.4f562ep-14f);  // erf(x)/x - 1; fit: 8.9e-10
  p = fma(p, square, V::broadcast(-0x1.a606c2p-11f));
  p = fma(p, square, V::broadcast(0x1.5449e4p-8f));
  p = fma(p, square, V::broadcast(-0x1.b80118p-6f));
  p = fma(p, square, V::broadcast(0x1.ce2d64p-4f));
  p = fma(p, square, V::broadcast(-0x1.81274p-2f));
  p = fma(p, square, V::broadcast(0x1.06eba8p-3f));
  const V small = fma(x, p, x);
  // 1 - e^q with q = ln(1 - erf): at most 0.19 is subtracted from 1. At 3.93 that is 2.7e-8, less
  // than half an ulp of 1.
  const V bounded = min(V::broadcast(3.93f), magnitude);
  V q = V::broadcast(0x1.9a74c6p-13f);  // fit: 1.8e-9 of erf
  q = fma(q, bounded, V::broadcast(-0x1.8e9a26p-9f));
  q = fma(q, bounded, V::broadcast(0x1.6c06fp-6f));
  q = fma(q, bounded, V::broadcast(-0x1.a9a1c2p-4f));
  q = fma(q, bounded, V::broadcast(-0x1.463f6p-1f));
  q = fma(q, bounded, V::broadcast(-0x1.20ae92p+0f));
  q = fma(q, bounded, V::broadcast(-0x1.a0683ep-13f));
  const V large = V::broadcast(1.0f) - exp(q);
  const auto sign = x.bits() & V::Bits::broadcast(0x80000000u);
  return select(less(magnitude, V::broadcast(0.921875f)), small, V::from_bits(large.bits() | sign));
}

}  // namespace octet::ops::simd
