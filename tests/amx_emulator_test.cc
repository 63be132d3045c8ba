// The emulated tile instructions, each against a plain computation. On a machine with AMX the same
// tests run on the real tiles, which checks the plain computations themselves.
#include "support/amx_emulator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "base/half.h"
#include "device/thread_team.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace octet::test {
namespace {

struct alignas(64) Config {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t column_bytes[16] = {};
  uint8_t rows[16] = {};

  Config& tile(int index, int tile_rows, int tile_column_bytes) {
    rows[index] = static_cast<uint8_t>(tile_rows);
    column_bytes[index] = static_cast<uint16_t>(tile_column_bytes);
    return *this;
  }
};

void load_config(const Config& config) {
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
}

Config store_config() {
  Config config;
  __asm__ volatile("sttilecfg %0" : "=m"(config));
  return config;
}

void release() {
  __asm__ volatile("tilerelease");
}

#define OCTET_TEST_LOAD(tile, base, stride)                       \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile             \
                   :                                              \
                   : "r"(base), "r"(static_cast<int64_t>(stride)) \
                   : "memory")
#define OCTET_TEST_STORE(tile, base, stride)                      \
  __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)"         \
                   :                                              \
                   : "r"(base), "r"(static_cast<int64_t>(stride)) \
                   : "memory")

using TileBytes = std::array<uint8_t, 1024>;

TileBytes random_bytes(std::mt19937& random) {
  TileBytes bytes;
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

// An emulator for the whole test, and a skip where neither tiles nor emulation are to be had.
class AmxEmulatorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!emulator_.emulating() && !device::cpu_features().amx) {
      GTEST_SKIP() << "no AMX, and no AVX2 and FMA to emulate it with";
    }
  }
  void TearDown() override {
    if (!IsSkipped()) release();
  }

  AmxEmulator emulator_;
  std::mt19937 random_{20220815};
};

TEST_F(AmxEmulatorTest, FeaturesGainAmxOnlyWhereAvx512Is) {
  EXPECT_EQ(features_with_emulated_amx().amx,
            device::cpu_features().amx || device::cpu_features().avx512);
  EXPECT_EQ(features_with_emulated_amx().avx512, device::cpu_features().avx512);
  EXPECT_EQ(emulator_.emulating(), !device::cpu_features().amx);
}

TEST_F(AmxEmulatorTest, ConfigurationIsStoredAsLoadedAndReleaseClearsIt) {
  static Config config;  // static: its address is relative to the instruction
  for (int t = 0; t < 8; ++t) config.tile(t, 1 + 2 * t, 64 - 8 * t);
  load_config(config);
  const Config stored = store_config();
  EXPECT_EQ(std::memcmp(&stored, &config, sizeof(config)), 0);
  release();
  const Config after = store_config();
  Config zero;
  zero.palette = 0;
  EXPECT_EQ(std::memcmp(&after, &zero, sizeof(zero)), 0);
}

TEST_F(AmxEmulatorTest, ConfigurationClearsTheTiles) {
  const TileBytes ones = [] {
    TileBytes bytes;
    bytes.fill(1);
    return bytes;
  }();
  load_config(Config().tile(0, 16, 64));
  OCTET_TEST_LOAD(0, ones.data(), 64);
  load_config(Config().tile(0, 16, 64));
  TileBytes out = ones;
  OCTET_TEST_STORE(0, out.data(), 64);
  EXPECT_EQ(out, TileBytes{});
}

TEST_F(AmxEmulatorTest, LoadAndStoreMoveExactlyTheConfiguredRowsAndColumns) {
  for (const auto& [rows, column_bytes] :
       {std::pair{16, 64}, {1, 4}, {7, 20}, {16, 4}, {1, 64}, {3, 7}}) {
    for (int stride : {64, 67, 96}) {
      load_config(Config().tile(3, rows, column_bytes));
      std::vector<uint8_t> from(2048);
      for (uint8_t& byte : from) byte = static_cast<uint8_t>(random_());
      std::vector<uint8_t> to(2048, 0xaa);
      std::vector<uint8_t> expected = to;
      OCTET_TEST_LOAD(3, from.data(), stride);
      OCTET_TEST_STORE(3, to.data(), 80);
      for (int r = 0; r < rows; ++r) {
        std::memcpy(&expected[static_cast<size_t>(r) * 80], &from[static_cast<size_t>(r * stride)],
                    static_cast<size_t>(column_bytes));
      }
      EXPECT_EQ(to, expected) << rows << " × " << column_bytes << ", stride " << stride;
    }
  }
}

// Every form of a memory operand: bases that need an extra byte (r12, rbp, r13), indices from both
// halves of the registers, each scale, no, short and long displacements, no index at all.
TEST_F(AmxEmulatorTest, AddressesAreThoseOfTheInstructionSet) {
  load_config(Config().tile(0, 4, 8).tile(7, 4, 8));
  std::vector<uint8_t> memory(4096);
  for (uint8_t& byte : memory) byte = static_cast<uint8_t>(random_());
  const uint8_t* const middle = memory.data() + 2048;
  const auto expect = [&](const char* form, const uint8_t* first, int64_t stride) {
    std::array<uint8_t, 32> out;
    OCTET_TEST_STORE(7, out.data(), 8);
    for (int r = 0; r < 4; ++r) {
      EXPECT_EQ(std::memcmp(&out[static_cast<size_t>(r) * 8], first + r * stride, 8), 0) << form;
    }
  };
#define OCTET_TEST_FORM(operand, base_register, index_register, index, offset, stride) \
  do {                                                                                 \
    __asm__ volatile("mov %0, %%" base_register "\n\tmov %1, %%" index_register        \
                     "\n\ttileloadd " operand ", %%tmm7"                               \
                     :                                                                 \
                     : "a"(middle), "d"(static_cast<int64_t>(index))                   \
                     : base_register, index_register, "memory");                       \
    expect(operand, middle + (offset), stride);                                        \
  } while (false)
  OCTET_TEST_FORM("(%%rcx,%%rsi,1)", "rcx", "rsi", 24, 0, 24);
  OCTET_TEST_FORM("(%%r12,%%r8,2)", "r12", "r8", 24, 0, 48);
  OCTET_TEST_FORM("(%%r13,%%r9,4)", "r13", "r9", 10, 0, 40);
  OCTET_TEST_FORM("16(%%r13,%%r12,8)", "r13", "r12", 9, 16, 72);
  OCTET_TEST_FORM("-8(%%rdi,%%r15,1)", "rdi", "r15", -24, -8, -24);
  OCTET_TEST_FORM("1000(%%r11,%%rbx,1)", "r11", "rbx", 16, 1000, 16);
  OCTET_TEST_FORM("-1000(%%r10,%%r14,2)", "r10", "r14", 16, -1000, 32);
#undef OCTET_TEST_FORM
  __asm__ volatile("tileloadd (%0), %%tmm7" : : "r"(middle) : "memory");
  expect("no index", middle, 0);
  __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm7" : : "r"(middle), "r"(int64_t{40}) : "memory");
  expect("with the hint of T1", middle, 40);
}

TEST_F(AmxEmulatorTest, ZeroClearsOneTile) {
  load_config(Config().tile(1, 16, 64).tile(2, 16, 64));
  const TileBytes bytes = random_bytes(random_);
  OCTET_TEST_LOAD(1, bytes.data(), 64);
  OCTET_TEST_LOAD(2, bytes.data(), 64);
  __asm__ volatile("tilezero %tmm1");
  TileBytes one;
  TileBytes two;
  OCTET_TEST_STORE(1, one.data(), 64);
  OCTET_TEST_STORE(2, two.data(), 64);
  EXPECT_EQ(one, TileBytes{});
  EXPECT_EQ(two, bytes);
}

struct DotShape {
  int rows;
  int columns;
  int k;  // groups of four bytes or pairs of bfloat16
};

constexpr DotShape kDotShapes[] = {{16, 16, 16}, {1, 1, 1}, {16, 3, 5}, {5, 16, 16}, {2, 7, 11}};

// c += a·b on tiles 0, 1 and 2 by `instruction`, starting from c = `sums`.
template <typename Instruction>
TileBytes dot_on_tiles(const DotShape& shape, const TileBytes& a, const TileBytes& b,
                       const TileBytes& sums, Instruction instruction) {
  load_config(Config()
                  .tile(0, shape.rows, shape.columns * 4)
                  .tile(1, shape.rows, shape.k * 4)
                  .tile(2, shape.k, shape.columns * 4));
  TileBytes c = sums;
  OCTET_TEST_LOAD(0, c.data(), 64);
  OCTET_TEST_LOAD(1, a.data(), 64);
  OCTET_TEST_LOAD(2, b.data(), 64);
  instruction();
  OCTET_TEST_STORE(0, c.data(), 64);
  return c;
}

template <typename T>
T element(const TileBytes& bytes, int row, int index) {
  T value;
  std::memcpy(&value,
              &bytes[static_cast<size_t>(row) * 64 + static_cast<size_t>(index) * sizeof(T)],
              sizeof(T));
  return value;
}

template <typename A, typename B>
TileBytes plain_byte_dot(const DotShape& shape, const TileBytes& a, const TileBytes& b,
                         const TileBytes& sums) {
  TileBytes c = sums;
  for (int m = 0; m < shape.rows; ++m) {
    for (int n = 0; n < shape.columns; ++n) {
      int64_t sum = element<int32_t>(sums, m, n);
      for (int k = 0; k < shape.k; ++k) {
        for (int j = 0; j < 4; ++j) {
          sum += int64_t{element<A>(a, m, 4 * k + j)} * element<B>(b, k, 4 * n + j);
        }
      }
      const auto wrapped = static_cast<uint32_t>(sum);
      std::memcpy(&c[static_cast<size_t>(m * 64 + n * 4)], &wrapped, 4);
    }
  }
  return c;
}

TEST_F(AmxEmulatorTest, ByteProductsEqualPlainSumsModulo32BitsInEverySignedness) {
  for (const DotShape& shape : kDotShapes) {
    for (int round = 0; round < 8; ++round) {
      const TileBytes a = random_bytes(random_);
      const TileBytes b = random_bytes(random_);
      const TileBytes sums = random_bytes(random_);  // large enough to wrap around
      EXPECT_EQ(
          dot_on_tiles(shape, a, b, sums, [] { __asm__ volatile("tdpbssd %tmm2, %tmm1, %tmm0"); }),
          (plain_byte_dot<int8_t, int8_t>(shape, a, b, sums)));
      EXPECT_EQ(
          dot_on_tiles(shape, a, b, sums, [] { __asm__ volatile("tdpbsud %tmm2, %tmm1, %tmm0"); }),
          (plain_byte_dot<int8_t, uint8_t>(shape, a, b, sums)));
      EXPECT_EQ(
          dot_on_tiles(shape, a, b, sums, [] { __asm__ volatile("tdpbusd %tmm2, %tmm1, %tmm0"); }),
          (plain_byte_dot<uint8_t, int8_t>(shape, a, b, sums)));
      EXPECT_EQ(
          dot_on_tiles(shape, a, b, sums, [] { __asm__ volatile("tdpbuud %tmm2, %tmm1, %tmm0"); }),
          (plain_byte_dot<uint8_t, uint8_t>(shape, a, b, sums)));
    }
  }
}

// TDPBF16PS as matmul16.h states it: chains of fused multiply-adds over the even and the odd
// elements, then c += even + odd; to nearest, denormals flushed.
TileBytes plain_bf16_dot(const DotShape& shape, const TileBytes& a, const TileBytes& b,
                         const TileBytes& sums) {
  const device::FlushDenormals flush;
  TileBytes c = sums;
  for (int m = 0; m < shape.rows; ++m) {
    for (int n = 0; n < shape.columns; ++n) {
      volatile float chains[2] = {0, 0};  // volatile: the arithmetic stays where denormals flush
      for (int k = 0; k < shape.k; ++k) {
        for (int odd = 0; odd < 2; ++odd) {
          chains[odd] = std::fma(bf16_to_float(element<uint16_t>(a, m, 2 * k + odd)),
                                 bf16_to_float(element<uint16_t>(b, k, 2 * n + odd)),
                                 static_cast<float>(chains[odd]));
        }
      }
      const volatile float both = chains[0] + chains[1];
      const volatile float sum = element<float>(sums, m, n) + both;
      const float result = sum;
      std::memcpy(&c[static_cast<size_t>(m * 64 + n * 4)], &result, 4);
    }
  }
  return c;
}

// bfloat16 values whose exponents lie in [low, high], with both signs.
TileBytes random_bf16(std::mt19937& random, int low, int high) {
  TileBytes bytes;
  for (size_t i = 0; i < 512; ++i) {
    const auto exponent =
        static_cast<uint32_t>(low) + random() % static_cast<uint32_t>(high - low + 1);
    const auto bits = static_cast<uint16_t>((random() & 0x807fu) | (exponent << 7));
    std::memcpy(&bytes[i * 2], &bits, 2);
  }
  return bytes;
}

TileBytes random_floats(std::mt19937& random, int low, int high) {
  TileBytes bytes;
  for (size_t i = 0; i < 256; ++i) {
    const auto exponent =
        static_cast<uint32_t>(low) + random() % static_cast<uint32_t>(high - low + 1);
    const uint32_t bits = (static_cast<uint32_t>(random()) & 0x807fffffu) | (exponent << 23);
    std::memcpy(&bytes[i * 4], &bits, 4);
  }
  return bytes;
}

TEST_F(AmxEmulatorTest, Bf16ProductsRoundInTheOrderOfTheInstruction) {
  struct Range {
    int low;
    int high;
  };
  // Ordinary values; values whose products or sums are denormal; denormal operands (exponent 0).
  for (const Range& range : {Range{120, 134}, Range{58, 70}, Range{0, 4}, Range{0, 130}}) {
    for (const DotShape& shape : kDotShapes) {
      for (int round = 0; round < 8; ++round) {
        const TileBytes a = random_bf16(random_, range.low, range.high);
        const TileBytes b = random_bf16(random_, range.low, range.high);
        const int products = range.low + range.high - 127;
        const TileBytes sums =
            random_floats(random_, std::max(products - 8, 0), std::max(products + 8, 2));
        EXPECT_EQ(dot_on_tiles(shape, a, b, sums,
                               [] { __asm__ volatile("tdpbf16ps %tmm2, %tmm1, %tmm0"); }),
                  plain_bf16_dot(shape, a, b, sums));
      }
    }
  }
}

TEST_F(AmxEmulatorTest, Bf16ProductsIgnoreTheRoundingModeOfTheThread) {
  const TileBytes a = random_bf16(random_, 120, 134);
  const TileBytes b = random_bf16(random_, 120, 134);
  const TileBytes sums = random_floats(random_, 120, 134);
  const TileBytes expected = plain_bf16_dot(kDotShapes[0], a, b, sums);
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(saved | 0x4000u);  // towards +infinity
  const TileBytes result = dot_on_tiles(kDotShapes[0], a, b, sums,
                                        [] { __asm__ volatile("tdpbf16ps %tmm2, %tmm1, %tmm0"); });
  const unsigned after = _mm_getcsr();
  _mm_setcsr(saved);
  EXPECT_EQ(result, expected);
  EXPECT_EQ(after, saved | 0x4000u);
}

TEST_F(AmxEmulatorTest, InfinitiesAndNanStayInTheirRowAndColumn) {
  TileBytes a = {};
  TileBytes b = {};
  const uint16_t one = 0x3f80;
  const uint16_t infinity = 0x7f80;
  std::memcpy(&a[0], &infinity, 2);  // a[0][0]
  std::memcpy(&a[64], &one, 2);      // a[1][0]
  std::memcpy(&b[0], &one, 2);       // b[0][0]
  const DotShape shape{2, 2, 1};
  const TileBytes c = dot_on_tiles(shape, a, b, TileBytes{},
                                   [] { __asm__ volatile("tdpbf16ps %tmm2, %tmm1, %tmm0"); });
  EXPECT_EQ(element<float>(c, 0, 0), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(element<float>(c, 0, 1)));  // infinity · 0
  EXPECT_EQ(element<float>(c, 1, 0), 1.0f);
  EXPECT_EQ(element<float>(c, 1, 1), 0.0f);
}

TEST_F(AmxEmulatorTest, EveryThreadHasItsOwnTiles) {
  load_config(Config().tile(0, 16, 64));
  const TileBytes mine = random_bytes(random_);
  OCTET_TEST_LOAD(0, mine.data(), 64);
  const TileBytes other = random_bytes(random_);
  TileBytes other_out;
  Config at_start;
  std::thread([&] {
    at_start = store_config();
    load_config(Config().tile(0, 16, 64));
    OCTET_TEST_LOAD(0, other.data(), 64);
    OCTET_TEST_STORE(0, other_out.data(), 64);
    release();
  }).join();
  TileBytes mine_out;
  OCTET_TEST_STORE(0, mine_out.data(), 64);
  EXPECT_EQ(at_start.palette, 0);
  EXPECT_EQ(other_out, other);
  EXPECT_EQ(mine_out, mine);
}

TEST_F(AmxEmulatorTest, WhatRealTilesRefuseDies) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto dot = [] { __asm__ volatile("tdpbssd %tmm2, %tmm1, %tmm0"); };
  EXPECT_DEATH({ dot(); }, "") << "no configuration";
  const auto dot_with = [&](const Config& config) {
    load_config(config);
    dot();
  };
  EXPECT_DEATH(dot_with(Config().tile(0, 4, 16).tile(1, 4, 16)), "") << "tile 2 missing";
  EXPECT_DEATH(dot_with(Config().tile(0, 4, 16).tile(1, 5, 16).tile(2, 4, 16)), "") << "rows of a";
  EXPECT_DEATH(dot_with(Config().tile(0, 4, 16).tile(1, 4, 16).tile(2, 5, 16)), "") << "rows of b";
  EXPECT_DEATH(dot_with(Config().tile(0, 4, 16).tile(1, 4, 16).tile(2, 4, 20)), "") << "columns";
  const auto load_configuration = [](const Config& shape, int reserved) {
    Config config = shape;
    config.reserved[3] = static_cast<uint8_t>(reserved);
    load_config(config);
  };
  EXPECT_DEATH(load_configuration(Config().tile(0, 17, 64), 0), "") << "seventeen rows";
  EXPECT_DEATH(load_configuration(Config().tile(0, 16, 65), 0), "") << "wide rows";
  EXPECT_DEATH(load_configuration(Config().tile(0, 16, 0), 0), "") << "rows without columns";
  EXPECT_DEATH(load_configuration(Config().tile(0, 16, 64), 1), "") << "reserved bytes";
  EXPECT_DEATH({ __asm__ volatile("ud2"); }, "") << "an instruction that is not ours";
}

}  // namespace
}  // namespace octet::test
#endif
