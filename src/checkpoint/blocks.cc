// GGUF's block-quantised formats: 32 elements with one or two scales, or 256 elements whose
// groups of 16 or 32 have small integer scales of their own.
#include "checkpoint/blocks.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/half.h"

namespace octet::checkpoint {
namespace {

using tensor::DType;

float load_f16(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return f16_to_float(bits);
}

uint32_t load_u32(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// 32 elements: the low nibbles of 16 bytes are elements 0–15, the high ones 16–31.

void decode_q4_0(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  const uint8_t* codes = block + 2;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((codes[i] & 0xf) - 8);
    out[i + 16] = d * static_cast<float>((codes[i] >> 4) - 8);
  }
}

void decode_q4_1(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  const float m = load_f16(block + 2);
  const uint8_t* codes = block + 4;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(codes[i] & 0xf) + m;
    out[i + 16] = d * static_cast<float>(codes[i] >> 4) + m;
  }
}

/// A five-bit code: its fifth bit is bit `element` of a 32-bit word.
int five_bits(int nibble, uint32_t fifth, int element) {
  return nibble | static_cast<int>(((fifth >> element) & 1u) << 4);
}

void decode_q5_0(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  const uint32_t fifth = load_u32(block + 2);
  const uint8_t* codes = block + 6;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(five_bits(codes[i] & 0xf, fifth, i) - 16);
    out[i + 16] = d * static_cast<float>(five_bits(codes[i] >> 4, fifth, i + 16) - 16);
  }
}

void decode_q5_1(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  const float m = load_f16(block + 2);
  const uint32_t fifth = load_u32(block + 4);
  const uint8_t* codes = block + 8;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(five_bits(codes[i] & 0xf, fifth, i)) + m;
    out[i + 16] = d * static_cast<float>(five_bits(codes[i] >> 4, fifth, i + 16)) + m;
  }
}

void decode_q8_0(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

void decode_iq4_nl(const uint8_t* block, float* out) {
  static constexpr std::array<int8_t, 16> levels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                    1,    13,   25,  38,  53,  69,  89,  113};
  const float d = load_f16(block);
  const uint8_t* codes = block + 2;
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(levels[codes[i] & 0xf]);
    out[i + 16] = d * static_cast<float>(levels[codes[i] >> 4]);
  }
}

// 256 elements. Two-bit codes lie in two halves of 128 elements; element 32·p + l of a half is the
// bit pair p of its byte l. Nibbles lie in four quarters of 64: low nibbles, then high ones.

void decode_q2_k(const uint8_t* block, float* out) {
  const uint8_t* scales = block;  // low nibble scale, high nibble minimum, per 16 elements
  const float d = load_f16(block + 80);
  const float dmin = load_f16(block + 82);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(scales[group] & 0xf);
    const float minimum = dmin * static_cast<float>(scales[group] >> 4);
    const uint8_t* codes = block + 16 + (group / 8) * 32 + (group % 2) * 16;
    const int shift = 2 * (group % 8 / 2);
    for (int i = 0; i < 16; ++i) {
      out[group * 16 + i] = scale * static_cast<float>((codes[i] >> shift) & 3) - minimum;
    }
  }
}

/// Scale `group` of 16: four low bits from the first eight bytes, two high bits from the last four.
int q3_k_scale(const uint8_t* scales, int group) {
  const int low = group < 8 ? scales[group] & 0xf : scales[group - 8] >> 4;
  const int high = (scales[8 + group % 4] >> (2 * (group / 4))) & 3;
  return (low | (high << 4)) - 32;
}

void decode_q3_k(const uint8_t* block, float* out) {
  const uint8_t* third = block;  // bit e/32 of byte e%32; when clear, 4 is taken off
  const uint8_t* scales = block + 96;
  const float d = load_f16(block + 108);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(q3_k_scale(scales, group));
    const uint8_t* codes = block + 32 + (group / 8) * 32 + (group % 2) * 16;
    const uint8_t* bits = third + (group % 2) * 16;
    const int shift = 2 * (group % 8 / 2);
    for (int i = 0; i < 16; ++i) {
      const int code = ((codes[i] >> shift) & 3) - (((bits[i] >> (group / 2)) & 1) != 0 ? 0 : 4);
      out[group * 16 + i] = scale * static_cast<float>(code);
    }
  }
}

struct ScaleAndMinimum {
  float scale;
  float minimum;
};

/// Six-bit scale and minimum of 32 elements, packed in twelve bytes: the first four groups lie in
/// the low six bits of bytes 0–3 and 4–7, whose top bits complete the nibbles of bytes 8–11.
ScaleAndMinimum unpack_scale(const uint8_t* packed, int group, float d, float dmin) {
  int scale = packed[group] & 63;
  int minimum = packed[group + 4] & 63;
  if (group >= 4) {
    scale = (packed[group + 4] & 0xf) | ((packed[group - 4] >> 6) << 4);
    minimum = (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4);
  }
  return {d * static_cast<float>(scale), dmin * static_cast<float>(minimum)};
}

void decode_q4_k(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  const float dmin = load_f16(block + 2);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = unpack_scale(block + 4, group, d, dmin);
    const uint8_t* codes = block + 16 + (group / 2) * 32;
    const int shift = 4 * (group % 2);
    for (int i = 0; i < 32; ++i) {
      out[group * 32 + i] = scale * static_cast<float>((codes[i] >> shift) & 0xf) - minimum;
    }
  }
}

void decode_q5_k(const uint8_t* block, float* out) {
  const float d = load_f16(block);
  const float dmin = load_f16(block + 2);
  const uint8_t* fifth = block + 16;  // bit `group` of byte e%32
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = unpack_scale(block + 4, group, d, dmin);
    const uint8_t* codes = block + 48 + (group / 2) * 32;
    const int shift = 4 * (group % 2);
    for (int i = 0; i < 32; ++i) {
      const int code = ((codes[i] >> shift) & 0xf) | (((fifth[i] >> group) & 1) << 4);
      out[group * 32 + i] = scale * static_cast<float>(code) - minimum;
    }
  }
}

void decode_q6_k(const uint8_t* block, float* out) {
  const uint8_t* scales = block + 192;  // int8, per 16 elements
  const float d = load_f16(block + 208);
  for (int group = 0; group < 8; ++group) {  // 32 elements
    const int half = group / 4;
    const int part = group % 4;
    const uint8_t* low = block + half * 64 + (part % 2) * 32;
    const uint8_t* high = block + 128 + half * 32;
    for (int i = 0; i < 32; ++i) {
      const int nibble = (low[i] >> (4 * (part / 2))) & 0xf;
      const int code = (nibble | (((high[i] >> (2 * part)) & 3) << 4)) - 32;
      const auto scale = static_cast<int8_t>(scales[group * 2 + i / 16]);
      out[group * 32 + i] = d * static_cast<float>(scale) * static_cast<float>(code);
    }
  }
}

using BlockDecoder = void (*)(const uint8_t*, float*);

template <BlockDecoder decode>
void decode_all(DType dtype, const std::byte* in, int64_t blocks, float* out) {
  const tensor::DTypeInfo& type = tensor::info(dtype);
  for (int64_t block = 0; block < blocks; ++block) {
    decode(reinterpret_cast<const uint8_t*>(in) + block * type.block_bytes,
           out + block * type.block_elements);
  }
}

}  // namespace

void decode_blocks(DType dtype, const std::byte* in, int64_t blocks, float* out) {
  switch (dtype) {
    case DType::q4_0:
      return decode_all<decode_q4_0>(dtype, in, blocks, out);
    case DType::q4_1:
      return decode_all<decode_q4_1>(dtype, in, blocks, out);
    case DType::q5_0:
      return decode_all<decode_q5_0>(dtype, in, blocks, out);
    case DType::q5_1:
      return decode_all<decode_q5_1>(dtype, in, blocks, out);
    case DType::q8_0:
      return decode_all<decode_q8_0>(dtype, in, blocks, out);
    case DType::q2_k:
      return decode_all<decode_q2_k>(dtype, in, blocks, out);
    case DType::q3_k:
      return decode_all<decode_q3_k>(dtype, in, blocks, out);
    case DType::q4_k:
      return decode_all<decode_q4_k>(dtype, in, blocks, out);
    case DType::q5_k:
      return decode_all<decode_q5_k>(dtype, in, blocks, out);
    case DType::q6_k:
      return decode_all<decode_q6_k>(dtype, in, blocks, out);
    case DType::iq4_nl:
      return decode_all<decode_iq4_nl>(dtype, in, blocks, out);
    default:
      OCTET_CHECK(tensor::info(dtype).block_elements > 1);
  }
}

}  // namespace octet::checkpoint
