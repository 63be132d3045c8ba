// The layout of keys and values in a page, and writing one position into it.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "ops/attention/attention.h"
#include "ops/matmul16/matmul16.h"

namespace octet::ops {

namespace {

constexpr int64_t kLanes = kPanelColumns;

// float_to_f16 without branches, so that compilers vectorise it; only for what does not round to
// infinity.
uint16_t finite_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  const uint32_t normal = (rounded - 0x38000000u) >> 13;
  // Below 2^-14 the result counts units of 2^-24, which is what a float beside 0.5 rounds to.
  const float beside_half = std::bit_cast<float>(magnitude) + 0.5f;
  const uint32_t subnormal = std::bit_cast<uint32_t>(beside_half) - 0x3f000000u;
  const uint32_t small = 0u - static_cast<uint32_t>(magnitude < 0x38800000u);
  return static_cast<uint16_t>((subnormal & small) | (normal & ~small) | ((bits >> 16) & 0x8000u));
}

// True when every value's magnitude, as a pattern, is below `limit`.
bool all_below(const float* x, int64_t count, uint32_t limit) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu);
  }
  return largest < limit;
}

void write_f16(const CacheHeadLayout& layout, std::byte* head, int64_t slot, const float* key,
               const float* value) {
  const int64_t d = layout.head_dim;
  const int64_t dk = padded(d, kMatmul16KStep);
  std::array<uint16_t, kMaxHeadDim> bits;
  for (int64_t i = 0; i < d; ++i) bits[static_cast<size_t>(i)] = finite_to_f16(key[i]);
  std::fill(bits.begin() + d, bits.begin() + dk, uint16_t{0});
  auto* keys = reinterpret_cast<uint16_t*>(head) + slot / kLanes * kLanes * dk + slot % kLanes * 2;
  for (int64_t i = 0; i < dk; i += 2)
    std::memcpy(keys + i * kLanes, &bits[static_cast<size_t>(i)], 4);

  for (int64_t i = 0; i < d; ++i) bits[static_cast<size_t>(i)] = finite_to_f16(value[i]);
  auto* values =
      reinterpret_cast<uint16_t*>(head + layout.key_bytes()) + slot / 2 * 2 * kLanes + slot % 2;
  for (int64_t i = 0; i < d; ++i) {
    values[i / kLanes * kLanes * kPagePositions + i % kLanes * 2] = bits[static_cast<size_t>(i)];
  }
}

void write_f32(const CacheHeadLayout& layout, std::byte* head, int64_t slot, const float* key,
               const float* value) {
  const int64_t d = layout.head_dim;
  auto* keys = reinterpret_cast<float*>(head) + slot / kLanes * kLanes * d + slot % kLanes;
  for (int64_t i = 0; i < d; ++i) keys[i * kLanes] = key[i];
  auto* values = reinterpret_cast<float*>(head + layout.key_bytes()) + slot * kLanes;
  for (int64_t i = 0; i < d; ++i) {
    values[i / kLanes * kLanes * kPagePositions + i % kLanes] = value[i];
  }
}

}  // namespace

int64_t CacheHeadLayout::key_bytes() const {
  return type == CacheType::f16 ? kPagePositions * padded(head_dim, kMatmul16KStep) * 2
                                : kPagePositions * head_dim * 4;
}

int64_t CacheHeadLayout::value_bytes() const {
  return kPagePositions * padded(head_dim, kLanes) * (type == CacheType::f16 ? 2 : 4);
}

bool write_cache(const CacheHeadLayout& layout, std::byte* head, int64_t slot, const float* key,
                 const float* value) {
  OCTET_CHECK(layout.head_dim >= 1 && layout.head_dim <= kMaxHeadDim);
  OCTET_CHECK(slot >= 0 && slot < kPagePositions);
  constexpr uint32_t kRoundsToF16Infinity = 0x477ff000;  // 65520
  constexpr uint32_t kInfinity = 0x7f800000;
  const bool f16 = layout.type == CacheType::f16;
  const uint32_t limit = f16 ? kRoundsToF16Infinity : kInfinity;
  if (!all_below(key, layout.head_dim, limit)) return false;
  if (!all_below(value, layout.head_dim, limit)) return false;
  (f16 ? write_f16 : write_f32)(layout, head, slot, key, value);
  return true;
}

}  // namespace octet::ops
