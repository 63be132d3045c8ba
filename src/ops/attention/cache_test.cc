// The key/value cache: where write_cache puts things, how it rounds and what it refuses.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/half.h"
#include "device/thread_team.h"
#include "ops/attention/attention.h"
#include "ops/matmul16/matmul16.h"

namespace octet::ops {
namespace {

TEST(WriteCache, PutsKeysAndValuesWhereTheLayoutSays) {
  for (const int64_t d : {1, 8, 20, 64, 80, 256}) {
    const int64_t dk = padded(d, 32);
    for (const CacheType type : {CacheType::f16, CacheType::f32}) {
      const CacheHeadLayout layout = {type, d};
      // Old bytes everywhere: the padding of a key has to become zero.
      std::vector<std::byte> head(static_cast<size_t>(layout.bytes()), std::byte{0x11});
      std::vector<float> key(static_cast<size_t>(d));
      std::vector<float> value(static_cast<size_t>(d));
      const auto at = [d](int64_t slot, int64_t i) { return static_cast<float>(slot * d + i) / 8; };
      for (int64_t slot = 0; slot < kPagePositions; ++slot) {
        for (int64_t i = 0; i < d; ++i) {
          key[static_cast<size_t>(i)] = at(slot, i);
          value[static_cast<size_t>(i)] = -at(slot, i);
        }
        ASSERT_TRUE(write_cache(layout, head.data(), slot, key.data(), value.data()));
      }
      const std::byte* values = head.data() + layout.key_bytes();
      const auto f16_at = [](const std::byte* base, int64_t index) {
        uint16_t bits = 0;
        std::memcpy(&bits, base + index * 2, 2);
        return f16_to_float(bits);
      };
      const auto f32_at = [](const std::byte* base, int64_t index) {
        float x = 0;
        std::memcpy(&x, base + index * 4, 4);
        return x;
      };
      for (int64_t slot = 0; slot < kPagePositions; ++slot) {
        const int64_t panel = slot / 16;
        for (int64_t i = 0; i < d; ++i) {
          if (type == CacheType::f16) {
            const float expected = f16_to_float(float_to_f16(at(slot, i)));
            ASSERT_EQ(f16_at(head.data(), panel * 16 * dk + i / 2 * 32 + slot % 16 * 2 + i % 2),
                      expected);
            ASSERT_EQ(f16_at(values, i / 16 * 16 * 64 + slot / 2 * 32 + i % 16 * 2 + slot % 2),
                      -expected);
          } else {
            ASSERT_EQ(f32_at(head.data(), panel * 16 * d + i * 16 + slot % 16), at(slot, i));
            ASSERT_EQ(f32_at(values, i / 16 * 16 * 64 + slot * 16 + i % 16), -at(slot, i));
          }
        }
        for (int64_t i = d; type == CacheType::f16 && i < dk; ++i) {
          ASSERT_EQ(f16_at(head.data(), panel * 16 * dk + i / 2 * 32 + slot % 16 * 2 + i % 2), 0);
        }
      }
    }
  }
}

TEST(WriteCache, RoundsToF16ToNearestEven) {
  const CacheHeadLayout layout = {CacheType::f16, 2};
  std::vector<std::byte> head(static_cast<size_t>(layout.bytes()));
  const auto stored = [&](float x) {
    const float pair[2] = {x, -x};
    EXPECT_TRUE(write_cache(layout, head.data(), 0, pair, pair)) << x;
    uint16_t bits[2];
    std::memcpy(bits, head.data(), 4);
    EXPECT_EQ(bits[1], bits[0] ^ 0x8000);
    return bits[0];
  };
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {  // every f16, every tie, and beside the ties
    const float low = f16_to_float(static_cast<uint16_t>(bits));
    const float tie = (low + f16_to_float(static_cast<uint16_t>(bits + 1))) / 2;
    for (const float x : {low, std::nextafter(tie, 0.0f), tie, std::nextafter(tie, 1e9f)}) {
      ASSERT_EQ(stored(x), float_to_f16(x)) << x;
    }
  }
  const device::FlushDenormals flush;
  EXPECT_EQ(stored(1e-40f), 0);
  EXPECT_EQ(stored(std::ldexp(1.0f, -24)), 1);
}

TEST(WriteCache, RefusesWhatDoesNotFitAndLeavesThePageAlone) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  struct Refusal {
    CacheType type;
    float x;
    bool fits;
  };
  for (const Refusal& one : {Refusal{CacheType::f16, 65504.0f, true},
                             {CacheType::f16, std::nextafter(65520.0f, 0.0f), true},
                             {CacheType::f16, 65520.0f, false},
                             {CacheType::f16, -65520.0f, false},
                             {CacheType::f16, 1e30f, false},
                             {CacheType::f16, -infinity, false},
                             {CacheType::f16, nan, false},
                             {CacheType::f32, std::numeric_limits<float>::max(), true},
                             {CacheType::f32, infinity, false},
                             {CacheType::f32, -infinity, false},
                             {CacheType::f32, nan, false}}) {
    const CacheHeadLayout layout = {one.type, 20};
    const std::vector<float> good(20, 1.0f);
    for (const size_t place : {0, 7, 19}) {
      std::vector<float> bad = good;
      bad[place] = one.x;
      for (const bool in_key : {true, false}) {
        std::vector<std::byte> head(static_cast<size_t>(layout.bytes()));
        const auto untouched = head;
        EXPECT_EQ(write_cache(layout, head.data(), 5, (in_key ? bad : good).data(),
                              (in_key ? good : bad).data()),
                  one.fits)
            << one.x;
        if (!one.fits) {
          EXPECT_EQ(head, untouched);
        }
      }
    }
  }
}

}  // namespace
}  // namespace octet::ops
