// Weights of a softmax and their sums, as a template over the lane type.
#pragma once

#include "ops/simd/math.h"
#include "ops/softmax/softmax.h"

namespace octet::ops::simd {

template <typename V>
OCTET_LANES void softmax(const SoftmaxArgs& args) {
  const V highest = V::broadcast(args.highest);
  const V scale = V::broadcast(args.scale);
  for (int64_t block = 0; block * kSoftmaxBlock < args.count; ++block) {
    const int64_t next = (block + 1) * kSoftmaxBlock;
    const int64_t end = next < args.count ? next : args.count;
    V sum = V::zero();
    for (int64_t i = block * kSoftmaxBlock; i < end; i += kLanes) {
      const int64_t lanes = end - i < kLanes ? end - i : kLanes;
      const V x = lanes == kLanes ? V::load(args.x + i) : V::load_partial(args.x + i, lanes);
      const V weight = exp((x - highest) * scale);
      if (args.weights != nullptr) weight.store_partial(args.weights + i, lanes);
      // Adding +0 changes no sum: weights are never -0.
      sum = sum + (lanes == kLanes ? weight : keep_first(weight, lanes));
    }
    args.sums[block] = reduce_add(sum);
  }
}

}  // namespace octet::ops::simd
