// Attention step by step as its contract says: what the other kernels are tested against.
#include "ops/simd/scalar.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/attention/attention.h"
#include "ops/matmul16/kernels.h"
#include "ops/simd/math.h"

namespace octet::ops {

AttentionFunction attention_scalar;

namespace {

using simd::Scalar16;
using Scores = std::array<float, kPagePositions>;
using HeadRow = std::array<float, kMaxHeadDim>;

constexpr size_t kLanes = simd::kLanes;

// exp(x[j] - shift) of every x.
Scores exp_minus(const Scores& x, float shift) {
  Scores y;
  for (size_t j = 0; j < x.size(); j += kLanes) {
    exp(Scalar16::load(&x[j]) - Scalar16::broadcast(shift)).store(&y[j]);
  }
  return y;
}

void cap(Scores& s, float softcap) {
  const Scalar16 limit = Scalar16::broadcast(softcap);
  for (size_t j = 0; j < s.size(); j += kLanes) {
    (limit * tanh(Scalar16::load(&s[j]) / limit)).store(&s[j]);
  }
}

// c += a · panels of [k][16] floats, in matmul32's order.
void multiply_f32(const float* a, int64_t k, const float* b, int64_t panels, float* c) {
  for (int64_t n = 0; n < panels * kPanelColumns; ++n) {
    const float* column = b + n / kPanelColumns * kPanelColumns * k + n % kPanelColumns;
    for (int64_t first = 0; first < k; first += 32) {
      float s = 0;
      for (int64_t i = first; i < std::min(k, first + 32); ++i) {
        s = std::fma(a[i], column[i * kPanelColumns], s);
      }
      c[n] += s;
    }
  }
}

// c += a · panels of f16 pairs, in matmul16's order with two planes of a.
void multiply_f16(const float* a, int64_t k, const std::byte* b, int64_t panels, float* c) {
  std::array<uint16_t, 2 * kMaxHeadDim> planes;
  split_planes_scalar({.x = a, .columns = k, .planes = 2, .out = planes.data()});
  matmul16_scalar({.a = planes.data(),
                   .planes = 2,
                   .rows = 1,
                   .k = padded(k, kMatmul16KStep),
                   .b = reinterpret_cast<const uint16_t*>(b),
                   .b_type = SixteenBit::f16,
                   .panels = panels,
                   .c = c,
                   .accumulate = true});
}

void multiply(CacheType type, const float* a, int64_t k, const std::byte* b, int64_t panels,
              float* c) {
  if (type == CacheType::f16) return multiply_f16(a, k, b, panels, c);
  multiply_f32(a, k, reinterpret_cast<const float*>(b), panels, c);
}

// The sum of a page's probabilities in the contract's order.
float sum_of(const Scores& p) {
  std::array<float, kPanelColumns> lanes;
  for (size_t i = 0; i < lanes.size(); ++i) lanes[i] = ((p[i] + p[16 + i]) + p[32 + i]) + p[48 + i];
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

void attend(const AttentionArgs& args, int64_t t, int head, const float* q, float* out) {
  const int64_t d = args.layout.head_dim;
  const float slope = args.slopes != nullptr ? args.slopes[head] : 0;
  const int64_t reach = args.bias_reach;
  const float* bias = args.bias != nullptr ? args.bias + head * (2 * reach + 1) + reach : nullptr;
  const int64_t end = args.positions > 0 ? args.positions : t + 1;
  const int64_t first_visible = args.window > 0 ? std::max<int64_t>(0, t - args.window + 1) : 0;
  HeadRow scaled;
  for (int64_t i = 0; i < d; ++i) scaled[static_cast<size_t>(i)] = q[i] * args.scale;
  float m = -std::numeric_limits<float>::infinity();
  float l = 0;
  HeadRow acc = {};
  for (int64_t page = first_visible / kPagePositions; page <= (end - 1) / kPagePositions; ++page) {
    const std::byte* keys = args.cache + args.pages[page] * args.page_stride;
    const std::byte* values = keys + args.layout.key_bytes();
    Scores s = {};
    multiply(args.layout.type, scaled.data(), d, keys, kPagePositions / kPanelColumns, s.data());
    if (args.softcap > 0) cap(s, args.softcap);
    float highest = m;
    for (size_t j = 0; j < s.size(); ++j) {
      const int64_t position = page * kPagePositions + static_cast<int64_t>(j);
      if (slope != 0) s[j] = s[j] + slope * static_cast<float>(position - t);
      if (bias != nullptr) s[j] = s[j] + bias[std::clamp(position - t, -reach, reach)];
      const bool visible = position >= first_visible && position < end;
      if (!visible) s[j] = -std::numeric_limits<float>::infinity();
      highest = std::max(highest, s[j]);
    }
    const float f = exp(Scalar16::broadcast(m - highest)).lane[0];
    m = highest;
    const Scores p = exp_minus(s, m);
    l = l * f + sum_of(p);
    for (float& a : acc) a *= f;
    multiply(args.layout.type, p.data(), kPagePositions, values,
             padded(d, kPanelColumns) / kPanelColumns, acc.data());
  }
  for (int64_t i = 0; i < d; ++i) out[i] = acc[static_cast<size_t>(i)] / l;
}

}  // namespace

void attention_scalar(const AttentionArgs& args) {
  const int64_t d = args.layout.head_dim;
  OCTET_CHECK(d >= 1 && d <= kMaxHeadDim);
  for (int64_t row = 0; row < args.rows; ++row) {
    for (int head = 0; head < args.heads; ++head) {
      attend(args, args.first_position + row, head, args.q + row * args.q_stride + head * d,
             args.out + row * args.out_stride + head * d);
    }
  }
}

}  // namespace octet::ops
