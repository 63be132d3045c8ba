// Packing stored weights in plain C++: the reference the other kernels must equal bit for bit.
#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "ops/pack_weights/pack_weights.h"
#include "ops/quantize_rows/element.h"

namespace octet::ops {
namespace {

using tensor::DType;

uint16_t sixteen_bits(const std::byte* row, int64_t i) {
  uint16_t bits;
  std::memcpy(&bits, row + 2 * i, sizeof bits);
  return bits;
}

float element(DType type, const std::byte* row, int64_t i) {
  if (type == DType::f16) return f16_to_float(sixteen_bits(row, i));
  if (type == DType::bf16) return bf16_to_float(sixteen_bits(row, i));
  float value;
  std::memcpy(&value, row + 4 * i, sizeof value);
  return value;
}

}  // namespace

void stored_maxima_scalar(const StoredMaximaArgs& args) {
  const StoredRows& stored = args.stored;
  for (int64_t n = 0; n < stored.count; ++n) {
    int32_t largest = 0;
    for (int64_t i = 0; i < stored.k; ++i) {
      const int32_t magnitude = magnitude_bits(element(stored.type, stored.rows[n], i));
      largest = magnitude > largest ? magnitude : largest;
    }
    args.row_max[n] = float_of_bits(largest);
  }
}

void pack_int8_scalar(const PackInt8Args& args) {
  const StoredRows& stored = args.stored;
  const int64_t k64 = padded(stored.k, kInt8KStep);
  std::memset(args.panel, 0, static_cast<size_t>(kPanelColumns * k64));
  for (int64_t n = 0; n < kPanelColumns; ++n) {
    int32_t sum = 0;
    const float scale = n < stored.count ? quantization_scale(args.row_max[n], kOnePlaneMax) : 0;
    for (int64_t i = 0; n < stored.count && i < stored.k; ++i) {
      const int32_t code = quantize(element(stored.type, stored.rows[n], i), scale, kOnePlaneMax);
      args.panel[i / 4 * 4 * kPanelColumns + n * 4 + i % 4] = static_cast<int8_t>(code);
      sum += code;
    }
    args.column_sums[n] = sum;
  }
}

void pack16_scalar(const Pack16Args& args) {
  const StoredRows& stored = args.stored;
  const int64_t k32 = padded(stored.k, int64_t{32});
  std::memset(args.panel, 0, static_cast<size_t>(kPanelColumns * k32) * sizeof(uint16_t));
  for (int64_t n = 0; n < stored.count; ++n) {
    for (int64_t i = 0; i < stored.k; ++i) {
      args.panel[i / 2 * 2 * kPanelColumns + n * 2 + i % 2] = sixteen_bits(stored.rows[n], i);
    }
  }
}

void widen_row_scalar(const WidenRowArgs& args) {
  for (int64_t i = 0; i < args.k; ++i) args.out[i] = element(args.type, args.row, i);
}

bool narrow_row_scalar(const NarrowRowArgs& args) {
  bool fits = true;
  for (int64_t i = 0; i < args.k; ++i) {
    const bool f16 = args.type == DType::f16;
    args.out[i] = f16 ? float_to_f16(args.row[i]) : float_to_bf16(args.row[i]);
    const uint32_t exponent = f16 ? 0x7c00u : 0x7f80u;
    fits = fits && (args.out[i] & exponent) != exponent;
  }
  return fits;
}

bool sum_panel_scalar(const SumPanelArgs& args) {
  std::fill_n(args.column_sums, kPanelColumns, 0);
  bool sound = true;
  for (int64_t i = 0; i < args.k * kPanelColumns; ++i) {
    args.column_sums[i / 4 % kPanelColumns] += args.panel[i];
    sound = sound && args.panel[i] != -128;
  }
  return sound;
}

}  // namespace octet::ops
