// Attention for every vector instruction set: 64 (row, head) pairs at a time against one page.
// Isa (see avx2.cc, avx512.cc, amx.cc) names the lane type V, the 16-bit product and the plane
// split; it lives in an unnamed namespace, so nothing compiled here for one CPU can be linked into
// code for another.
#pragma once

#include "base/error.h"
#include "ops/attention/attention.h"
#include "ops/matmul16/kernels.h"
#include "ops/simd/math.h"

namespace octet::ops::attention_vector {

/// Pairs that share the conversion of a page's keys and values.
inline constexpr int kPairs = 64;
inline constexpr int kSlots = static_cast<int>(kPagePositions);
inline constexpr int kLanes = static_cast<int>(simd::kLanes);
inline constexpr int kGroups = kSlots / kLanes;
/// K block of the f32 product.
inline constexpr int kBlock32 = 32;

/// What a chunk of pairs keeps from page to page, indexed by pair; about 160 KB of stack.
struct Scratch {
  union alignas(64) {
    uint16_t planes[kPairs * 2 * kMaxHeadDim];  // [pair][plane][dk]
    float floats[kPairs * kMaxHeadDim];         // [pair][d]
  } q;
  alignas(64) float scores[kPairs][kSlots];  // then probabilities
  alignas(64) uint16_t probabilities[kPairs][2][kSlots];
  alignas(64) float acc[kPairs * kMaxHeadDim];  // [pair][dv]
  alignas(64) float highest[kPairs];
  alignas(64) float sum[kPairs];
  alignas(64) float rescale[kPairs];  // m - m', then its exp
  int64_t position[kPairs];
};

template <class Isa>
class Attention {
  using V = typename Isa::V;

 public:
  explicit Attention(const AttentionArgs& args)
      : args_(args),
        f16_(args.layout.type == CacheType::f16),
        d_(args.layout.head_dim),
        dk_((d_ + kBlock32 - 1) / kBlock32 * kBlock32),
        dv_((d_ + kLanes - 1) / kLanes * kLanes) {
    OCTET_CHECK(d_ >= 1 && d_ <= kMaxHeadDim);
  }

  void run() {
    const int64_t pairs = args_.rows * args_.heads;
    for (first_ = 0; first_ < pairs; first_ += kPairs) {
      count_ = pairs - first_ < kPairs ? static_cast<int>(pairs - first_) : kPairs;
      chunk();
    }
  }

 private:
  static float infinity() { return __builtin_inff(); }

  int64_t row(int pair) const { return (first_ + pair) / args_.heads; }
  int64_t head(int pair) const { return (first_ + pair) % args_.heads; }
  int64_t first_visible(int pair) const {
    const int64_t first = args_.window > 0 ? scratch_.position[pair] - args_.window + 1 : 0;
    return first > 0 ? first : 0;
  }

  int64_t visible_end(int pair) const {
    return args_.positions > 0 ? args_.positions : scratch_.position[pair] + 1;
  }

  void chunk() {
    for (int pair = 0; pair < count_; ++pair) start(pair);
    const int64_t last_page = (visible_end(count_ - 1) - 1) / kSlots;
    for (int64_t page = first_visible(0) / kSlots; page <= last_page; ++page) {
      // Pairs are in rising order of position, so those that see something of the page are
      // neighbours. The others must not even have 0 added: it would turn -0 into +0.
      int begin = 0;
      int end = count_;
      while (begin < end && visible_end(begin) <= page * kSlots) ++begin;
      while (begin < end && first_visible(end - 1) >= (page + 1) * kSlots) --end;
      const std::byte* keys = args_.cache + args_.pages[page] * args_.page_stride;
      multiply_keys(page, keys, begin, end);
      softmax(page, begin, end);
      multiply_values(keys + args_.layout.key_bytes(), begin, end);
    }
    for (int pair = 0; pair < count_; ++pair) finish(pair);
  }

  void start(int pair) {
    Scratch& s = scratch_;
    s.position[pair] = args_.first_position + row(pair);
    s.highest[pair] = -infinity();
    s.sum[pair] = 0;
    for (int64_t i = 0; i < dv_; i += kLanes) V::zero().store(s.acc + pair * dv_ + i);
    const float* q = args_.q + row(pair) * args_.q_stride + head(pair) * d_;
    alignas(64) float split[kMaxHeadDim];
    float* scaled = f16_ ? split : s.q.floats + pair * d_;
    for (int64_t i = 0; i < d_; ++i) scaled[i] = q[i] * args_.scale;
    if (f16_) Isa::split_planes({scaled, d_, 2, s.q.planes + pair * 2 * dk_});
  }

  /// Scores of the groups of slots before the last visible one; softmax() hides the others.
  void multiply_keys(int64_t page, const std::byte* keys, int begin, int end) {
    float* scores = scratch_.scores[begin];
    const int64_t slots = visible_end(end - 1) - page * kSlots;
    const int64_t groups = slots >= kSlots ? kGroups : (slots + kLanes - 1) / kLanes;
    if (!f16_) {
      multiply_f32(scratch_.q.floats + begin * d_, d_, d_, reinterpret_cast<const float*>(keys),
                   groups, scores, kSlots, end - begin, false);
      return;
    }
    Isa::multiply({.a = scratch_.q.planes + begin * 2 * dk_,
                   .a_stride = 2 * dk_,
                   .planes = 2,
                   .rows = end - begin,
                   .k = dk_,
                   .b = reinterpret_cast<const uint16_t*>(keys),
                   .b_type = SixteenBit::f16,
                   .panels = groups,
                   .c = scores,
                   .c_stride = kSlots});
  }

  void multiply_values(const std::byte* values, int begin, int end) {
    float* acc = scratch_.acc + begin * dv_;
    if (!f16_) {
      multiply_f32(scratch_.scores[begin], kSlots, kSlots, reinterpret_cast<const float*>(values),
                   dv_ / kLanes, acc, dv_, end - begin, true);
      return;
    }
    Isa::multiply({.a = scratch_.probabilities[begin][0],
                   .a_stride = 2 * kSlots,
                   .planes = 2,
                   .rows = end - begin,
                   .k = kSlots,
                   .b = reinterpret_cast<const uint16_t*>(values),
                   .b_type = SixteenBit::f16,
                   .panels = dv_ / kLanes,
                   .c = acc,
                   .c_stride = dv_,
                   .accumulate = true});
  }

  void softmax(int64_t page, int begin, int end) {
    Scratch& s = scratch_;
    for (int pair = begin; pair < end; ++pair) {
      const float page_highest = mask_scores(page, pair);
      const float before = s.highest[pair];
      s.highest[pair] = before > page_highest ? before : page_highest;
      s.rescale[pair] = before - s.highest[pair];
    }
    for (int pair = begin; pair < end; pair += kLanes) {
      const int lanes = end - pair < kLanes ? end - pair : kLanes;
      exp(V::load_partial(s.rescale + pair, lanes)).store_partial(s.rescale + pair, lanes);
    }
    for (int pair = begin; pair < end; ++pair) {
      s.sum[pair] = s.sum[pair] * s.rescale[pair] + exponentiate(pair);
      if (f16_) Isa::split_planes({s.scores[pair], kSlots, 2, s.probabilities[pair][0]});
      if (s.rescale[pair] == 1) continue;
      const V f = V::broadcast(s.rescale[pair]);
      float* acc = s.acc + pair * dv_;
      for (int64_t i = 0; i < dv_; i += kLanes) (V::load(acc + i) * f).store(acc + i);
    }
  }

  /// Finishes a pair's scores in a page; returns their maximum.
  float mask_scores(int64_t page, int pair) {
    float* scores = scratch_.scores[pair];
    const int64_t t = scratch_.position[pair];
    const float slope = args_.slopes != nullptr ? args_.slopes[head(pair)] : 0;
    const V hidden = V::broadcast(-infinity());
    V highest = hidden;
    for (int group = 0; group < kGroups; ++group, scores += kLanes) {
      const int64_t position = page * kSlots + group * kLanes;
      V s = V::load(scores);
      if (args_.softcap > 0) {
        const V limit = V::broadcast(args_.softcap);
        s = limit * tanh(s / limit);
      }
      if (slope != 0) {
        const V distance = V::load(kCounting) + V::broadcast(static_cast<float>(position - t));
        s = s + V::broadcast(slope) * distance;
      }
      if (args_.bias != nullptr) s = s + bias(head(pair), position - t);
      s = select(V::first(lanes_before(first_visible(pair) - position)), hidden,
                 select(V::first(lanes_before(visible_end(pair) - position)), s, hidden));
      s.store(scores);
      highest = max(highest, s);
    }
    return reduce_max(highest);
  }

  /// Of the distances `first` and on.
  V bias(int64_t head, int64_t first) const {
    const int64_t reach = args_.bias_reach;
    const float* table = args_.bias + head * (2 * reach + 1) + reach;
    alignas(64) float lanes[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      const int64_t distance = first + i;
      lanes[i] = table[distance < -reach ? -reach : distance > reach ? reach : distance];
    }
    return V::load(lanes);
  }

  static int64_t lanes_before(int64_t lane) { return lane < 0 ? 0 : lane > kLanes ? kLanes : lane; }

  /// Scores to probabilities; returns their sum.
  float exponentiate(int pair) {
    float* scores = scratch_.scores[pair];
    const V highest = V::broadcast(scratch_.highest[pair]);
    V sum = V::zero();
    for (int i = 0; i < kSlots; i += kLanes) {
      const V p = exp(V::load(scores + i) - highest);
      p.store(scores + i);
      sum = i == 0 ? p : sum + p;
    }
    return reduce_add(sum);
  }

  void finish(int pair) {
    float* out = args_.out + row(pair) * args_.out_stride + head(pair) * d_;
    const float* acc = scratch_.acc + pair * dv_;
    const V sum = V::broadcast(scratch_.sum[pair]);
    for (int64_t i = 0; i < d_; i += kLanes) {
      (V::load(acc + i) / sum).store_partial(out + i, lanes_before(d_ - i));
    }
  }

  /// matmul32's order. a: rows of k floats; b: panels of [k][16].
  static void multiply_f32(const float* a, int64_t a_stride, int64_t k, const float* b,
                           int64_t panels, float* c, int64_t c_stride, int rows, bool accumulate) {
    for (int64_t panel = 0; panel < panels; ++panel, b += k * kLanes, c += kLanes) {
      int r = 0;
      for (; r + 4 <= rows; r += 4) {
        block_f32<4>(a + r * a_stride, a_stride, k, b, c + r * c_stride, c_stride, accumulate);
      }
      for (; r < rows; ++r) {
        block_f32<1>(a + r * a_stride, a_stride, k, b, c + r * c_stride, c_stride, accumulate);
      }
    }
  }

  template <int kRows>
  static void block_f32(const float* a, int64_t a_stride, int64_t k, const float* b, float* c,
                        int64_t c_stride, bool accumulate) {
    V total[kRows];
    for (int r = 0; r < kRows; ++r) total[r] = accumulate ? V::load(c + r * c_stride) : V::zero();
    for (int64_t first = 0; first < k; first += kBlock32) {
      const int64_t end = first + kBlock32 < k ? first + kBlock32 : k;
      V chain[kRows];
      for (V& sum : chain) sum = V::zero();
      for (int64_t i = first; i < end; ++i) {
        const V weights = V::load(b + i * kLanes);
        for (int r = 0; r < kRows; ++r) {
          chain[r] = fma(V::broadcast(a[r * a_stride + i]), weights, chain[r]);
        }
      }
      for (int r = 0; r < kRows; ++r) total[r] = total[r] + chain[r];
    }
    for (int r = 0; r < kRows; ++r) total[r].store(c + r * c_stride);
  }

  alignas(64) static constexpr float kCounting[kLanes] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                          8, 9, 10, 11, 12, 13, 14, 15};

  const AttentionArgs& args_;
  const bool f16_;
  const int64_t d_;
  const int64_t dk_;   // dimensions of a key: padded to 32 (f16)
  const int64_t dv_;   // dimensions of acc: padded to 16
  int64_t first_ = 0;  // the chunk's first pair of all
  int count_ = 0;      // and its pairs
  Scratch scratch_;
};

}  // namespace octet::ops::attention_vector
