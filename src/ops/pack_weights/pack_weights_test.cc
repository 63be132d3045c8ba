// Packing stored weights: every kernel against the paper's arithmetic and the layouts' definitions.
#include "ops/pack_weights/pack_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/half.h"
#include "device/thread_team.h"
#include "ops/kernel_testing.h"
#include "quant/absmax.h"

namespace octet::ops {
namespace {

using tensor::DType;

constexpr int8_t kGuard = -99;
constexpr uint16_t kGuard16 = 0xabcd;
constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16};
constexpr int64_t kDepths[] = {1,  2,  3,  4,  5,  15, 16,  17,  31,  32,  33,  47,
                               63, 64, 65, 66, 96, 97, 127, 128, 129, 192, 576, 700};

int64_t bytes_of(DType type) {
  return type == DType::f32 ? 4 : 2;
}

/// Rows of stored elements, each at an address of its own that is aligned to nothing.
class Weights {
 public:
  Weights(DType type, int64_t count, int64_t k, std::mt19937& random)
      : type_(type), count_(count), k_(k) {
    std::normal_distribution<float> normal(0, 1);
    for (int64_t n = 0; n < count; ++n) {
      std::vector<std::byte> bytes(static_cast<size_t>(k * bytes_of(type) + 1));
      // Rows of every size: denormals, subnormals of f16, ordinary ones, large ones.
      const float scale = std::ldexp(1.0f, static_cast<int>(random() % 40) - 26);
      for (int64_t i = 0; i < k; ++i) {
        const float value = random() % 50 == 0 ? 0.0f : scale * normal(random);
        put(bytes, i, random() % 100 == 0 && type != DType::f16 ? 0x1p-130f : value);
      }
      rows_.push_back(std::move(bytes));
    }
  }

  void put(int64_t n, int64_t i, float value) { put(rows_[static_cast<size_t>(n)], i, value); }

  StoredRows stored() const {
    StoredRows stored{.type = type_, .count = count_, .k = k_};
    for (size_t n = 0; n < rows_.size(); ++n) stored.rows[n] = rows_[n].data() + 1;
    return stored;
  }

  uint16_t bits(int64_t n, int64_t i) const {
    uint16_t bits;
    std::memcpy(&bits, stored().rows[n] + 2 * i, sizeof bits);
    return bits;
  }

  float value(int64_t n, int64_t i) const {
    if (type_ == DType::f16) return f16_to_float(bits(n, i));
    if (type_ == DType::bf16) return bf16_to_float(bits(n, i));
    float value;
    std::memcpy(&value, stored().rows[n] + 4 * i, sizeof value);
    return value;
  }

  std::vector<float> row(int64_t n) const {
    std::vector<float> values;
    for (int64_t i = 0; i < k_; ++i) values.push_back(value(n, i));
    return values;
  }

 private:
  void put(std::vector<std::byte>& bytes, int64_t i, float value) const {
    std::byte* to = bytes.data() + 1 + i * bytes_of(type_);
    const uint16_t bits = type_ == DType::f16 ? float_to_f16(value) : float_to_bf16(value);
    type_ == DType::f32 ? std::memcpy(to, &value, 4) : std::memcpy(to, &bits, 2);
  }

  DType type_;
  int64_t count_;
  int64_t k_;
  std::vector<std::vector<std::byte>> rows_;
};

/// Calls check(weights, count, k) for every type, depth and some numbers of rows.
template <typename Check>
void for_weights(const Check& check) {
  std::mt19937 random(5);
  for (DType type : kTypes) {
    for (int64_t k : kDepths) {
      for (int64_t count : {int64_t{0}, int64_t{1}, int64_t{7}, int64_t{16}}) {
        SCOPED_TRACE(std::string(tensor::name(type)) + ", " + std::to_string(count) + " × " +
                     std::to_string(k));
        check(Weights(type, count, k, random), count, k);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(PackWeights, EveryInstructionSetHasItsKernels) {
  test::expect_vector_kernels(stored_maxima_kernels());
  test::expect_vector_kernels(pack_int8_kernels());
  test::expect_vector_kernels(pack16_kernels());
  test::expect_vector_kernels(widen_row_kernels());
  test::expect_vector_kernels(narrow_row_kernels());
  test::expect_vector_kernels(sum_panel_kernels());
}

TEST(PackWeights, MaximaAreThoseOfTheRows) {
  const device::FlushDenormals flush;
  for (const auto& kernel : test::runnable(stored_maxima_kernels())) {
    SCOPED_TRACE(device::name(kernel.isa));
    for_weights([&](const Weights& weights, int64_t count, int64_t k) {
      std::vector<float> maxima(static_cast<size_t>(count) + 1, -7.0f);
      kernel.function({.stored = weights.stored(), .row_max = maxima.data()});
      for (int64_t n = 0; n < count; ++n) {
        uint32_t largest = 0;
        for (int64_t i = 0; i < k; ++i) {
          largest = std::max(largest, std::bit_cast<uint32_t>(weights.value(n, i)) & 0x7fffffffu);
        }
        ASSERT_EQ(std::bit_cast<uint32_t>(maxima[static_cast<size_t>(n)]), largest);
      }
      ASSERT_EQ(maxima.back(), -7.0f);
    });
  }
}

TEST(PackWeights, InfinitiesAndNanShowInTheMaximaWhereverTheyStand) {
  std::mt19937 random(6);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& kernel : test::runnable(stored_maxima_kernels())) {
    for (DType type : kTypes) {
      for (int64_t column = 0; column < 70; ++column) {
        Weights weights(type, 3, 70, random);
        weights.put(0, column, kNan);
        weights.put(1, column, -kInfinity);
        float maxima[3];
        kernel.function({.stored = weights.stored(), .row_max = maxima});
        ASSERT_TRUE(std::isnan(maxima[0]));
        ASSERT_EQ(maxima[1], kInfinity);
        ASSERT_TRUE(std::isfinite(maxima[2]));
      }
    }
  }
}

void check_int8_panel(const Weights& weights, int64_t count, int64_t k,
                      const std::vector<float>& scales, const std::vector<int8_t>& panel,
                      const std::vector<int32_t>& sums) {
  for (int64_t n = 0; n < kPanelColumns; ++n) {
    int32_t sum = 0;
    for (int64_t i = 0; i < padded(k, kInt8KStep); ++i) {
      int32_t expected = 0;
      if (n < count && i < k) {
        expected = quant::quantize_value(weights.value(n, i),
                                         quant::absmax_multiplier(scales[static_cast<size_t>(n)]));
      }
      ASSERT_EQ(panel[static_cast<size_t>(i / 4 * 64 + n * 4 + i % 4)], expected)
          << "column " << n << ", element " << i;
      sum += expected;
    }
    ASSERT_EQ(sums[static_cast<size_t>(n)], sum);
  }
}

TEST(PackWeights, Int8PanelsHoldTheCodesOfThePaper) {
  const device::FlushDenormals flush;
  for (const auto& kernel : test::runnable(pack_int8_kernels())) {
    SCOPED_TRACE(device::name(kernel.isa));
    for_weights([&](const Weights& weights, int64_t count, int64_t k) {
      std::vector<float> scales;
      for (int64_t n = 0; n < count; ++n) {
        // Now and then a scale of all weights, larger than the row's own; or one too small.
        const float own = quant::absmax_scale(weights.row(n));
        scales.push_back(n % 5 == 1 ? own * 3 : n % 5 == 4 ? own / 2 : own);
      }
      const auto size = static_cast<size_t>(padded(k, kInt8KStep) * kPanelColumns);
      std::vector<int8_t> panel(size + 64, kGuard);
      std::vector<int32_t> sums(kPanelColumns + 1, 77);
      kernel.function({.stored = weights.stored(),
                       .row_max = scales.data(),
                       .panel = panel.data(),
                       .column_sums = sums.data()});
      check_int8_panel(weights, count, k, scales, panel, sums);
      ASSERT_EQ(sums.back(), 77);
      ASSERT_TRUE(std::all_of(panel.begin() + static_cast<std::ptrdiff_t>(size), panel.end(),
                              [](int8_t code) { return code == kGuard; }));
    });
  }
}

TEST(PackWeights, CodesTieToEven) {
  // c = 127 makes the code of w rint(w).
  std::mt19937 random(7);
  Weights weights(DType::f16, 1, 256, random);
  for (int64_t i = 0; i < 254; ++i) weights.put(0, i, static_cast<float>(i) * 0.5f);
  weights.put(0, 254, -0.5f);
  weights.put(0, 255, -1.5f);
  const std::vector<float> scales{127.0f};
  for (const auto& kernel : test::runnable(pack_int8_kernels())) {
    std::vector<int8_t> panel(256 * kPanelColumns);
    std::vector<int32_t> sums(kPanelColumns);
    kernel.function({.stored = weights.stored(),
                     .row_max = scales.data(),
                     .panel = panel.data(),
                     .column_sums = sums.data()});
    const auto code = [&](int64_t i) { return panel[static_cast<size_t>(i / 4 * 64 + i % 4)]; };
    EXPECT_EQ(code(1), 0);
    EXPECT_EQ(code(3), 2);
    EXPECT_EQ(code(5), 2);
    EXPECT_EQ(code(253), 126);
    EXPECT_EQ(code(254), 0);
    EXPECT_EQ(code(255), -2);
  }
}

TEST(PackWeights, SixteenBitPanelsHoldTheStoredBits) {
  for (const auto& kernel : test::runnable(pack16_kernels())) {
    SCOPED_TRACE(device::name(kernel.isa));
    for_weights([&](const Weights& weights, int64_t count, int64_t k) {
      if (weights.stored().type == DType::f32) return;
      const int64_t k32 = padded(k, 32);
      std::vector<uint16_t> panel(static_cast<size_t>(k32 * kPanelColumns + 32), kGuard16);
      kernel.function({.stored = weights.stored(), .panel = panel.data()});
      for (int64_t n = 0; n < kPanelColumns; ++n) {
        for (int64_t i = 0; i < k32; ++i) {
          ASSERT_EQ(panel[static_cast<size_t>(i / 2 * 32 + n * 2 + i % 2)],
                    n < count && i < k ? weights.bits(n, i) : 0)
              << "column " << n << ", element " << i;
        }
      }
      ASSERT_TRUE(std::all_of(panel.end() - 32, panel.end(),
                              [](uint16_t bits) { return bits == kGuard16; }));
    });
  }
}

TEST(PackWeights, RowsWidenExactly) {
  const device::FlushDenormals flush;
  for (const auto& kernel : test::runnable(widen_row_kernels())) {
    SCOPED_TRACE(device::name(kernel.isa));
    for_weights([&](const Weights& weights, int64_t count, int64_t k) {
      for (int64_t n = 0; n < count; ++n) {
        std::vector<float> out(static_cast<size_t>(k) + 16, 7.0f);
        kernel.function({.type = weights.stored().type,
                         .k = k,
                         .row = weights.stored().rows[n],
                         .out = out.data()});
        std::vector<float> expected = weights.row(n);
        expected.resize(out.size(), 7.0f);
        ASSERT_TRUE(test::same_bits(out, expected));
      }
    });
  }
}

TEST(PackWeights, EveryPatternOfF16Widens) {
  std::vector<uint16_t> patterns;
  std::vector<float> expected;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    patterns.push_back(static_cast<uint16_t>(bits));
    expected.push_back(f16_to_float(static_cast<uint16_t>(bits)));
  }
  const device::FlushDenormals flush;
  for (const auto& kernel : test::runnable(widen_row_kernels())) {
    std::vector<float> out(patterns.size());
    kernel.function({.type = DType::f16,
                     .k = std::ssize(patterns),
                     .row = reinterpret_cast<const std::byte*>(patterns.data()),
                     .out = out.data()});
    EXPECT_TRUE(test::same_bits(out, expected)) << device::name(kernel.isa);
  }
}

TEST(PackWeights, RowsNarrowLikeTheConversionsOfBase) {
  // Every sign and exponent that fits f16, with mantissas at, just off and between all ties.
  std::vector<float> values;
  std::mt19937 random(1);
  const auto next = [&] { return static_cast<uint32_t>(random()); };
  for (uint32_t exponent = 0; exponent < 142; ++exponent) {
    for (int i = 0; i < 2000; ++i) {
      uint32_t mantissa = next() & 0x7fffffu;
      if (i % 2 == 0) mantissa = ((mantissa & 0x7fe000u) | 0x1000u) + next() % 3 - 1;
      values.push_back(std::bit_cast<float>((next() & 0x80000000u) | (exponent << 23) | mantissa));
    }
  }
  values.pop_back();  // so that the last ones are no whole register
  const device::FlushDenormals flush;
  for (const auto& kernel : test::runnable(narrow_row_kernels())) {
    for (DType type : {DType::f16, DType::bf16}) {
      std::vector<uint16_t> bits(values.size() + 1, kGuard16);
      ASSERT_TRUE(kernel.function(
          {.type = type, .k = std::ssize(values), .row = values.data(), .out = bits.data()}));
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(bits[i], type == DType::f16 ? float_to_f16(values[i]) : float_to_bf16(values[i]))
            << device::name(kernel.isa) << ", " << values[i];
      }
      ASSERT_EQ(bits.back(), kGuard16);
    }
  }
}

TEST(PackWeights, NarrowingSaysWhenAValueDoesNotFit) {
  using Limits = std::numeric_limits<float>;
  const float fits_f16 = std::nextafter(65520.0f, 0.0f);
  const float fits_bf16 = std::nextafter(0x1.ffp127f, 0.0f);
  for (const auto& kernel : test::runnable(narrow_row_kernels())) {
    for (int64_t k : {1, 8, 40}) {
      const auto fits = [&](DType type, float value) {
        std::vector<float> row(static_cast<size_t>(k), 1.0f);
        row.back() = value;
        std::vector<uint16_t> bits(row.size());
        return kernel.function({.type = type, .k = k, .row = row.data(), .out = bits.data()});
      };
      EXPECT_TRUE(fits(DType::f16, -fits_f16));
      EXPECT_FALSE(fits(DType::f16, -65520.0f));
      EXPECT_TRUE(fits(DType::bf16, 65520.0f));
      EXPECT_TRUE(fits(DType::bf16, fits_bf16));
      EXPECT_FALSE(fits(DType::bf16, -0x1.ffp127f));
      for (DType type : {DType::f16, DType::bf16}) {
        EXPECT_FALSE(fits(type, Limits::infinity()));
        EXPECT_FALSE(fits(type, Limits::quiet_NaN()));
      }
    }
  }
}

TEST(PackWeights, PanelsOfCodesAreSummedAndMinus128IsFoundAnywhere) {
  std::mt19937 random(8);
  for (const auto& kernel : test::runnable(sum_panel_kernels())) {
    for (int64_t k : {64, 128, 640}) {
      std::vector<int8_t> panel(static_cast<size_t>(k * kPanelColumns));
      std::vector<int32_t> expected(kPanelColumns);
      for (size_t i = 0; i < panel.size(); ++i) {
        panel[i] = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
        expected[i / 4 % kPanelColumns] += panel[i];
      }
      std::vector<int32_t> sums(kPanelColumns, 77);
      EXPECT_TRUE(kernel.function({.panel = panel.data(), .k = k, .column_sums = sums.data()}));
      EXPECT_EQ(sums, expected);
      for (int i = 0; i < 100; ++i) {
        std::vector<int8_t> damaged = panel;
        damaged[random() % damaged.size()] = -128;
        EXPECT_FALSE(
            kernel.function({.panel = damaged.data(), .k = k, .column_sums = sums.data()}));
      }
    }
  }
}

}  // namespace
}  // namespace octet::ops
