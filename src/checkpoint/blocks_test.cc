// Block formats: blocks packed bit by bit from known scales and codes decode to exactly
// scale × code (± offset). All factors are short enough that double holds the exact value, so the
// expected float is that value rounded once and the comparison is of bits.
#include "checkpoint/blocks.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"

namespace octet::checkpoint {
namespace {

using tensor::DType;

/// A block under construction, addressed by bit.
class Block {
 public:
  explicit Block(DType dtype) : bytes_(static_cast<size_t>(tensor::info(dtype).block_bytes)) {}

  /// Writes the `width` low bits of `value` from bit `bit` of byte `byte` on.
  void put(int byte, int bit, int width, int value) {
    for (int i = 0; i < width; ++i) {
      if (((value >> i) & 1) != 0) {
        bytes_[static_cast<size_t>(byte + (bit + i) / 8)] |=
            static_cast<uint8_t>(1u << ((bit + i) % 8));
      }
    }
  }
  void put_f16(int byte, uint16_t bits) { put(byte, 0, 16, bits); }
  std::vector<float> decode(DType dtype) const {
    std::vector<float> out(static_cast<size_t>(tensor::info(dtype).block_elements));
    decode_blocks(dtype, reinterpret_cast<const std::byte*>(bytes_.data()), 1, out.data());
    return out;
  }

 private:
  std::vector<uint8_t> bytes_;
};

class Random {
 public:
  int below(int limit) { return static_cast<int>(engine_() % static_cast<uint32_t>(limit)); }
  /// Any finite binary16, subnormals included.
  uint16_t f16() {
    const auto bits = static_cast<uint16_t>(engine_() & 0xffffu);
    return (bits & 0x7c00u) == 0x7c00u ? static_cast<uint16_t>(bits ^ 0x4000u) : bits;
  }

 private:
  std::mt19937 engine_{20220815};
};

/// Packs one random block and gives the exact values it stands for.
using Pack = std::vector<double> (*)(Random&, Block&);

void check(DType dtype, Pack pack) {
  Random random;
  for (int trial = 0; trial < 500; ++trial) {
    Block block(dtype);
    const std::vector<double> exact = pack(random, block);
    const std::vector<float> values = block.decode(dtype);
    ASSERT_EQ(values.size(), exact.size());
    for (size_t i = 0; i < exact.size(); ++i) {
      // Comparing values: +0 and −0 differ in sign only when a scale is negative.
      ASSERT_EQ(values[i], static_cast<float>(exact[i])) << "element " << i;
    }
  }
}

/// Formats of 32: nibbles of element e in byte first + e mod 16, the low ones first.
void put_nibble(Block& block, int first, int element, int code) {
  block.put(first + element % 16, element < 16 ? 0 : 4, 4, code);
}

TEST(Blocks, Q4_0) {
  check(DType::q4_0, [](Random& random, Block& block) {
    const uint16_t d = random.f16();
    block.put_f16(0, d);
    std::vector<double> exact(32);
    for (int e = 0; e < 32; ++e) {
      const int code = random.below(16);
      put_nibble(block, 2, e, code);
      exact[static_cast<size_t>(e)] = double{f16_to_float(d)} * (code - 8);
    }
    return exact;
  });
}

TEST(Blocks, Q4_1) {
  check(DType::q4_1, [](Random& random, Block& block) {
    const uint16_t d = random.f16();
    const uint16_t m = random.f16();
    block.put_f16(0, d);
    block.put_f16(2, m);
    std::vector<double> exact(32);
    for (int e = 0; e < 32; ++e) {
      const int code = random.below(16);
      put_nibble(block, 4, e, code);
      exact[static_cast<size_t>(e)] = double{f16_to_float(d)} * code + f16_to_float(m);
    }
    return exact;
  });
}

TEST(Blocks, Q5_0) {
  check(DType::q5_0, [](Random& random, Block& block) {
    const uint16_t d = random.f16();
    block.put_f16(0, d);
    std::vector<double> exact(32);
    for (int e = 0; e < 32; ++e) {
      const int code = random.below(32);
      put_nibble(block, 6, e, code & 15);
      block.put(2, e, 1, code >> 4);
      exact[static_cast<size_t>(e)] = double{f16_to_float(d)} * (code - 16);
    }
    return exact;
  });
}

TEST(Blocks, Q5_1) {
  check(DType::q5_1, [](Random& random, Block& block) {
    const uint16_t d = random.f16();
    const uint16_t m = random.f16();
    block.put_f16(0, d);
    block.put_f16(2, m);
    std::vector<double> exact(32);
    for (int e = 0; e < 32; ++e) {
      const int code = random.below(32);
      put_nibble(block, 8, e, code & 15);
      block.put(4, e, 1, code >> 4);
      exact[static_cast<size_t>(e)] = double{f16_to_float(d)} * code + f16_to_float(m);
    }
    return exact;
  });
}

TEST(Blocks, Q8_0) {
  check(DType::q8_0, [](Random& random, Block& block) {
    const uint16_t d = random.f16();
    block.put_f16(0, d);
    std::vector<double> exact(32);
    for (int e = 0; e < 32; ++e) {
      const int code = random.below(256) - 128;
      block.put(2 + e, 0, 8, code);
      exact[static_cast<size_t>(e)] = double{f16_to_float(d)} * code;
    }
    return exact;
  });
}

TEST(Blocks, Iq4Nl) {
  check(DType::iq4_nl, [](Random& random, Block& block) {
    static constexpr int kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
    const uint16_t d = random.f16();
    block.put_f16(0, d);
    std::vector<double> exact(32);
    for (int e = 0; e < 32; ++e) {
      const int code = random.below(16);
      put_nibble(block, 2, e, code);
      exact[static_cast<size_t>(e)] = double{f16_to_float(d)} * kLevels[code];
    }
    return exact;
  });
}

/// Two-bit codes of 256 elements: 128 of them share 32 bytes, four to a byte.
void put_two_bits(Block& block, int first, int element, int code) {
  block.put(first + element / 128 * 32 + element % 32, element % 128 / 32 * 2, 2, code);
}

TEST(Blocks, Q2K) {
  check(DType::q2_k, [](Random& random, Block& block) {
    const uint16_t d = random.f16();
    const uint16_t dmin = random.f16();
    block.put_f16(80, d);
    block.put_f16(82, dmin);
    std::array<int, 16> scale{};
    std::array<int, 16> minimum{};
    for (int group = 0; group < 16; ++group) {
      const auto g = static_cast<size_t>(group);
      block.put(group, 0, 4, scale[g] = random.below(16));
      block.put(group, 4, 4, minimum[g] = random.below(16));
    }
    std::vector<double> exact(256);
    for (int e = 0; e < 256; ++e) {
      const auto g = static_cast<size_t>(e / 16);
      const int code = random.below(4);
      put_two_bits(block, 16, e, code);
      exact[static_cast<size_t>(e)] =
          double{f16_to_float(d)} * scale[g] * code - double{f16_to_float(dmin)} * minimum[g];
    }
    return exact;
  });
}

TEST(Blocks, Q3K) {
  check(DType::q3_k, [](Random& random, Block& block) {
    const uint16_t d = random.f16();
    block.put_f16(108, d);
    std::array<int, 16> scale{};
    for (int group = 0; group < 16; ++group) {
      const int code = random.below(64);
      scale[static_cast<size_t>(group)] = code - 32;
      block.put(96 + group % 8, group / 8 * 4, 4, code & 15);
      block.put(104 + group % 4, group / 4 * 2, 2, code >> 4);
    }
    std::vector<double> exact(256);
    for (int e = 0; e < 256; ++e) {
      const int code = random.below(8);
      put_two_bits(block, 32, e, code & 3);
      block.put(e % 32, e / 32, 1, code >> 2);
      exact[static_cast<size_t>(e)] =
          double{f16_to_float(d)} * scale[static_cast<size_t>(e / 16)] * (code - 4);
    }
    return exact;
  });
}

struct SixBitScales {
  std::array<int, 8> scale{};
  std::array<int, 8> minimum{};
};

/// Eight six-bit pairs in twelve bytes. Pairs 0–3: whole in bytes g and g + 4. Pairs 4–7: low
/// nibbles together in byte g + 4, upper two bits on top of bytes g − 4 and g.
SixBitScales put_scales(Random& random, Block& block, int first) {
  SixBitScales result;
  for (int g = 0; g < 8; ++g) {
    const int scale = result.scale[static_cast<size_t>(g)] = random.below(64);
    const int minimum = result.minimum[static_cast<size_t>(g)] = random.below(64);
    if (g < 4) {
      block.put(first + g, 0, 6, scale);
      block.put(first + g + 4, 0, 6, minimum);
    } else {
      block.put(first + g + 4, 0, 4, scale & 15);
      block.put(first + g + 4, 4, 4, minimum & 15);
      block.put(first + g - 4, 6, 2, scale >> 4);
      block.put(first + g, 6, 2, minimum >> 4);
    }
  }
  return result;
}

/// Nibbles of 256 elements: 64 of them share 32 bytes, the low nibbles first.
void put_nibble_of_256(Block& block, int first, int element, int code) {
  block.put(first + element / 64 * 32 + element % 32, element % 64 / 32 * 4, 4, code);
}

template <int fifth_bits, int nibbles>
std::vector<double> pack_q4_or_q5_k(Random& random, Block& block) {
  const uint16_t d = random.f16();
  const uint16_t dmin = random.f16();
  block.put_f16(0, d);
  block.put_f16(2, dmin);
  const SixBitScales scales = put_scales(random, block, 4);
  std::vector<double> exact(256);
  for (int e = 0; e < 256; ++e) {
    const auto g = static_cast<size_t>(e / 32);
    const int code = random.below(fifth_bits == 0 ? 16 : 32);
    put_nibble_of_256(block, nibbles, e, code & 15);
    if (fifth_bits != 0) block.put(fifth_bits + e % 32, e / 32, 1, code >> 4);
    exact[static_cast<size_t>(e)] = double{f16_to_float(d)} * scales.scale[g] * code -
                                    double{f16_to_float(dmin)} * scales.minimum[g];
  }
  return exact;
}

TEST(Blocks, Q4K) {
  check(DType::q4_k, pack_q4_or_q5_k<0, 16>);
}
TEST(Blocks, Q5K) {
  check(DType::q5_k, pack_q4_or_q5_k<16, 48>);
}

TEST(Blocks, Q6K) {
  check(DType::q6_k, [](Random& random, Block& block) {
    const uint16_t d = random.f16();
    block.put_f16(208, d);
    std::array<int, 16> scale{};
    for (int group = 0; group < 16; ++group) {
      block.put(192 + group, 0, 8, scale[static_cast<size_t>(group)] = random.below(256) - 128);
    }
    std::vector<double> exact(256);
    for (int e = 0; e < 256; ++e) {
      const int code = random.below(64);
      // A half of 128 elements has 64 bytes of nibbles: its first 64 elements the low ones.
      block.put(e / 128 * 64 + e % 64, e % 128 / 64 * 4, 4, code & 15);
      put_two_bits(block, 128, e, code >> 4);
      exact[static_cast<size_t>(e)] =
          double{f16_to_float(d)} * scale[static_cast<size_t>(e / 16)] * (code - 32);
    }
    return exact;
  });
}

TEST(Blocks, ConsecutiveBlocksAreDecodedOneByOne) {
  std::mt19937 random(3);
  for (int type = static_cast<int>(DType::q4_0); type <= static_cast<int>(DType::iq4_nl); ++type) {
    const auto dtype = static_cast<DType>(type);
    const tensor::DTypeInfo& info = tensor::info(dtype);
    std::vector<std::byte> bytes(static_cast<size_t>(5 * info.block_bytes));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0x3f);  // no NaN
    std::vector<float> together(static_cast<size_t>(5 * info.block_elements));
    decode_blocks(dtype, bytes.data(), 5, together.data());
    for (int64_t block = 0; block < 5; ++block) {
      std::vector<float> alone(static_cast<size_t>(info.block_elements));
      decode_blocks(dtype, bytes.data() + block * info.block_bytes, 1, alone.data());
      EXPECT_TRUE(
          std::equal(alone.begin(), alone.end(), together.begin() + block * info.block_elements))
          << info.name;
    }
  }
}

}  // namespace
}  // namespace octet::checkpoint
