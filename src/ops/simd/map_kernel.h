// The kernels of map.h as templates over the lane type.
#pragma once

#include "ops/simd/map.h"
#include "ops/simd/math.h"

namespace octet::ops::simd {

template <typename V, typename F>
OCTET_LANES void map_with(const MapArgs& args, F function) {
  int64_t i = 0;
  for (; i + kLanes <= args.count; i += kLanes) {
    function(V::load(args.x + i)).store(args.out + i);
  }
  const int64_t rest = args.count - i;
  if (rest > 0) function(V::load_partial(args.x + i, rest)).store_partial(args.out + i, rest);
}

template <typename V>
OCTET_LANES void map(const MapArgs& args) {
  switch (args.function) {
    case Elementary::exp:
      return map_with<V>(args, [](V x) OCTET_LANES_LAMBDA { return exp(x); });
    case Elementary::sigmoid:
      return map_with<V>(args, [](V x) OCTET_LANES_LAMBDA { return sigmoid(x); });
    case Elementary::tanh:
      return map_with<V>(args, [](V x) OCTET_LANES_LAMBDA { return tanh(x); });
    case Elementary::erf:
      return map_with<V>(args, [](V x) OCTET_LANES_LAMBDA { return erf(x); });
  }
}

/// Collects results one operation after the other.
template <typename V>
class LaneRecorder {
 public:
  explicit OCTET_LANES LaneRecorder(LaneResults* results) : results_(results) {}

  OCTET_LANES void values(V v) { v.store(next()); }
  OCTET_LANES void patterns(typename V::Bits bits) { values(V::from_bits(bits)); }
  OCTET_LANES void mask(typename V::Mask mask) {
    values(select(mask, V::broadcast(1.0f), V::zero()));
  }
  OCTET_LANES void number(float value) { values(V::broadcast(value)); }
  OCTET_LANES void partial(V v, int64_t count) {
    float* to = next();
    V::zero().store(to);
    v.store_partial(to, count);
  }
  OCTET_LANES int recorded() const { return recorded_; }

 private:
  OCTET_LANES float* next() { return reinterpret_cast<float*>(results_->lanes[recorded_++]); }
  LaneResults* results_;
  int recorded_ = 0;
};

template <typename V>
OCTET_LANES void exercise_lanes(const LaneArgs& args) {
  using Bits = typename V::Bits;
  const V a = V::load(args.a);
  const V b = V::load(args.b);
  const V c = V::load(args.c);
  LaneRecorder<V> record(args.results);
  record.values(a);
  record.values(V::load_partial(args.a, args.count));
  record.partial(a, args.count);
  record.values(keep_first(a, args.count));
  record.mask(V::first(args.count));
  record.values(V::load_f16(args.halves));
  record.values(V::load_bf16(args.halves));
  record.values(V::zero());
  record.number(args.a[0]);
  record.values(a + b);
  record.values(a - b);
  record.values(a * b);
  record.values(a / b);
  record.values(fma(a, b, c));
  record.values(sqrt(a));
  record.values(abs(a));
  record.values(rint(a));
  record.values(max(a, b));
  record.values(min(a, b));
  record.mask(less(a, b));
  record.mask(less_equal(a, b));
  record.mask(equal(a, b));
  record.values(select(less(a, b), c, a));
  record.patterns(a.bits() + b.bits());
  record.patterns(a.bits() - b.bits());
  record.patterns(a.bits() & b.bits());
  record.patterns(a.bits() | b.bits());
  record.patterns(a.bits() ^ b.bits());
  record.patterns(shift_left<23>(a.bits()));
  record.patterns(shift_right<9>(a.bits()));
  record.patterns(Bits::broadcast(0x80000001u));
  record.number(reduce_add(a));
  record.number(reduce_max(a));
  record.number(reduce_add(keep_first(b, args.count)));
  record.number(reduce_max(b));
  record.values(V::broadcast(args.b[15]));
  OCTET_CHECK(record.recorded() == LaneResults::kOperations);
}

}  // namespace octet::ops::simd
