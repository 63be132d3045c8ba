// Attention on a GPU against the CPU's reference kernel, and against itself cut differently.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "device/gpu.h"
#include "device/thread_team.h"
#include "ops/attention/cuda.h"
#include "ops/kernel_testing.h"
#include "support/gpu.h"

namespace octet::ops::cuda {
namespace {

using device::GpuArray;

struct Case {
  const char* name;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 64;
  int64_t positions = 100;  ///< of the sequence, the rows' own included
  int64_t rows = 1;
  float softcap = 0;
  int64_t window = 0;
  bool slopes = false;
  int64_t bias_reach = 0;
  bool all = false;  ///< every row sees all positions
};

const Case kCases[] = {
    {"one row"},
    {"a prompt", 4, 2, 64, 40, 40},
    {"many splits", 8, 1, 128, 1300, 1},
    {"rows over many splits", 2, 2, 80, 700, 9},
    {"a window", 4, 4, 32, 600, 20, 0, 50},
    {"softcap", 4, 2, 64, 90, 5, 20},
    {"ALiBi", 6, 6, 16, 300, 3, 0, 0, true},
    {"relative bias", 4, 4, 64, 70, 70, 0, 0, false, 12, true},
    {"many heads for one", 71, 1, 64, 130, 2},
    {"wide heads", 2, 1, 256, 300, 4},
    {"heads of no whole chunks", 2, 1, 20, 77, 3},
};

/// One sequence: its cache in both layouts, and its queries.
class Sequence {
 public:
  Sequence(const Case& tested, CacheType type) : case_(tested), layout_{type, tested.head_dim} {
    const int64_t pages = (tested.positions + kPagePositions - 1) / kPagePositions;
    for (int64_t i = pages; i-- > 0;) pages_.push_back(static_cast<int32_t>(i));  // out of order
    head_bytes_ = layout_.bytes();
    page_bytes_ = head_bytes_ * tested.kv_heads;
    cpu_.resize(static_cast<size_t>(pages * page_bytes_));
    const int64_t width = static_cast<int64_t>(tested.kv_heads) * tested.head_dim;
    keys_ = test::normal_floats(tested.positions * width, 1);
    values_ = test::normal_floats(tested.positions * width, 2);
    for (int64_t j = 0; j < tested.positions; ++j) {
      for (int64_t h = 0; h < tested.kv_heads; ++h) {
        write_cache(layout_,
                    cpu_.data() + pages_[static_cast<size_t>(j / kPagePositions)] * page_bytes_ +
                        h * head_bytes_,
                    j % kPagePositions,
                    &keys_[static_cast<size_t>(j * width + h * tested.head_dim)],
                    &values_[static_cast<size_t>(j * width + h * tested.head_dim)]);
      }
    }
    queries_ = test::normal_floats(tested.rows * tested.heads * tested.head_dim, 3);
    slopes_ = test::normal_floats(tested.heads, 4, 0.1f);
    bias_ = test::normal_floats(tested.heads * (2 * tested.bias_reach + 1), 5);
  }

  std::vector<float> on_cpu() const {
    const device::FlushDenormals flush;
    std::vector<float> out(queries_.size());
    const int64_t group = case_.heads / case_.kv_heads;
    const int64_t stride = static_cast<int64_t>(case_.heads) * case_.head_dim;
    for (int64_t h = 0; h < case_.kv_heads; ++h) {
      const int64_t column = h * group * case_.head_dim;
      attention_kernels().front().function(
          {.q = queries_.data() + column,
           .q_stride = stride,
           .out = out.data() + column,
           .out_stride = stride,
           .rows = case_.rows,
           .first_position = case_.positions - case_.rows,
           .heads = static_cast<int>(group),
           .layout = layout_,
           .cache = cpu_.data() + h * head_bytes_,
           .page_stride = page_bytes_,
           .pages = pages_.data(),
           .scale = scale(),
           .softcap = case_.softcap,
           .window = case_.window,
           .slopes = case_.slopes ? &slopes_[static_cast<size_t>(h * group)] : nullptr,
           .bias = case_.bias_reach > 0
                       ? &bias_[static_cast<size_t>(h * group * (2 * case_.bias_reach + 1))]
                       : nullptr,
           .bias_reach = case_.bias_reach,
           .positions = case_.all ? case_.positions : 0});
    }
    return out;
  }

  /// The rows from `first` on, as one slice; the whole cache is written first.
  std::vector<float> on_gpu(int64_t first, bool parallel) const {
    GpuArray<std::byte> cache(std::ssize(pages_) * page_bytes_);
    device::zero_gpu(cache.data(), cache.bytes(), nullptr);
    const CacheView view = {cache.data(), page_bytes_, head_bytes_, layout_.key_bytes(),
                            layout_.type};
    const GpuArray<int32_t> pages(std::span<const int32_t>(pages_), nullptr);
    GpuArray<unsigned long long> error(1);
    write(view, pages, {error.data(), 0});
    const int64_t rows = case_.rows - first;
    const int64_t stride = static_cast<int64_t>(case_.heads) * case_.head_dim;
    std::vector<int32_t> positions;
    for (int64_t r = 0; r < rows; ++r) {
      positions.push_back(static_cast<int32_t>(case_.positions - rows + r));
    }
    const std::vector<int32_t> slices(static_cast<size_t>(rows), 0);
    const int32_t zero = 0;
    const int32_t count = static_cast<int32_t>(case_.all ? case_.positions : rows);
    std::vector<AttentionTile> tiles;
    for (int64_t pair = 0; pair < rows * (case_.heads / case_.kv_heads); pair += kAttentionPairs) {
      tiles.push_back({0, static_cast<int32_t>(pair)});
    }
    const GpuArray<int32_t> gpu_positions(std::span<const int32_t>(positions), nullptr);
    const GpuArray<int32_t> gpu_slices(std::span<const int32_t>(slices), nullptr);
    const GpuArray<int32_t> first_row(std::span(&zero, 1), nullptr);
    const GpuArray<int32_t> slice_rows(std::span(&count, 1), nullptr);
    const GpuArray<AttentionTile> gpu_tiles(std::span<const AttentionTile>(tiles), nullptr);
    const GpuArray<float> q(
        std::span<const float>(queries_).subspan(static_cast<size_t>(first * stride)), nullptr);
    const GpuArray<float> slopes(std::span<const float>(slopes_), nullptr);
    const GpuArray<float> bias(std::span<const float>(bias_), nullptr);
    GpuArray<float> out(rows * stride);
    const int64_t splits = (case_.positions + kSplitPositions - 1) / kSplitPositions;
    GpuArray<float> partial(rows * case_.heads * splits * (case_.head_dim + 2));
    GpuArray<uint32_t> counters(std::ssize(tiles) * case_.kv_heads);
    device::zero_gpu(counters.data(), counters.bytes(), nullptr);
    attention({.step = {.rows = rows,
                        .slice = gpu_slices.data(),
                        .position = gpu_positions.data(),
                        .first_row = first_row.data(),
                        .slice_rows = slice_rows.data(),
                        .pages = pages.data(),
                        .page_stride = std::ssize(pages_)},
               .tiles = gpu_tiles.data(),
               .tile_count = std::ssize(tiles),
               .q = q.data(),
               .q_stride = stride,
               .out = out.data(),
               .out_stride = stride,
               .heads = case_.heads,
               .kv_heads = case_.kv_heads,
               .head_dim = case_.head_dim,
               .cache = view,
               .scale = scale(),
               .softcap = case_.softcap,
               .window = case_.window,
               .slopes = case_.slopes ? slopes.data() : nullptr,
               .bias = case_.bias_reach > 0 ? bias.data() : nullptr,
               .bias_reach = case_.bias_reach,
               .sees = case_.all ? StepAttention::Sees::slice : StepAttention::Sees::earlier,
               .splits = parallel ? splits : 0,
               .partial = partial.data(),
               .counters = counters.data()},
              nullptr);
    std::vector<float> result(static_cast<size_t>(rows * stride));
    std::vector<uint32_t> left(static_cast<size_t>(counters.size()));
    device::copy_from_gpu(result.data(), out.data(), out.bytes(), nullptr);
    device::copy_from_gpu(left.data(), counters.data(), counters.bytes(), nullptr);
    device::synchronize(nullptr);
    EXPECT_EQ(left, std::vector<uint32_t>(left.size(), 0)) << "counters are not left as zeros";
    return result;
  }

 private:
  float scale() const { return 1 / std::sqrt(static_cast<float>(case_.head_dim)); }

  void write(const CacheView& view, const GpuArray<int32_t>& pages, const ErrorMark& error) const {
    const int64_t width = static_cast<int64_t>(case_.kv_heads) * case_.head_dim;
    std::vector<float> rows;
    std::vector<int32_t> positions;
    for (int64_t j = 0; j < case_.positions; ++j) {
      const auto at = static_cast<std::ptrdiff_t>(j * width);
      rows.insert(rows.end(), keys_.begin() + at, keys_.begin() + at + width);
      rows.insert(rows.end(), values_.begin() + at, values_.begin() + at + width);
      positions.push_back(static_cast<int32_t>(j));
    }
    const std::vector<int32_t> slices(positions.size(), 0);
    GpuArray<float> qkv(std::span<const float>(rows), nullptr);
    const GpuArray<int32_t> gpu_positions(std::span<const int32_t>(positions), nullptr);
    const GpuArray<int32_t> gpu_slices(std::span<const int32_t>(slices), nullptr);
    prepare_heads({.step = {.rows = case_.positions,
                            .slice = gpu_slices.data(),
                            .position = gpu_positions.data(),
                            .pages = pages.data(),
                            .page_stride = std::ssize(pages_)},
                   .qkv = qkv.data(),
                   .stride = 2 * width,
                   .kv_heads = case_.kv_heads,
                   .head_dim = case_.head_dim,
                   .cache = view,
                   .error = error},
                  nullptr);
    device::synchronize(nullptr);
  }

  const Case& case_;
  CacheHeadLayout layout_;
  int64_t head_bytes_ = 0;
  int64_t page_bytes_ = 0;
  std::vector<int32_t> pages_;
  std::vector<std::byte> cpu_;
  std::vector<float> keys_;
  std::vector<float> values_;
  std::vector<float> queries_;
  std::vector<float> slopes_;
  std::vector<float> bias_;
};

TEST(GpuAttention, IsTheCpusWithinTheRoundingOfTheirPlanes) {
  OCTET_REQUIRE_GPU();
  device::use_gpu(0);
  for (const CacheType type : {CacheType::f16, CacheType::f32}) {
    for (const Case& tested : kCases) {
      const Sequence sequence(tested, type);
      const std::vector<float> cpu = sequence.on_cpu();
      const std::vector<float> gpu = sequence.on_gpu(0, tested.rows == 1);
      // The CPU rounds queries and probabilities to two bfloat16 planes (2^-16) with an f16 cache.
      // A score is q·k·scale of normal values: below 8 in magnitude, its terms' sum below
      // head_dim^.5 · 3; an error e of a score moves probabilities by a share of e, outputs
      // (averages of normal values, below 5) by 2·5·e. Float32 sums add head_dim · 2^-24 · 30.
      const double plane = type == CacheType::f16 ? 0x1p-15 : 0;
      const double score = 48 * (plane + tested.head_dim * 0x1p-24);
      const double bound = 10 * score + 5 * plane + 1e-5;
      for (size_t i = 0; i < cpu.size(); ++i) {
        ASSERT_NEAR(gpu[i], cpu[i], bound)
            << tested.name << (type == CacheType::f16 ? ", f16" : ", f32") << ", element " << i;
      }
    }
  }
}

TEST(GpuAttention, SplitsSideBySideGiveTheBitsOfOneAfterTheOther) {
  OCTET_REQUIRE_GPU();
  device::use_gpu(0);
  for (const CacheType type : {CacheType::f16, CacheType::f32}) {
    for (const Case& tested : kCases) {
      if (tested.all) continue;  // its slice is never cut
      const Sequence sequence(tested, type);
      const std::vector<float> whole = sequence.on_gpu(0, false);
      for (const int64_t first : {int64_t{0}, tested.rows - 1}) {
        const std::vector<float> some = sequence.on_gpu(first, true);
        const std::span<const float> expected =
            std::span(whole).subspan(whole.size() - some.size());
        EXPECT_TRUE(test::same_bits(some, expected)) << tested.name << " from row " << first;
      }
    }
  }
}

}  // namespace
}  // namespace octet::ops::cuda
