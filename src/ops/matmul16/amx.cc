// The 16-bit product with AMX bf16 tiles.
#include "ops/matmul16/kernels.h"
#include "ops/simd/intrinsics.h"

namespace octet::ops {

namespace {

// Up to this many rows the AVX-512 kernel, which streams the weights through registers, is as fast.
constexpr int64_t kFewRows = 4;
constexpr int64_t kTileRows = 16;
constexpr int64_t kBlock = kMatmul16KStep;
constexpr int64_t kBlockElements = kBlock * kPanelColumns;
// Blocks of K whose split weights are kept for all rows: 32 KB, so they stay in L1 and L2.
constexpr int64_t kSlabBlocks = 16;
constexpr int kRowBytes = 64;

// Tiles: sums of three full row tiles and of a last one that may be shorter, the weights' two
// planes, activations of a full row tile and of the last one.
#define SUM0 0
#define SUM1 1
#define SUM2 2
#define SUM_LAST 3
#define WEIGHTS_HIGH 4
#define WEIGHTS_LOW 5
#define ROWS_FULL 6
#define ROWS_LAST 7

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

void configure(int64_t last_rows) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.row_bytes[tile] = kRowBytes;
    config.rows[tile] = kTileRows;
  }
  config.rows[SUM_LAST] = config.rows[ROWS_LAST] = static_cast<uint8_t>(last_rows);
  // Not _tile_loadconfig: g++ 12's tells the compiler that only 8 bytes of the object are read.
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
}

// Splits packed f16 blocks into their two bf16 planes: high plane of a block, then its low one.
void split_blocks(const uint16_t* weights, int64_t blocks, uint16_t* out) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  for (int64_t block = 0; block < blocks; ++block, out += 2 * kBlockElements) {
    for (int64_t i = 0; i < kBlockElements; i += 32, weights += 32) {
      const __m512i bits = _mm512_loadu_si512(weights);
      const __m512i odd_bits = _mm512_srli_epi32(bits, 16);
      const __m512 even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(bits));
      const __m512 odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(odd_bits));
      const __m512i even_high = _mm512_and_si512(_mm512_castps_si512(even), upper);
      const __m512i odd_high = _mm512_and_si512(_mm512_castps_si512(odd), upper);
      const __m512 even_low = _mm512_sub_ps(even, _mm512_castsi512_ps(even_high));
      const __m512 odd_low = _mm512_sub_ps(odd, _mm512_castsi512_ps(odd_high));
      _mm512_storeu_si512(out + i, _mm512_or_si512(odd_high, _mm512_srli_epi32(even_high, 16)));
      // The low parts have 3 significant bits: their lower 16 bits are zero already.
      _mm512_storeu_si512(out + kBlockElements + i,
                          _mm512_or_si512(_mm512_castps_si512(odd_low),
                                          _mm512_srli_epi32(_mm512_castps_si512(even_low), 16)));
    }
  }
}

// One slab of K for one panel: what `multiply` needs besides its rows.
struct Slab {
  const uint16_t* high;  // blocks of the weights' high (or only) plane
  const uint16_t* low;   // nullptr: bf16 weights
  int64_t step;          // elements from block to block
  int64_t blocks;
  bool from_zero;
};

// The terms of one block for one row tile, in the contract's order.
#define OCTET_ROW_TILE(sum, rows)                                    \
  do {                                                               \
    _tile_loadd(rows, a, a_stride);                                  \
    _tile_dpbf16ps(sum, rows, WEIGHTS_HIGH);                         \
    if (planes == 2) {                                               \
      _tile_loadd(rows, a + k, a_stride);                            \
      _tile_dpbf16ps(sum, rows, WEIGHTS_HIGH);                       \
      if (slab.low != nullptr) _tile_loadd(rows, a, a_stride);       \
    }                                                                \
    if (slab.low != nullptr) _tile_dpbf16ps(sum, rows, WEIGHTS_LOW); \
    a += tile_elements;                                              \
  } while (false)

#define OCTET_LOAD_SUM(sum, index)                                       \
  do {                                                                   \
    if (slab.from_zero) {                                                \
      _tile_zero(sum);                                                   \
    } else {                                                             \
      _tile_loadd(sum, c + (index)*kTileRows * args.c_stride, c_stride); \
    }                                                                    \
  } while (false)

// `full` (0 to 3) full row tiles from `first_row` on and, with `last`, the tile after them.
// k_first: where the slab begins.
void multiply(const Matmul16Args& args, const Slab& slab, int64_t first_row, int full, bool last,
              int64_t k_first, float* c) {
  const int planes = args.planes;
  const int64_t k = args.k;
  const int64_t a_stride = args.a_stride * 2;
  const int64_t c_stride = args.c_stride * 4;
  const int64_t tile_elements = kTileRows * args.a_stride;
  c += first_row * args.c_stride;
  if (full > 0) OCTET_LOAD_SUM(SUM0, 0);
  if (full > 1) OCTET_LOAD_SUM(SUM1, 1);
  if (full > 2) OCTET_LOAD_SUM(SUM2, 2);
  if (last) OCTET_LOAD_SUM(SUM_LAST, full);
  for (int64_t block = 0; block < slab.blocks; ++block) {
    const uint16_t* a = args.a + first_row * args.a_stride + k_first + block * kBlock;
    _tile_loadd(WEIGHTS_HIGH, slab.high + block * slab.step, kRowBytes);
    if (slab.low != nullptr) _tile_loadd(WEIGHTS_LOW, slab.low + block * slab.step, kRowBytes);
    if (full > 0) OCTET_ROW_TILE(SUM0, ROWS_FULL);
    if (full > 1) OCTET_ROW_TILE(SUM1, ROWS_FULL);
    if (full > 2) OCTET_ROW_TILE(SUM2, ROWS_FULL);
    if (last) OCTET_ROW_TILE(SUM_LAST, ROWS_LAST);
  }
  if (full > 0) _tile_stored(SUM0, c, c_stride);
  if (full > 1) _tile_stored(SUM1, c + kTileRows * args.c_stride, c_stride);
  if (full > 2) _tile_stored(SUM2, c + 2 * kTileRows * args.c_stride, c_stride);
  if (last) _tile_stored(SUM_LAST, c + full * kTileRows * args.c_stride, c_stride);
}

}  // namespace

void matmul16_amx(const Matmul16Args& args) {
  if (args.rows <= kFewRows || args.k == 0) return matmul16_avx512(args);
  const int64_t tiles = (args.rows + kTileRows - 1) / kTileRows;
  configure(args.rows - (tiles - 1) * kTileRows);
  alignas(64) uint16_t split[kSlabBlocks * 2 * kBlockElements];
  for (int64_t panel = 0; panel < args.panels; ++panel) {
    float* c = args.c + panel * kPanelColumns;
    for (int64_t k = 0; k < args.k; k += kSlabBlocks * kBlock) {
      const int64_t rest = (args.k - k) / kBlock;
      const uint16_t* weights = args.b + (panel * args.k + k) * kPanelColumns;
      Slab slab = {weights, nullptr, kBlockElements, rest < kSlabBlocks ? rest : kSlabBlocks,
                   k == 0 && !args.accumulate};
      if (args.b_type == SixteenBit::f16) {
        split_blocks(weights, slab.blocks, split);
        // Tile loads do not tell the compiler what memory they read.
        __asm__ volatile("" : : "r"(split) : "memory");
        slab = {split, split + kBlockElements, 2 * kBlockElements, slab.blocks, slab.from_zero};
      }
      int64_t tile = 0;
      for (; tiles - tile > 4; tile += 3) {
        multiply(args, slab, tile * kTileRows, 3, false, k, c);
      }
      multiply(args, slab, tile * kTileRows, static_cast<int>(tiles - tile - 1), true, k, c);
    }
  }
  _tile_release();
}

}  // namespace octet::ops
