// Views address the elements they say, through slices and strides, and dtypes know their sizes.
#include "tensor/view.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <set>
#include <string_view>

namespace octet::tensor {
namespace {

TEST(MatrixView, SlicesAddressTheSameElements) {
  std::array<int, 6 * 8> memory{};
  std::iota(memory.begin(), memory.end(), 0);
  const MatrixView<int> whole(memory.data(), 6, 8);
  EXPECT_EQ(whole.stride, 8);
  const MatrixView<int> part = whole.slice_rows(2, 3).slice_columns(4, 2);
  EXPECT_EQ(part.rows, 3);
  EXPECT_EQ(part.columns, 2);
  for (int64_t row = 0; row < part.rows; ++row) {
    for (int64_t column = 0; column < part.columns; ++column) {
      EXPECT_EQ(part.row(row)[column], (row + 2) * 8 + column + 4);
    }
  }
  const MatrixView<const int> constant = part;
  EXPECT_EQ(constant.row(2), part.row(2));
  EXPECT_EQ(constant.stride, 8);
}

TEST(View, CountsElementsAndBytesOfARow) {
  const std::array<std::byte, 2 * 64 / 32 * 34> blocks{};
  const View view{DType::q8_0, {2, 64}, blocks};
  EXPECT_EQ(view.elements(), 128);
  EXPECT_EQ(view.row_bytes(), 68);
  EXPECT_EQ((View{DType::f32, {}, std::span(blocks).first(4)}).elements(), 1);
  EXPECT_EQ((View{DType::f32, {0, 7}, {}}).row_bytes(), 0);
}

// The sizes are the sums of the fields of one block: scales, high bits, low bits.
TEST(DType, BlockSizesAreTheSumsOfTheirFields) {
  constexpr int64_t kHalf = 2;  // bytes of one f16
  const auto block = [](DType dtype) { return info(dtype).block_bytes; };
  EXPECT_EQ(block(DType::q4_0), kHalf + 32 * 4 / 8);
  EXPECT_EQ(block(DType::q4_1), 2 * kHalf + 32 * 4 / 8);
  EXPECT_EQ(block(DType::q5_0), kHalf + 32 * 5 / 8);
  EXPECT_EQ(block(DType::q5_1), 2 * kHalf + 32 * 5 / 8);
  EXPECT_EQ(block(DType::q8_0), kHalf + 32);
  EXPECT_EQ(block(DType::q2_k), 2 * kHalf + 16 + 256 * 2 / 8);
  EXPECT_EQ(block(DType::q3_k), kHalf + 12 + 256 * 3 / 8);
  EXPECT_EQ(block(DType::q4_k), 2 * kHalf + 12 + 256 * 4 / 8);
  EXPECT_EQ(block(DType::q5_k), 2 * kHalf + 12 + 256 * 5 / 8);
  EXPECT_EQ(block(DType::q6_k), kHalf + 16 + 256 * 6 / 8);
  EXPECT_EQ(block(DType::iq4_nl), kHalf + 32 * 4 / 8);
}

TEST(DType, EveryTypeHasItsOwnNameAndTheTableFollowsTheEnumeration) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(DType::iq4_nl); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_FALSE(name(dtype).empty()) << i;
    EXPECT_TRUE(names.insert(name(dtype)).second) << name(dtype);
    EXPECT_GT(info(dtype).block_bytes, 0) << i;
    EXPECT_EQ(info(dtype).block_elements % 32, dtype >= DType::q4_0 ? 0 : 1) << name(dtype);
  }
  EXPECT_EQ(name(DType::f8_e5m2), "f8_e5m2");
  EXPECT_EQ(name(DType::boolean), "bool");
  EXPECT_EQ(name(DType::iq4_nl), "iq4_nl");
}

TEST(DType, FloatingTypesAreTheFloatsAndTheBlockFormats) {
  for (DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::f8_e4m3,
                      DType::f8_e5m2, DType::q4_0, DType::q6_k, DType::iq4_nl}) {
    EXPECT_TRUE(is_floating(dtype)) << name(dtype);
  }
  for (DType dtype : {DType::i64, DType::i32, DType::i16, DType::i8, DType::u8, DType::boolean}) {
    EXPECT_FALSE(is_floating(dtype)) << name(dtype);
  }
}

}  // namespace
}  // namespace octet::tensor
