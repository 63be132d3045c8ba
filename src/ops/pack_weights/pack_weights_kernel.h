// The kernels of packing stored weights as templates over an instruction set.
//
// V::Register holds V::kBytes bytes. V has
//   load(p)  store(p, r)  zero()
//   max_magnitudes<type>(r, elements)   the larger of r and the elements' magnitude bits, as
//                                       integers of the stored width
//   widen<type>(p, out)                 V::kFloats elements to float
//   narrow<type>(p, out)                V::kFloats floats to 16 bits
//   pack_int8_block<type>(rows, scales, out, sums)
//                                       64 columns of 16 rows to codes [16][16][4], adding to sums
//   pack16_block(rows, out)             32 columns of 16 rows of 16-bit elements to [16][16][2]
//   add_codes(sums, p)                  adds [16][4] codes
//   min_codes(r, p)                     the smaller of r and the V::kBytes codes at p
//   store_sums(sums, out)               of type V::Sums, initially zero_sums()
#pragma once

#include "ops/pack_weights/pack_weights.h"
#include "ops/quantize_rows/element.h"
#include "ops/simd/lanes.h"

namespace octet::ops::pack_weights {

using tensor::DType;

inline constexpr int64_t kInt8Block = 64;
inline constexpr int64_t kSixteenBitBlock = 32;

/// How far ahead the first pass over a row reads: past the end of a page, where the hardware stops.
inline constexpr int64_t kPrefetchBytes = 4096;

template <DType kType>
inline constexpr int64_t kElementBytes = kType == DType::f32 ? 4 : 2;

/// Calls function(rows) for each block of kBlock columns. What lies behind the last whole block is
/// copied to a block of its own, with zeros behind it; missing rows are zeros too.
template <int64_t kBlockBytes, typename Function>
OCTET_LANES void for_blocks(const StoredRows& stored, int64_t element_bytes, Function function) {
  alignas(64) std::byte rest[kPanelColumns][kBlockBytes];
  const std::byte* rows[kPanelColumns];
  int64_t steps[kPanelColumns];
  const int64_t row_bytes = stored.k * element_bytes;
  const int64_t whole_bytes = row_bytes / kBlockBytes * kBlockBytes;
  __builtin_memset(rest, 0, sizeof rest);
  for (int64_t n = 0; n < kPanelColumns; ++n) {
    const bool exists = n < stored.count;
    rows[n] = exists ? stored.rows[n] : rest[n];
    steps[n] = exists ? kBlockBytes : 0;
    if (exists && whole_bytes < row_bytes) {
      __builtin_memcpy(rest[n], stored.rows[n] + whole_bytes,
                       static_cast<size_t>(row_bytes - whole_bytes));
    }
  }
  for (int64_t done = 0; done < whole_bytes; done += kBlockBytes) {
    function(rows);
    for (int64_t n = 0; n < kPanelColumns; ++n) rows[n] += steps[n];
  }
  if (whole_bytes == row_bytes) return;
  for (int64_t n = 0; n < kPanelColumns; ++n) rows[n] = rest[n];
  function(rows);
}

template <typename V, DType kType>
OCTET_LANES float largest_magnitude(const std::byte* row, int64_t k) {
  using Integer = std::conditional_t<kElementBytes<kType> == 4, int32_t, int16_t>;
  const int64_t bytes = k * kElementBytes<kType>;
  typename V::Register largest = V::zero();
  int64_t done = 0;
  for (; done + V::kBytes <= bytes; done += V::kBytes) {
    __builtin_prefetch(row + done + kPrefetchBytes);
    largest = V::template max_magnitudes<kType>(largest, V::load(row + done));
  }
  alignas(64) std::byte rest[V::kBytes] = {};
  __builtin_memcpy(rest, row + done, static_cast<size_t>(bytes - done));
  largest = V::template max_magnitudes<kType>(largest, V::load(rest));
  alignas(64) Integer lanes[V::kBytes / sizeof(Integer)];
  V::store(reinterpret_cast<std::byte*>(lanes), largest);
  for (Integer lane : lanes) lanes[0] = lane > lanes[0] ? lane : lanes[0];
  float widened[V::kFloats];
  V::template widen<kType>(reinterpret_cast<const std::byte*>(lanes), widened);
  return widened[0];
}

template <typename V, DType kType>
OCTET_LANES void stored_maxima_of(const StoredMaximaArgs& args) {
  for (int64_t n = 0; n < args.stored.count; ++n) {
    args.row_max[n] = largest_magnitude<V, kType>(args.stored.rows[n], args.stored.k);
  }
}

template <typename V, DType kType>
OCTET_LANES void pack_int8_of(const PackInt8Args& args) {
  float scales[kPanelColumns] = {};
  for (int64_t n = 0; n < args.stored.count; ++n) {
    scales[n] = quantization_scale(args.row_max[n], kOnePlaneMax);
  }
  typename V::Sums sums = V::zero_sums();
  int8_t* out = args.panel;
  for_blocks<kInt8Block * kElementBytes<kType>>(
      args.stored, kElementBytes<kType>,
      [&](const std::byte* const(&rows)[kPanelColumns]) OCTET_LANES_LAMBDA {
        V::template pack_int8_block<kType>(rows, scales, out, sums);
        out += kInt8Block * kPanelColumns;
      });
  V::store_sums(sums, args.column_sums);
}

template <typename V, DType kType>
OCTET_LANES void widen_row_of(const WidenRowArgs& args) {
  int64_t i = 0;
  for (; i + V::kFloats <= args.k; i += V::kFloats) {
    V::template widen<kType>(args.row + i * kElementBytes<kType>, args.out + i);
  }
  if (i == args.k) return;
  alignas(64) std::byte rest[V::kFloats * 4] = {};
  float widened[V::kFloats];
  __builtin_memcpy(rest, args.row + i * kElementBytes<kType>,
                   static_cast<size_t>((args.k - i) * kElementBytes<kType>));
  V::template widen<kType>(rest, widened);
  __builtin_memcpy(args.out + i, widened, static_cast<size_t>(args.k - i) * sizeof(float));
}

template <typename V, DType kType>
OCTET_LANES bool narrow_row_of(const NarrowRowArgs& args) {
  // Beyond these magnitudes rounding gives infinity: half a step past the largest value.
  constexpr int32_t kTooLarge = kType == DType::f16 ? 0x477ff000 : 0x7f7f8000;
  const auto* row = reinterpret_cast<const std::byte*>(args.row);
  if (magnitude_bits(largest_magnitude<V, DType::f32>(row, args.k)) >= kTooLarge) return false;
  int64_t i = 0;
  for (; i + V::kFloats <= args.k; i += V::kFloats) {
    V::template narrow<kType>(args.row + i, args.out + i);
  }
  float rest[V::kFloats] = {};
  uint16_t narrowed[V::kFloats];
  __builtin_memcpy(rest, args.row + i, static_cast<size_t>(args.k - i) * sizeof(float));
  V::template narrow<kType>(rest, narrowed);
  __builtin_memcpy(args.out + i, narrowed, static_cast<size_t>(args.k - i) * sizeof(uint16_t));
  return true;
}

template <typename V>
OCTET_LANES void stored_maxima(const StoredMaximaArgs& args) {
  switch (args.stored.type) {
    case DType::f16:
      return stored_maxima_of<V, DType::f16>(args);
    case DType::bf16:
      return stored_maxima_of<V, DType::bf16>(args);
    default:
      return stored_maxima_of<V, DType::f32>(args);
  }
}

template <typename V>
OCTET_LANES void pack_int8(const PackInt8Args& args) {
  switch (args.stored.type) {
    case DType::f16:
      return pack_int8_of<V, DType::f16>(args);
    case DType::bf16:
      return pack_int8_of<V, DType::bf16>(args);
    default:
      return pack_int8_of<V, DType::f32>(args);
  }
}

template <typename V>
OCTET_LANES void pack16(const Pack16Args& args) {
  uint16_t* out = args.panel;
  for_blocks<kSixteenBitBlock * 2>(
      args.stored, 2, [&](const std::byte* const(&rows)[kPanelColumns]) OCTET_LANES_LAMBDA {
        V::pack16_block(rows, out);
        out += kSixteenBitBlock * kPanelColumns;
      });
}

template <typename V>
OCTET_LANES void widen_row(const WidenRowArgs& args) {
  switch (args.type) {
    case DType::f16:
      return widen_row_of<V, DType::f16>(args);
    case DType::bf16:
      return widen_row_of<V, DType::bf16>(args);
    default:
      return widen_row_of<V, DType::f32>(args);
  }
}

template <typename V>
OCTET_LANES bool narrow_row(const NarrowRowArgs& args) {
  return args.type == DType::f16 ? narrow_row_of<V, DType::f16>(args)
                                 : narrow_row_of<V, DType::bf16>(args);
}

template <typename V>
OCTET_LANES bool sum_panel(const SumPanelArgs& args) {
  constexpr int64_t kFours = kPanelColumns * 4;
  typename V::Sums sums = V::zero_sums();
  typename V::Register lowest = V::zero();
  for (int64_t i = 0; i < args.k * kPanelColumns; i += kFours) {
    V::add_codes(sums, args.panel + i);
    for (int64_t j = 0; j < kFours; j += V::kBytes) {
      lowest = V::min_codes(lowest, args.panel + i + j);
    }
  }
  V::store_sums(sums, args.column_sums);
  alignas(64) int8_t lanes[V::kBytes];
  V::store(reinterpret_cast<std::byte*>(lanes), lowest);
  bool sound = true;
  for (int8_t lane : lanes) sound = sound && lane != -128;
  return sound;
}

}  // namespace octet::ops::pack_weights
