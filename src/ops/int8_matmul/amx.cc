// The int8 product with AMX tiles.
#include <immintrin.h>

#include "ops/int8_matmul/int8_matmul.h"

namespace octet::ops {

void int8_matmul_avx512(const Int8MatmulArgs& args);

namespace {

constexpr int64_t kTileK = 64;        // values of k in one tile
constexpr int64_t kTileRows = 16;     // rows in one tile
constexpr int64_t kTileBytes = 1024;  // of b: 16 rows of four values of k × 16 columns
constexpr int64_t kRowBlock = 32;     // two tiles of rows
constexpr int64_t kVectorRows = 4;    // up to here memory is the limit and vectors start faster
constexpr int64_t kAllOfKRows = 64;   // from here on k is cut, so that a block of b stays in L1
constexpr int64_t kBlockK = 512;
constexpr int64_t kAhead = 4096;  // bytes between a tile of b read and one prefetched

// The memory operand of LDTILECFG.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t column_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Wide blocks, `rows` in 1 … 32: sums in tiles 0–3 (row tile · 2 + panel), a in 4 and 5, b in 6 and
// 7. A second row tile that would be empty keeps one row, which nothing uses.
constexpr TileConfig wide_config(int rows) {
  TileConfig config;
  const int first = rows < 16 ? rows : 16;
  const int second = rows > 16 ? rows - 16 : 1;
  const int tile_rows[8] = {first, first, second, second, first, second, 16, 16};
  for (int t = 0; t < 8; ++t) {
    config.rows[t] = static_cast<uint8_t>(tile_rows[t]);
    config.column_bytes[t] = 64;
  }
  return config;
}

// Narrow blocks, up to 16 rows: sums of four panels in tiles 0–3, a in 4, b in 5, 6 and 7.
constexpr TileConfig narrow_config(int rows) {
  TileConfig config;
  for (int t = 0; t < 8; ++t) {
    config.rows[t] = static_cast<uint8_t>(t < 5 ? rows : 16);
    config.column_bytes[t] = 64;
  }
  return config;
}

struct Configs {
  TileConfig wide[kRowBlock];
  TileConfig narrow[kTileRows];
};

constexpr Configs make_configs() {
  Configs configs;
  for (int i = 0; i < kRowBlock; ++i) configs.wide[i] = wide_config(i + 1);
  for (int i = 0; i < kTileRows; ++i) configs.narrow[i] = narrow_config(i + 1);
  return configs;
}

constexpr Configs kConfigs = make_configs();

// Not _tile_loadconfig: g++ 12's tells the compiler that only eight bytes are read.
void load_config(const TileConfig& config) {
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
}

void prefetch_tile(const int8_t* b) {
  const char* line = reinterpret_cast<const char*>(b);
  for (int64_t i = 0; i < kTileBytes; i += 64) _mm_prefetch(line + i, _MM_HINT_T0);
}

void prefetch_tile_to_l2(const int8_t* b) {
  const char* line = reinterpret_cast<const char*>(b);
  for (int64_t i = 0; i < kTileBytes; i += 64) _mm_prefetch(line + i, _MM_HINT_T1);
}

// Up to 16 rows × four panels, all of k.
void narrow_four(const Int8MatmulArgs& args, const int8_t* b, int32_t* c) {
  const int64_t panel_bytes = args.k * kPanelColumns;
  const int64_t c_bytes = args.c_stride * 4;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < args.k; k += kTileK, b += kTileBytes) {
    for (int64_t p = 0; p < 4; ++p) prefetch_tile(b + p * panel_bytes + kAhead);
    _tile_loadd(4, args.a + k, args.a_stride);
    _tile_loadd(5, b, 64);
    _tile_dpbssd(0, 4, 5);
    _tile_loadd(6, b + panel_bytes, 64);
    _tile_dpbssd(1, 4, 6);
    _tile_loadd(7, b + 2 * panel_bytes, 64);
    _tile_dpbssd(2, 4, 7);
    _tile_loadd(5, b + 3 * panel_bytes, 64);
    _tile_dpbssd(3, 4, 5);
  }
  _tile_stored(0, c, c_bytes);
  _tile_stored(1, c + kPanelColumns, c_bytes);
  _tile_stored(2, c + 2 * kPanelColumns, c_bytes);
  _tile_stored(3, c + 3 * kPanelColumns, c_bytes);
}

// Up to 16 rows × one panel, all of k.
void narrow_one(const Int8MatmulArgs& args, const int8_t* b, int32_t* c) {
  _tile_zero(0);
  for (int64_t k = 0; k < args.k; k += kTileK, b += kTileBytes) {
    prefetch_tile(b + kAhead);
    _tile_loadd(4, args.a + k, args.a_stride);
    _tile_loadd(5, b, 64);
    _tile_dpbssd(0, 4, 5);
  }
  _tile_stored(0, c, args.c_stride * 4);
}

void narrow(const Int8MatmulArgs& args) {
  load_config(kConfigs.narrow[args.rows - 1]);
  const int64_t panel_bytes = args.k * kPanelColumns;
  int64_t panel = 0;
  for (; panel + 4 <= args.panels; panel += 4) {
    narrow_four(args, args.b + panel * panel_bytes, args.c + panel * kPanelColumns);
  }
  for (; panel < args.panels; ++panel) {
    narrow_one(args, args.b + panel * panel_bytes, args.c + panel * kPanelColumns);
  }
}

// Up to 32 rows × up to two panels × a block of k.
struct WideBlock {
  const int8_t* a = nullptr;
  int64_t a_stride = 0;
  const int8_t* b = nullptr;
  int64_t panel_bytes = 0;
  int64_t k = 0;
  int32_t* c = nullptr;
  int64_t c_stride = 0;
  bool first = false;            // the sums start here; else they continue those in c
  const int8_t* next = nullptr;  // the block of b to fetch meanwhile, or null
};

// `Two`: 17 to 32 rows. `Pair`: two panels.
template <bool Two, bool Pair>
void start_sums(const WideBlock& block) {
  const int64_t c_bytes = block.c_stride * 4;
  int32_t* lower = block.c + kTileRows * block.c_stride;
  if (block.first) {
    _tile_zero(0);
    if constexpr (Pair) _tile_zero(1);
    if constexpr (Two) _tile_zero(2);
    if constexpr (Two && Pair) _tile_zero(3);
    return;
  }
  _tile_loadd(0, block.c, c_bytes);
  if constexpr (Pair) _tile_loadd(1, block.c + kPanelColumns, c_bytes);
  if constexpr (Two) _tile_loadd(2, lower, c_bytes);
  if constexpr (Two && Pair) _tile_loadd(3, lower + kPanelColumns, c_bytes);
}

template <bool Two, bool Pair>
void store_sums(const WideBlock& block) {
  const int64_t c_bytes = block.c_stride * 4;
  int32_t* lower = block.c + kTileRows * block.c_stride;
  _tile_stored(0, block.c, c_bytes);
  if constexpr (Pair) _tile_stored(1, block.c + kPanelColumns, c_bytes);
  if constexpr (Two) _tile_stored(2, lower, c_bytes);
  if constexpr (Two && Pair) _tile_stored(3, lower + kPanelColumns, c_bytes);
}

template <bool Two, bool Pair>
void multiply_block(const WideBlock& block) {
  start_sums<Two, Pair>(block);
  const int8_t* b = block.b;
  for (int64_t k = 0; k < block.k; k += kTileK, b += kTileBytes) {
    if (block.next != nullptr) {
      prefetch_tile_to_l2(block.next + k * kPanelColumns);
      if constexpr (Pair) prefetch_tile_to_l2(block.next + block.panel_bytes + k * kPanelColumns);
    }
    _tile_loadd(4, block.a + k, block.a_stride);
    _tile_loadd(6, b, 64);
    _tile_dpbssd(0, 4, 6);
    if constexpr (Pair) {
      _tile_loadd(7, b + block.panel_bytes, 64);
      _tile_dpbssd(1, 4, 7);
    }
    if constexpr (Two) {
      _tile_loadd(5, block.a + kTileRows * block.a_stride + k, block.a_stride);
      _tile_dpbssd(2, 5, 6);
      if constexpr (Pair) _tile_dpbssd(3, 5, 7);
    }
  }
  store_sums<Two, Pair>(block);
}

template <bool Pair>
void multiply_rows(const WideBlock& block, int64_t rows) {
  if (rows > kTileRows) {
    multiply_block<true, Pair>(block);
  } else {
    multiply_block<false, Pair>(block);
  }
}

// Panels `panel` (and the next one) × all rows × a block of k.
template <bool Pair>
void wide_column(const Int8MatmulArgs& args, int64_t panel, int64_t k, int64_t block_k,
                 int64_t& configured) {
  WideBlock block = {.a = args.a + k,
                     .a_stride = args.a_stride,
                     .b = args.b + (panel * args.k + k) * kPanelColumns,
                     .panel_bytes = args.k * kPanelColumns,
                     .k = block_k,
                     .c = args.c + panel * kPanelColumns,
                     .c_stride = args.c_stride,
                     .first = k == 0};
  // Behind this block lie the next values of k; behind the last of them the next pair of panels.
  block.next = block.b + block_k * kPanelColumns;
  if (k + block_k >= args.k) block.next += block.panel_bytes;
  for (int64_t row = 0; row < args.rows; row += kRowBlock) {
    const int64_t rows = args.rows - row < kRowBlock ? args.rows - row : kRowBlock;
    if (rows != configured) {
      load_config(kConfigs.wide[rows - 1]);
      configured = rows;
    }
    multiply_rows<Pair>(block, rows);
    block.a += kRowBlock * args.a_stride;
    block.c += kRowBlock * args.c_stride;
    block.next = nullptr;
  }
}

void wide(const Int8MatmulArgs& args) {
  const int64_t step = args.rows < kAllOfKRows ? args.k : kBlockK;
  int64_t configured = 0;
  for (int64_t panel = 0; panel < args.panels; panel += 2) {
    int64_t k = 0;
    do {  // once also for k = 0, which sets the sums to zero
      const int64_t block_k = args.k - k < step ? args.k - k : step;
      if (panel + 1 < args.panels) {
        wide_column<true>(args, panel, k, block_k, configured);
      } else {
        wide_column<false>(args, panel, k, block_k, configured);
      }
      k += block_k;
    } while (k < args.k);
  }
}

}  // namespace

void int8_matmul_amx(const Int8MatmulArgs& args) {
  if (args.rows <= kVectorRows || args.panels == 0) {
    int8_matmul_avx512(args);
    return;
  }
  if (args.rows <= kTileRows) {
    narrow(args);
  } else {
    wide(args);
  }
  _tile_release();
}

}  // namespace octet::ops
