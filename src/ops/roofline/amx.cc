// Ceilings with AMX tiles.
#include <immintrin.h>

#include "base/half.h"
#include "ops/roofline/roofline.h"

namespace octet::ops {

namespace {

// The memory operand of LDTILECFG: eight full tiles.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t column_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig kConfig;

// Not _tile_loadconfig: g++ 12's tells the compiler that only eight bytes are read.
void load_config() {
  __asm__ volatile("ldtilecfg %0" : : "m"(kConfig));
}

}  // namespace

// Every row of a holds the operands, and every column of b.
PeakResult int8_peak_amx(int64_t rounds) {
  const PeakOperands& operands = peak_operands();
  alignas(64) int8_t a[16][64];
  alignas(64) int8_t b[16][16][4];
  for (int i = 0; i < 16; ++i) {
    for (int k = 0; k < 64; ++k) {
      a[i][k] = static_cast<int8_t>(operands.a8[k]);
      b[k / 4][i][k % 4] = operands.b8[k];
    }
  }
  load_config();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, a, 64);
  _tile_loadd(5, a, 64);
  _tile_loadd(6, b, 64);
  _tile_loadd(7, b, 64);
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  alignas(64) uint32_t sums[4][256];
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  _tile_release();
  uint32_t checksum = 0;
  for (const auto& tile : sums) {
    for (uint32_t sum : tile) checksum += sum;
  }
  return {rounds * 4 * 16 * 16 * 64, checksum};
}

// Tiles of 32 values of k: two hold the 64 operands.
PeakResult bfloat16_peak_amx(int64_t rounds) {
  const PeakOperands& operands = peak_operands();
  alignas(64) uint16_t a[2][16][32];
  alignas(64) uint16_t b[2][16][16][2];
  for (int i = 0; i < 16; ++i) {
    for (int k = 0; k < 64; ++k) {
      a[k / 32][i][k % 32] = float_to_bf16(operands.a[k]);
      b[k / 32][k % 32 / 2][i][k % 2] = float_to_bf16(operands.b[k]);
    }
  }
  load_config();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, a[0], 64);
  _tile_loadd(5, a[1], 64);
  _tile_loadd(6, b[0], 64);
  _tile_loadd(7, b[1], 64);
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 5, 7);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  alignas(64) float sums[4][256];
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  _tile_release();
  uint32_t checksum = 0;
  for (const auto& tile : sums) {
    for (float sum : tile) checksum += static_cast<uint32_t>(static_cast<int64_t>(sum));
  }
  return {rounds * 4 * 16 * 16 * 32, checksum};
}

}  // namespace octet::ops
