// What the tests of kernels share: the kernels of this machine, awkward floats, comparing bits.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "device/cpu_features.h"
#include "ops/registry.h"

namespace octet::ops::test {

/// The kernels this machine can run, the scalar one first. Checks that the list is what `choose`
/// needs (rising, each with its own function) and that forcing a level gives its kernel.
template <typename Function>
std::vector<Kernel<Function>> runnable(std::span<const Kernel<Function>> kernels) {
  std::vector<Kernel<Function>> result;
  for (const Kernel<Function>& kernel : kernels) {
    if (!device::cpu_features().has(kernel.isa)) continue;
    for (const Kernel<Function>& other : result) {
      EXPECT_LT(other.isa, kernel.isa);
      EXPECT_NE(other.function, kernel.function);
    }
    const Kernel<Function>& forced = choose(kernels, device::cpu_features().up_to(kernel.isa));
    EXPECT_EQ(forced.isa, kernel.isa);
    EXPECT_EQ(forced.function, kernel.function);
    result.push_back(kernel);
  }
  EXPECT_FALSE(result.empty());
  EXPECT_EQ(result.front().isa, device::Isa::scalar);
  EXPECT_EQ(result.back().function, choose(kernels, device::cpu_features()).function);
  return result;
}

/// Checks that `kernels` has one for AVX2 and one for AVX-512, so that a machine with them is
/// not tested with the scalar kernel alone.
template <typename Function>
void expect_vector_kernels(std::span<const Kernel<Function>> kernels) {
  bool avx2 = false;
  bool avx512 = false;
  for (const Kernel<Function>& kernel : kernels) {
    avx2 = avx2 || kernel.isa == device::Isa::avx2;
    avx512 = avx512 || kernel.isa == device::Isa::avx512;
  }
  EXPECT_TRUE(avx2);
  EXPECT_TRUE(avx512);
}

/// The pattern of a float, one pattern for all NaNs: payloads may differ between kernels.
inline uint32_t pattern(float value) {
  return std::isnan(value) ? 0x7fc00000u : std::bit_cast<uint32_t>(value);
}

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (pattern(a[i]) != pattern(b[i])) return false;
  }
  return true;
}

/// Zeros, ones, denormals, the ends of the range, infinities, NaN, integers and halves.
inline std::vector<float> special_floats() {
  using Limits = std::numeric_limits<float>;
  std::vector<float> values;
  for (float v : {0.0f, 1.0f, 0.5f, 1.5f, 2.5f, 3.0f, 127.5f, 8388607.5f, 8388608.0f, 1e-20f, 1e20f,
                  Limits::min(), Limits::denorm_min(), Limits::min() / 2, Limits::max(),
                  Limits::epsilon(), Limits::infinity(), Limits::quiet_NaN()}) {
    values.push_back(v);
    values.push_back(-v);
  }
  return values;
}

/// `count` normally distributed values times `scale`.
inline std::vector<float> normal_floats(int64_t count, uint32_t seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

/// Distance of `value` from `exact` in ulp: the spacing of floats at `exact` (of normal floats:
/// denormals count as zero everywhere in octet).
inline long double ulps(float value, long double exact) {
  const int exponent = exact == 0 ? -126 : std::max(-126, std::ilogb(exact));
  return std::abs(static_cast<long double>(value) - exact) / std::ldexp(1.0L, exponent - 23);
}

}  // namespace octet::ops::test
