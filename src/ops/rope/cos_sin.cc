// cos and sin for rotary tables in plain double arithmetic: the same bits on every machine.
#include <cstdint>

#include "base/error.h"
#include "ops/rope/rope.h"

namespace octet::ops {

namespace {

// π/2 in parts of 30 bits each and a rest. n ≤ 2^23 of them fit an angle up to 1e7, so n times a
// part is exact in double's 53 bits.
constexpr double kHalfPi[] = {0x1.921fb54000000p+0, 0x1.10b4611800000p-30, 0x1.313198a000000p-61,
                              0x1.701b839a25205p-92};
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
constexpr double kLargestAngle = 1e7;

/// angle = n·π/2 + remainder, |remainder| ≤ π/4 and a little.
struct Reduced {
  int64_t quadrant;
  double remainder;
};

/// The subtractions are exact or leave an error below 2^-54, however close the angle comes to a
/// multiple of π/2: when the first parts cancel, what is left is small and its last bits are kept.
Reduced reduce(double angle) {
  constexpr double kShifter = 0x1.8p52;  // adding it rounds to an integer
  const double n = (angle * kTwoOverPi + kShifter) - kShifter;
  double remainder = angle;
  for (double part : kHalfPi) remainder -= n * part;
  return {static_cast<int64_t>(n), remainder};
}

// Taylor series on |r| ≤ 0.79: the first term left out is r^17/17! < 6e-17 of r for sin and
// r^18/18! < 3e-18 for cos, less than half an ulp of a double.
constexpr double kSin[] = {-1.0 / 6,        1.0 / 120,        -1.0 / 5040,         1.0 / 362880,
                           -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000};
constexpr double kCos[] = {
    -1.0 / 2,       1.0 / 24,        -1.0 / 720,         1.0 / 40320,
    -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000};

template <int kTerms>
double series(const double (&coefficients)[kTerms], double square) {
  double sum = 0;
  for (int i = kTerms - 1; i >= 0; --i) sum = (sum + coefficients[i]) * square;
  return sum;
}

}  // namespace

void cos_sin(double angle, float* cos, float* sin) {
  OCTET_CHECK(angle >= 0 && angle <= kLargestAngle);
  const auto [quadrant, r] = reduce(angle);
  const double square = r * r;
  const double c = 1 + series(kCos, square);
  const double s = r + r * series(kSin, square);
  const bool swapped = (quadrant & 1) != 0;
  const double cos_size = swapped ? s : c;
  const double sin_size = swapped ? c : s;
  *cos = static_cast<float>(((quadrant + 1) & 2) != 0 ? -cos_size : cos_size);
  *sin = static_cast<float>((quadrant & 2) != 0 ? -sin_size : sin_size);
}

}  // namespace octet::ops
