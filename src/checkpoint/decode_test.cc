// Decoding plain element types: every bit pattern, any alignment, any range of rows or columns.
#include "checkpoint/decode.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "base/half.h"
#include "checkpoint/test_files.h"

namespace octet::checkpoint {
namespace {

using tensor::DType;
using test::as_bytes;
using test::error_of;
using test::raw;

std::vector<float> decode_all(const tensor::View& view) {
  std::vector<float> out(static_cast<size_t>(view.elements()));
  decode_rows(view, 0, row_count(view), out.data());
  return out;
}

uint32_t bits_of(float value) {
  return std::bit_cast<uint32_t>(value);
}

std::vector<uint16_t> all_16_bit_patterns() {
  std::vector<uint16_t> patterns(65536);
  for (size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<uint16_t>(i);
  return patterns;
}

TEST(Decode, SixteenBitTypesGiveTheExactFloatForEveryPattern) {
  const std::vector<uint16_t> patterns = all_16_bit_patterns();
  // One byte off, so that no element is aligned.
  const std::string content = "x" + raw(patterns);
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const std::vector<float> values = decode_all({dtype, {256, 256}, as_bytes(content).subspan(1)});
    for (size_t i = 0; i < patterns.size(); ++i) {
      const float expected =
          dtype == DType::f16 ? f16_to_float(patterns[i]) : bf16_to_float(patterns[i]);
      ASSERT_EQ(bits_of(values[i]), bits_of(expected)) << patterns[i];
    }
  }
}

TEST(Decode, EightBitFloatsFollowTheirDefinition) {
  std::string content(256, '\0');
  for (int i = 0; i < 256; ++i) content[static_cast<size_t>(i)] = static_cast<char>(i);
  const std::vector<float> e4m3 = decode_all({DType::f8_e4m3, {256}, as_bytes(content)});
  const std::vector<float> e5m2 = decode_all({DType::f8_e5m2, {256}, as_bytes(content)});
  for (int i = 0; i < 256; ++i) {
    const auto at = static_cast<size_t>(i);
    const double sign = i < 128 ? 1.0 : -1.0;
    {
      const int exponent = (i >> 3) & 15;
      const int mantissa = i & 7;
      if ((i & 127) == 127) {
        EXPECT_TRUE(std::isnan(e4m3[at]));
      } else {
        const double magnitude =
            exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
        EXPECT_EQ(e4m3[at], sign * magnitude) << i;
        EXPECT_EQ(std::signbit(e4m3[at]), i >= 128);
      }
    }
    {
      const int exponent = (i >> 2) & 31;
      const int mantissa = i & 3;
      if (exponent == 31 && mantissa != 0) {
        EXPECT_TRUE(std::isnan(e5m2[at]));
      } else if (exponent == 31) {
        EXPECT_EQ(e5m2[at], sign * std::numeric_limits<float>::infinity());
      } else {
        const double magnitude =
            exponent == 0 ? std::ldexp(mantissa, -16) : std::ldexp(4 + mantissa, exponent - 17);
        EXPECT_EQ(e5m2[at], sign * magnitude) << i;
      }
    }
  }
}

TEST(Decode, DoublesAreRoundedToNearest) {
  const std::vector<double> values = {0.1, -1e300, 1e-300, 16777217.0, 3.0};
  const std::string content = raw(values);
  EXPECT_EQ(
      decode_all({DType::f64, {5}, as_bytes(content)}),
      (std::vector<float>{0.1f, -std::numeric_limits<float>::infinity(), 0.0f, 16777216.0f, 3.0f}));
}

TEST(Decode, AnyRangeOfRowsEqualsTheSameRowsOfTheWhole) {
  std::mt19937 random(7);
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::f8_e4m3,
                            DType::q8_0, DType::q4_1, DType::q6_k}) {
    const tensor::DTypeInfo& type = tensor::info(dtype);
    const int64_t rows = 9;
    const int64_t columns = type.block_elements * 3;
    std::string content(static_cast<size_t>(rows * 3 * type.block_bytes), '\0');
    for (char& byte : content) byte = static_cast<char>(random() & 0x3f);  // no NaN
    const tensor::View view{dtype, {rows, 3, type.block_elements}, as_bytes(content)};
    ASSERT_EQ(row_count(view), rows);
    ASSERT_EQ(column_count(view), columns);
    const std::vector<float> whole = decode_all(view);
    for (int64_t first = 0; first <= rows; ++first) {
      for (int64_t count = 0; first + count <= rows; ++count) {
        // One more than needed: nothing may be written behind the range.
        std::vector<float> part(static_cast<size_t>(count * columns + 1), -77.0f);
        decode_rows(view, first, count, part.data());
        ASSERT_EQ(part.back(), -77.0f);
        part.pop_back();
        ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first * columns));
      }
    }
  }
}

TEST(Decode, VectorsAreOneRowAndScalarsOneElement) {
  const std::vector<float> values = {1.0f, 2.0f, 3.0f};
  const std::string content = raw(values);
  const tensor::View vector{DType::f32, {3}, as_bytes(content)};
  EXPECT_EQ(row_count(vector), 1);
  EXPECT_EQ(column_count(vector), 3);
  EXPECT_EQ(decode_all(vector), values);
  const tensor::View scalar{DType::f32, {}, as_bytes(content).first(4)};
  EXPECT_EQ(row_count(scalar), 1);
  EXPECT_EQ(column_count(scalar), 1);
  EXPECT_EQ(decode_all(scalar), std::vector<float>{1.0f});
  EXPECT_TRUE(decode_all({DType::f32, {0, 5}, {}}).empty());
}

TEST(Decode, IntegersAreNotFloats) {
  const std::string content(8, 'x');
  float out = 0;
  for (const DType dtype :
       {DType::i64, DType::i32, DType::i16, DType::i8, DType::u8, DType::boolean}) {
    const tensor::View view{dtype, {8 / tensor::info(dtype).block_bytes}, as_bytes(content)};
    EXPECT_NE(error_of([&] { decode_rows(view, 0, 1, &out); }).find(tensor::name(dtype)),
              std::string::npos);
  }
}

/// Column by column, one element at a time.
std::vector<float> transposed(const std::vector<float>& whole, int64_t depth, int64_t width,
                              int64_t first, int64_t columns) {
  std::vector<float> out;
  for (int64_t n = first; n < first + columns; ++n) {
    for (int64_t k = 0; k < depth; ++k) out.push_back(whole[static_cast<size_t>(k * width + n)]);
  }
  return out;
}

TEST(Decode, ColumnBlocksAreTheTransposedMatrix) {
  std::mt19937 random(11);
  for (const DType dtype :
       {DType::f64, DType::f32, DType::f16, DType::bf16, DType::f8_e4m3, DType::f8_e5m2}) {
    for (const auto& [depth, width] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {16, 64}, {37, 131}, {100, 7}}) {
      std::string content(static_cast<size_t>(depth * width * tensor::info(dtype).block_bytes),
                          '\0');
      for (char& byte : content) byte = static_cast<char>(random() & 0x3f);  // no NaN
      const tensor::View view{dtype, {depth, width}, as_bytes(content)};
      const std::vector<float> whole = decode_all(view);
      for (int64_t first = 0; first < width; first += 1 + width / 5) {
        for (int64_t columns = 0; first + columns <= width; columns += 1 + width / 3) {
          std::vector<float> out(static_cast<size_t>(columns * depth + 1), -77.0f);
          decode_columns_block(view, first, columns, out.data());
          ASSERT_EQ(out.back(), -77.0f);
          out.pop_back();
          ASSERT_EQ(out, transposed(whole, depth, width, first, columns));
        }
      }
    }
  }
}

TEST(Decode, ColumnBlocksNeedAPlainMatrix) {
  const std::string content(34, '\0');
  std::vector<float> out(32);
  EXPECT_NE(error_of([&] {
              decode_columns_block({DType::q8_0, {1, 32}, as_bytes(content)}, 0, 1, out.data());
            }).find("q8_0"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              decode_columns_block({DType::f16, {17}, as_bytes(content)}, 0, 1, out.data());
            }).find("dimensions"),
            std::string::npos);
}

}  // namespace
}  // namespace octet::checkpoint
