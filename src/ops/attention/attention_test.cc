// Attention: every kernel against the scalar one bit for bit, that one against softmax attention
// in double, and independence of rows and of what hidden slots hold.
#include "ops/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "base/half.h"
#include "device/thread_team.h"
#include "ops/matmul16/matmul16.h"
#include "support/amx_emulator.h"

namespace octet::ops {
namespace {

using device::Isa;
using Random = std::mt19937;

int64_t pick(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

float normal(Random& random) {
  return std::normal_distribution<float>(0, 1)(random);
}

// A sequence's queries, and its keys and values both plain and in a scrambled paged cache.
struct Sequence {
  CacheHeadLayout layout;
  int64_t rows, first_position;
  int heads;
  float scale, softcap;
  int64_t window;
  std::vector<float> slopes = {};
  int64_t bias_reach = 0;
  std::vector<float> bias = {};  // [heads][2 bias_reach + 1], or empty
  bool all_seen = false;         // later positions, too
  std::vector<float> q = {};     // [rows][heads + 1][d]: strides are wider than the heads
  std::vector<float> keys = {}, values = {};  // [positions][d]
  std::vector<std::byte> cache = {};
  std::vector<int32_t> pages = {};

  int64_t positions() const { return first_position + rows; }
  int64_t stride() const { return (heads + 1) * layout.head_dim; }
  AttentionArgs args(std::vector<float>& out) const {
    out.assign(q.size(), -7.0f);
    return {.q = q.data(),
            .q_stride = stride(),
            .out = out.data(),
            .out_stride = stride(),
            .rows = rows,
            .first_position = first_position,
            .heads = heads,
            .layout = layout,
            .cache = cache.data(),
            .page_stride = layout.bytes() + 64,
            .pages = pages.data(),
            .scale = scale,
            .softcap = softcap,
            .window = window,
            .slopes = slopes.empty() ? nullptr : slopes.data(),
            .bias = bias.empty() ? nullptr : bias.data(),
            .bias_reach = bias_reach,
            .positions = all_seen ? positions() : 0};
  }
};

// Pages in random order; `stale`: they have been used by another sequence before.
void fill_cache(Random& random, Sequence& s, bool stale) {
  const int64_t d = s.layout.head_dim;
  const int64_t pages = (s.positions() + kPagePositions - 1) / kPagePositions;
  const int64_t page_stride = s.layout.bytes() + 64;
  s.pages.resize(static_cast<size_t>(pages));
  std::iota(s.pages.begin(), s.pages.end(), 0);
  std::shuffle(s.pages.begin(), s.pages.end(), random);
  s.cache.assign(static_cast<size_t>(pages * page_stride), std::byte{0});
  std::vector<float> old(static_cast<size_t>(d));
  for (int64_t position = 0; position < pages * kPagePositions; ++position) {
    std::byte* head =
        s.cache.data() + s.pages[static_cast<size_t>(position / kPagePositions)] * page_stride;
    const int64_t slot = position % kPagePositions;
    for (float& x : old) x = 1e4f * normal(random);
    if (stale) {
      ASSERT_TRUE(write_cache(s.layout, head, slot, old.data(), old.data()));
    }
    if (position >= s.positions()) continue;
    ASSERT_TRUE(write_cache(s.layout, head, slot, &s.keys[static_cast<size_t>(position * d)],
                            &s.values[static_cast<size_t>(position * d)]));
  }
}

Sequence random_sequence(Random& random, CacheType type, bool large) {
  constexpr int64_t kHeadDims[] = {8, 20, 64, 80, 96, 128, 256};
  Sequence s;
  s.layout = {type, pick(random, 0, 1) == 0 ? kHeadDims[pick(random, 0, 6)] : pick(random, 8, 256)};
  if (!large) s.layout.head_dim = std::min<int64_t>(s.layout.head_dim, 96);
  s.rows = pick(random, 0, 2) == 0 ? pick(random, 1, 3) : pick(random, 1, 70);
  s.first_position = pick(random, 0, 2) == 0 ? 0 : pick(random, 0, 200);
  s.heads = static_cast<int>(pick(random, 1, 8));
  if (!large && s.rows * s.heads > 150) s.heads = 1;
  s.scale = 1 / std::sqrt(static_cast<float>(s.layout.head_dim));
  s.softcap = pick(random, 0, 2) == 0 ? 5.0f : 0.0f;
  s.window = pick(random, 0, 2) == 0 ? pick(random, 1, 150) : 0;
  if (pick(random, 0, 2) == 0) {
    for (int head = 0; head < s.heads; ++head) {
      s.slopes.push_back(head == 1 ? 0.0f : std::ldexp(1.0f, -head));
    }
  }
  if (pick(random, 0, 2) == 0) {
    s.bias_reach = pick(random, 1, 100);
    s.bias.resize(static_cast<size_t>(s.heads * (2 * s.bias_reach + 1)));
    for (float& x : s.bias) x = normal(random);
  }
  s.all_seen = pick(random, 0, 2) == 0;
  const int64_t d = s.layout.head_dim;
  s.q.resize(static_cast<size_t>(s.rows * s.stride()));
  s.keys.resize(static_cast<size_t>(s.positions() * d));
  s.values.resize(s.keys.size());
  for (auto* numbers : {&s.q, &s.keys, &s.values}) {
    for (float& x : *numbers) x = normal(random);
  }
  fill_cache(random, s, pick(random, 0, 1) == 0);
  return s;
}

::testing::AssertionResult same_bits(const std::vector<float>& expected,
                                     const std::vector<float>& actual) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::bit_cast<uint32_t>(expected[i]) != std::bit_cast<uint32_t>(actual[i])) {
      return ::testing::AssertionFailure()
             << "element " << i << ": " << expected[i] << " against " << actual[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// Runs under the conditions of a thread team; AMX is emulated where the machine lacks it.
class Attention : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!features_.has(GetParam())) GTEST_SKIP() << "no " << name(GetParam()) << " here";
  }
  AttentionFunction* kernel() const {
    const auto& chosen = choose(attention_kernels(), features_.up_to(GetParam()));
    EXPECT_EQ(chosen.isa, GetParam());
    return chosen.function;
  }

  const test::AmxEmulator emulator_;
  const device::CpuFeatures features_ = test::features_with_emulated_amx();
  const device::FlushDenormals flush_;
};

AttentionFunction* scalar_kernel() {
  const auto& chosen = choose(attention_kernels(), {});
  EXPECT_EQ(chosen.isa, Isa::scalar);
  return chosen.function;
}

TEST_P(Attention, GivesTheBitsOfTheScalarKernel) {
  AttentionFunction* const function = kernel();
  Random random(64);
  std::vector<float> expected;
  std::vector<float> actual;
  for (int i = 0; i < 60; ++i) {
    const Sequence s =
        random_sequence(random, i % 2 == 0 ? CacheType::f16 : CacheType::f32, i % 6 == 0);
    scalar_kernel()(s.args(expected));
    function(s.args(actual));
    ASSERT_TRUE(same_bits(expected, actual))
        << "case " << i << ": head_dim " << s.layout.head_dim << " rows " << s.rows << " first "
        << s.first_position << " heads " << s.heads << " softcap " << s.softcap << " window "
        << s.window << " slopes " << s.slopes.size() << " bias " << s.bias.size() << " all seen "
        << s.all_seen;
  }
}

TEST_P(Attention, RowsDoNotDependOnEachOther) {
  AttentionFunction* const function = kernel();
  Random random(65);
  std::vector<float> together;
  std::vector<float> apart;
  for (int i = 0; i < 24; ++i) {
    const Sequence s = random_sequence(random, i % 2 == 0 ? CacheType::f16 : CacheType::f32, false);
    function(s.args(together));
    const AttentionArgs all = s.args(apart);
    const int64_t most = i % 4 < 2 ? 1 : 30;
    for (int64_t first = 0; first < s.rows;) {
      AttentionArgs part = all;
      part.rows = std::min(s.rows - first, pick(random, 1, most));
      part.first_position += first;
      part.q += first * all.q_stride;
      part.out += first * all.out_stride;
      function(part);
      first += part.rows;
    }
    ASSERT_TRUE(same_bits(together, apart)) << "case " << i;
  }
}

// Positions that come later, and whatever a page held before, must not show.
TEST_P(Attention, HiddenSlotsDoNotShow) {
  AttentionFunction* const function = kernel();
  Random random(66);
  std::vector<float> fresh;
  std::vector<float> used;
  for (int i = 0; i < 16; ++i) {
    Sequence s = random_sequence(random, i % 2 == 0 ? CacheType::f16 : CacheType::f32, false);
    fill_cache(random, s, false);
    function(s.args(fresh));
    if (s.window > 0) {  // what lies before the first row's window is hidden from all rows
      const int64_t hidden = std::max<int64_t>(0, s.first_position - s.window + 1);
      for (int64_t x = 0; x < hidden * s.layout.head_dim; ++x) {
        s.keys[static_cast<size_t>(x)] = 1e4f * normal(random);
        s.values[static_cast<size_t>(x)] = 1e4f * normal(random);
      }
    }
    fill_cache(random, s, true);
    function(s.args(used));
    ASSERT_TRUE(same_bits(fresh, used)) << "case " << i;
  }
}

// Position 63 ends with -0: its weights of about 2^-102 times values of about 2^-24 leave a
// negative sum that is flushed in the very last term of page 0. Position 64, beside it, goes on to
// page 1, where adding so much as +0 to position 63's sum would show.
TEST_P(Attention, ARowWithoutVisiblePositionsInAPageIsLeftAlone) {
  Sequence s{.layout = {CacheType::f16, 1},
             .rows = 2,
             .first_position = 63,
             .heads = 1,
             .scale = 1,
             .softcap = 0,
             .window = 0,
             .q = {1, 0, 1, 0}};
  s.keys.assign(65, -1000.0f);
  s.values.assign(65, 0.0f);
  s.keys[63] = 0.0f;
  s.keys[0] = -70.5f;
  s.values[0] = -0x1p-24f;
  s.keys[32] = s.keys[34] = -70.625f;
  s.values[32] = 0x1p-14f + 0x1p-24f;  // planes 2^-14 and 2^-24; the first is cancelled
  s.values[34] = -0x1p-14f;
  Random random(67);
  fill_cache(random, s, false);
  std::vector<float> out;
  for (AttentionFunction* function : {scalar_kernel(), kernel()}) {
    function(s.args(out));
    ASSERT_EQ(std::bit_cast<uint32_t>(out[0]), 0x80000000u);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Attention,
                         ::testing::Values(Isa::scalar, Isa::avx2, Isa::avx512, Isa::avx512bf16,
                                           Isa::amx),
                         [](const auto& test) { return std::string(name(test.param)); });

// Softmax attention of one (row, head) in double over what the cache holds, and a bound for a
// kernel's error.
struct Exact {
  std::vector<double> out;
  double bound;
};

Exact exact_attention(const Sequence& s, int64_t row, int head) {
  const int64_t d = s.layout.head_dim;
  const int64_t t = s.first_position + row;
  const int64_t first = s.window > 0 ? std::max<int64_t>(0, t - s.window + 1) : 0;
  const int64_t last = s.all_seen ? s.positions() - 1 : t;
  const bool f16 = s.layout.type == CacheType::f16;
  const auto stored = [&](float x) { return f16 ? f16_to_float(float_to_f16(x)) : x; };
  const float slope = s.slopes.empty() ? 0 : s.slopes[static_cast<size_t>(head)];
  // What a product of k terms loses, relative to the sum of the sizes of its terms: a chain of at
  // most 32 additions, up to 3 additions per block of 32, all with 2^-24; with an f16 cache also
  // what two bfloat16 planes leave out (2^-16) and the product of the two low planes, which are at
  // most 2^-8 and 2^-7 of their numbers.
  const auto product_loss = [&](int64_t k) {
    const double roundings = 33.0 + 3.0 * static_cast<double>((k + 31) / 32);
    return roundings * 0x1p-24 + (f16 ? 0x1p-16 + 0x1p-15 : 0);
  };
  std::vector<double> scores;
  double highest = -std::numeric_limits<double>::infinity();
  double score_error = 0;
  for (int64_t j = first; j <= last; ++j) {
    double sum = 0;
    double size = 0;
    for (int64_t i = 0; i < d; ++i) {
      const double term =
          static_cast<double>(s.q[static_cast<size_t>(row * s.stride() + head * d + i)]) * s.scale *
          stored(s.keys[static_cast<size_t>(j * d + i)]);
      sum += term;
      size += std::fabs(term);
    }
    double error = size * (product_loss(d) + 0x1p-24);  // and q · scale
    if (s.softcap > 0) {
      sum = s.softcap * std::tanh(sum / s.softcap);
      error += s.softcap * 5 * 0x1p-24;  // tanh flattens; it, the division and the product round
    }
    const double bias = slope * static_cast<double>(j - t);
    error += (std::fabs(sum) + 2 * std::fabs(bias)) * 0x1p-24;  // slope · distance, and the sum
    sum += bias;
    if (!s.bias.empty()) {
      const int64_t distance = std::clamp(j - t, -s.bias_reach, s.bias_reach);
      sum += s.bias[static_cast<size_t>(head * (2 * s.bias_reach + 1) + s.bias_reach + distance)];
      error += std::fabs(sum) * 0x1p-24;
    }
    scores.push_back(sum);
    highest = std::max(highest, sum);
    score_error = std::max(score_error, error);
  }
  // Subtracting the maximum rounds, too.
  const double lowest = *std::min_element(scores.begin(), scores.end());
  score_error += (highest - lowest) * 0x1p-24;
  Exact exact{std::vector<double>(static_cast<size_t>(d), 0.0), 0};
  double total = 0;
  double largest = 0;
  for (int64_t j = first; j <= last; ++j) {
    const double p = std::exp(scores[static_cast<size_t>(j - first)] - highest);
    total += p;
    for (int64_t i = 0; i < d; ++i) {
      const double v = stored(s.values[static_cast<size_t>(j * d + i)]);
      exact.out[static_cast<size_t>(i)] += p * v;
      largest = std::max(largest, std::fabs(v));
    }
  }
  for (double& x : exact.out) x /= total;
  // Each weight p/l errs by a factor e^(2·score_error) and by the roundings of exp (1 ulp, twice:
  // p and l) and of the sums and rescalings, which grow with the pages.
  const double pages = static_cast<double>(last / kPagePositions - first / kPagePositions + 1);
  const double weight_error = std::expm1(2 * score_error) + (20 + 12 * pages) * 0x1p-24;
  exact.bound = largest * (weight_error + product_loss(64) * pages);
  return exact;
}

TEST(AttentionScalar, IsSoftmaxAttention) {
  const device::FlushDenormals flush;
  Random random(68);
  std::vector<float> out;
  for (int i = 0; i < 24; ++i) {
    const Sequence s = random_sequence(random, i % 2 == 0 ? CacheType::f16 : CacheType::f32, false);
    scalar_kernel()(s.args(out));
    const int64_t d = s.layout.head_dim;
    for (int64_t row = 0; row < s.rows; ++row) {
      for (int head = 0; head < s.heads; ++head) {
        const Exact exact = exact_attention(s, row, head);
        ASSERT_LT(exact.bound, 0.02);
        for (int64_t x = 0; x < d; ++x) {
          ASSERT_NEAR(out[static_cast<size_t>(row * s.stride() + head * d + x)],
                      exact.out[static_cast<size_t>(x)], exact.bound)
              << "case " << i << " row " << row << " head " << head;
        }
      }
      for (int64_t x = s.heads * d; x < s.stride(); ++x) {
        ASSERT_EQ(out[static_cast<size_t>(row * s.stride() + x)], -7.0f) << "written beyond";
      }
    }
  }
}

}  // namespace
}  // namespace octet::ops
