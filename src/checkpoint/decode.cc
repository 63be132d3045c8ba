// Turning the stored elements of a tensor into float32.
#include "checkpoint/decode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "checkpoint/blocks.h"

namespace octet::checkpoint {
namespace {

using tensor::DType;

/// f16_to_float without branches, so that loops over it become vector code; the same bits.
inline float f16_branch_free(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  const uint32_t normal = (magnitude << 13) + 0x38000000u;
  const uint32_t special = (magnitude << 13) | 0x7f800000u;
  // Counts units of 2^-24. The product is a normal float, so flushing denormals cannot touch it.
  const auto subnormal =
      std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  uint32_t value = magnitude >= 0x7c00u ? special : normal;
  value = magnitude < 0x0400u ? subnormal : value;
  return std::bit_cast<float>(sign | value);
}

/// binary8 E4M3 without infinities: bias 7, only mantissa 111 of the top exponent is NaN.
float f8_e4m3_to_float(uint8_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80u) << 24;
  const uint32_t exponent = (bits >> 3) & 0xfu;
  const uint32_t mantissa = bits & 0x7u;
  if (exponent == 0xf && mantissa == 0x7) return std::bit_cast<float>(sign | 0x7fc00000u);
  if (exponent == 0) {
    const auto value = std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-9f);
    return std::bit_cast<float>(sign | value);
  }
  return std::bit_cast<float>(sign | ((exponent + 120) << 23) | (mantissa << 20));
}

std::array<float, 256> f8_table(DType dtype) {
  std::array<float, 256> table{};
  for (uint32_t bits = 0; bits < 256; ++bits) {
    // E5M2 is binary16 cut after eight bits.
    table[bits] = dtype == DType::f8_e4m3 ? f8_e4m3_to_float(static_cast<uint8_t>(bits))
                                          : f16_to_float(static_cast<uint16_t>(bits << 8));
  }
  return table;
}

/// Applies `convert` to `count` elements that may be unaligned.
template <typename Stored, typename Convert>
inline void convert_elements(const std::byte* in, int64_t count, float* out, Convert convert) {
  for (int64_t index = 0; index < count; ++index) {
    Stored stored;
    std::memcpy(&stored, in + index * static_cast<int64_t>(sizeof stored), sizeof stored);
    out[index] = convert(stored);
  }
}

void decode_f32(const std::byte* in, int64_t count, float* out) {
  std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
}

void decode_f16(const std::byte* in, int64_t count, float* out) {
  convert_elements<uint16_t>(in, count, out, [](uint16_t bits) { return f16_branch_free(bits); });
}

void decode_bf16(const std::byte* in, int64_t count, float* out) {
  convert_elements<uint16_t>(in, count, out, [](uint16_t bits) { return bf16_to_float(bits); });
}

void decode_f64(const std::byte* in, int64_t count, float* out) {
  convert_elements<double>(in, count, out, [](double value) { return static_cast<float>(value); });
}

template <DType dtype>
void decode_f8(const std::byte* in, int64_t count, float* out) {
  static const std::array<float, 256> table = f8_table(dtype);
  convert_elements<uint8_t>(in, count, out, [](uint8_t bits) { return table[bits]; });
}

void decode_elements(DType dtype, const std::byte* in, int64_t count, float* out) {
  switch (dtype) {
    case DType::f32:
      return decode_f32(in, count, out);
    case DType::f16:
      return decode_f16(in, count, out);
    case DType::bf16:
      return decode_bf16(in, count, out);
    case DType::f64:
      return decode_f64(in, count, out);
    case DType::f8_e4m3:
      return decode_f8<DType::f8_e4m3>(in, count, out);
    case DType::f8_e5m2:
      return decode_f8<DType::f8_e5m2>(in, count, out);
    default:
      return decode_blocks(dtype, in, count / tensor::info(dtype).block_elements, out);
  }
}

using PlainDecoder = void (*)(const std::byte*, int64_t, float*);

PlainDecoder plain_decoder(const tensor::View& view) {
  switch (view.dtype) {
    case DType::f32:
      return decode_f32;
    case DType::f16:
      return decode_f16;
    case DType::bf16:
      return decode_bf16;
    case DType::f64:
      return decode_f64;
    case DType::f8_e4m3:
      return decode_f8<DType::f8_e4m3>;
    case DType::f8_e5m2:
      return decode_f8<DType::f8_e5m2>;
    default:
      fail("a transposed weight of type {} cannot be read", tensor::name(view.dtype));
  }
}

}  // namespace

int64_t row_count(const tensor::View& view) {
  return view.shape.size() < 2 ? 1 : view.shape[0];
}

int64_t column_count(const tensor::View& view) {
  int64_t product = 1;
  const size_t first = view.shape.size() < 2 ? 0 : 1;
  for (size_t index = first; index < view.shape.size(); ++index) product *= view.shape[index];
  return product;
}

void decode_rows(const tensor::View& view, int64_t first_row, int64_t rows, float* out) {
  if (!tensor::is_floating(view.dtype)) {
    fail("a tensor of type {} holds no floating-point numbers", tensor::name(view.dtype));
  }
  if (rows == 0 || view.bytes.empty()) return;
  OCTET_CHECK(first_row >= 0 && rows > 0 && rows <= row_count(view) - first_row);
  const tensor::DTypeInfo& type = tensor::info(view.dtype);
  const int64_t columns = column_count(view);
  const int64_t row_bytes = columns / type.block_elements * type.block_bytes;
  decode_elements(view.dtype, view.bytes.data() + first_row * row_bytes, rows * columns, out);
}

void decode_columns_block(const tensor::View& view, int64_t first_column, int64_t columns,
                          float* out) {
  const PlainDecoder decode = plain_decoder(view);
  if (view.shape.size() != 2) {
    fail("a transposed weight has {} dimensions instead of 2", view.shape.size());
  }
  if (columns == 0 || view.bytes.empty()) return;
  const int64_t depth = view.shape[0];
  const int64_t width = view.shape[1];
  OCTET_CHECK(first_column >= 0 && columns > 0 && columns <= width - first_column);
  const int64_t element_bytes = tensor::info(view.dtype).block_bytes;
  // A tile stays in L1: its rows are read, and its columns written, a cache line at a time.
  constexpr int64_t kTileRows = 16;
  constexpr int64_t kTileColumns = 64;
  std::array<std::array<float, kTileColumns>, kTileRows> tile;
  for (int64_t column = 0; column < columns; column += kTileColumns) {
    const int64_t tile_columns = std::min(kTileColumns, columns - column);
    for (int64_t row = 0; row < depth; row += kTileRows) {
      const int64_t tile_rows = std::min(kTileRows, depth - row);
      for (int64_t k = 0; k < tile_rows; ++k) {
        const int64_t element = (row + k) * width + first_column + column;
        decode(view.bytes.data() + element * element_bytes, tile_columns, tile[k].data());
      }
      for (int64_t n = 0; n < tile_columns; ++n) {
        float* target = out + (column + n) * depth + row;
        for (int64_t k = 0; k < tile_rows; ++k) target[k] = tile[k][n];
      }
    }
  }
}

}  // namespace octet::checkpoint
