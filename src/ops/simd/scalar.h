// 16 float lanes in plain C++: the reference the vector lane types are tested against. Only for
// files built for the base instruction set, so nothing here needs to be inlined always.
#pragma once

#include <bit>

#include "base/half.h"
#include "ops/simd/lanes.h"

namespace octet::ops::simd {

/// See lanes.h.
struct Scalar16 {
  struct Mask {
    bool lane[kLanes];
  };

  struct Bits {
    uint32_t lane[kLanes];

    static Bits broadcast(uint32_t value) {
      return make([&](int) { return value; });
    }
    template <typename F>
    static Bits make(F f) {
      Bits r;
      for (int i = 0; i < kLanes; ++i) r.lane[i] = f(i);
      return r;
    }
    friend Bits operator+(const Bits& a, const Bits& b) {
      return make([&](int i) { return a.lane[i] + b.lane[i]; });
    }
    friend Bits operator-(const Bits& a, const Bits& b) {
      return make([&](int i) { return a.lane[i] - b.lane[i]; });
    }
    friend Bits operator&(const Bits& a, const Bits& b) {
      return make([&](int i) { return a.lane[i] & b.lane[i]; });
    }
    friend Bits operator|(const Bits& a, const Bits& b) {
      return make([&](int i) { return a.lane[i] | b.lane[i]; });
    }
    friend Bits operator^(const Bits& a, const Bits& b) {
      return make([&](int i) { return a.lane[i] ^ b.lane[i]; });
    }
    template <int kCount>
    friend Bits shift_left(const Bits& a) {
      return make([&](int i) { return a.lane[i] << kCount; });
    }
    template <int kCount>
    friend Bits shift_right(const Bits& a) {
      return make([&](int i) { return a.lane[i] >> kCount; });
    }
  };

  float lane[kLanes];

  template <typename F>
  static Scalar16 make(F f) {
    Scalar16 r;
    for (int i = 0; i < kLanes; ++i) r.lane[i] = f(i);
    return r;
  }
  template <typename F>
  static Mask make_mask(F f) {
    Mask r;
    for (int i = 0; i < kLanes; ++i) r.lane[i] = f(i);
    return r;
  }

  static Scalar16 broadcast(float value) {
    return make([&](int) { return value; });
  }
  static Scalar16 zero() { return broadcast(0.0f); }
  static Scalar16 load(const float* from) {
    return make([&](int i) { return from[i]; });
  }
  static Scalar16 load_partial(const float* from, int64_t count) {
    return make([&](int i) { return i < count ? from[i] : 0.0f; });
  }
  static Scalar16 load_f16(const uint16_t* from) {
    return make([&](int i) { return f16_to_float(from[i]); });
  }
  static Scalar16 load_bf16(const uint16_t* from) {
    return make([&](int i) { return bf16_to_float(from[i]); });
  }
  void store(float* to) const { store_partial(to, kLanes); }
  void store_partial(float* to, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) to[i] = lane[i];
  }

  Bits bits() const {
    return Bits::make([&](int i) { return std::bit_cast<uint32_t>(lane[i]); });
  }
  static Scalar16 from_bits(const Bits& bits) {
    return make([&](int i) { return std::bit_cast<float>(bits.lane[i]); });
  }
  static Mask first(int64_t count) {
    return make_mask([&](int i) { return i < count; });
  }

  friend Scalar16 operator+(const Scalar16& a, const Scalar16& b) {
    return make([&](int i) { return a.lane[i] + b.lane[i]; });
  }
  friend Scalar16 operator-(const Scalar16& a, const Scalar16& b) {
    return make([&](int i) { return a.lane[i] - b.lane[i]; });
  }
  friend Scalar16 operator*(const Scalar16& a, const Scalar16& b) {
    return make([&](int i) { return a.lane[i] * b.lane[i]; });
  }
  friend Scalar16 operator/(const Scalar16& a, const Scalar16& b) {
    return make([&](int i) { return a.lane[i] / b.lane[i]; });
  }
  friend Scalar16 fma(const Scalar16& a, const Scalar16& b, const Scalar16& c) {
    return make([&](int i) { return __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]); });
  }
  friend Scalar16 sqrt(const Scalar16& a) {
    return make([&](int i) { return __builtin_sqrtf(a.lane[i]); });
  }
  friend Scalar16 abs(const Scalar16& a) {
    return from_bits(a.bits() & Bits::broadcast(0x7fffffffu));
  }
  friend Scalar16 rint(const Scalar16& a) {
    return make([&](int i) { return nearest_integer(a.lane[i]); });
  }
  friend Scalar16 max(const Scalar16& a, const Scalar16& b) {
    return make([&](int i) { return larger(a.lane[i], b.lane[i]); });
  }
  friend Scalar16 min(const Scalar16& a, const Scalar16& b) {
    return make([&](int i) { return smaller(a.lane[i], b.lane[i]); });
  }
  friend Mask less(const Scalar16& a, const Scalar16& b) {
    return make_mask([&](int i) { return a.lane[i] < b.lane[i]; });
  }
  friend Mask less_equal(const Scalar16& a, const Scalar16& b) {
    return make_mask([&](int i) { return a.lane[i] <= b.lane[i]; });
  }
  friend Mask equal(const Scalar16& a, const Scalar16& b) {
    return make_mask([&](int i) { return a.lane[i] == b.lane[i]; });
  }
  friend Scalar16 select(const Mask& mask, const Scalar16& yes, const Scalar16& no) {
    const Bits a = yes.bits();
    const Bits b = no.bits();
    return from_bits(Bits::make([&](int i) { return mask.lane[i] ? a.lane[i] : b.lane[i]; }));
  }
  friend Scalar16 keep_first(const Scalar16& a, int64_t count) {
    return select(first(count), a, zero());
  }
  friend float reduce_add(Scalar16 a) {
    for (int step = kLanes / 2; step > 0; step /= 2) {
      for (int i = 0; i < step; ++i) a.lane[i] = a.lane[i] + a.lane[i + step];
    }
    return a.lane[0];
  }
  friend float reduce_max(Scalar16 a) {
    for (int step = kLanes / 2; step > 0; step /= 2) {
      for (int i = 0; i < step; ++i) a.lane[i] = larger(a.lane[i], a.lane[i + step]);
    }
    return a.lane[0];
  }

 private:
  static float larger(float a, float b) { return normal_or_zero(a > b ? a : b); }
  static float smaller(float a, float b) { return normal_or_zero(a < b ? a : b); }
  // As the vector instructions do with DAZ; a compiler may or may not use them for ?: above.
  static float normal_or_zero(float value) {
    const uint32_t pattern = std::bit_cast<uint32_t>(value);
    return (pattern & 0x7f800000u) == 0 ? std::bit_cast<float>(pattern & 0x80000000u) : value;
  }
  // Without SSE4.1 there is no rounding instruction; from 2^23 on every float is an integer.
  static float nearest_integer(float value) {
    constexpr float kIntegers = 8388608.0f;
    const uint32_t pattern = std::bit_cast<uint32_t>(value);
    const float magnitude = std::bit_cast<float>(pattern & 0x7fffffffu);
    if (!(magnitude < kIntegers)) return value;
    const float rounded = (magnitude + kIntegers) - kIntegers;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(rounded) | (pattern & 0x80000000u));
  }
};

}  // namespace octet::ops::simd
