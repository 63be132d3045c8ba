// Ceilings in plain C++; also the reference of the checksums.
#include "ops/roofline/roofline.h"

namespace octet::ops {

PeakResult int8_peak_scalar(int64_t rounds) {
  const PeakOperands& operands = peak_operands();
  uint32_t sums[4] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < 64; ++i) {
      sums[i % 4] += static_cast<uint32_t>(operands.a8[i] * operands.b8[i]);
    }
    __asm__ volatile("" : : : "memory");  // every round is done
  }
  return {64 * rounds, sums[0] + sums[1] + sums[2] + sums[3]};
}

PeakResult float32_peak_scalar(int64_t rounds) {
  const PeakOperands& operands = peak_operands();
  float sums[8] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < 64; ++i) sums[i % 8] += operands.a[i] * operands.b[i];
    __asm__ volatile("" : : : "memory");
  }
  uint32_t checksum = 0;
  for (float sum : sums) checksum += static_cast<uint32_t>(static_cast<int64_t>(sum));
  return {64 * rounds, checksum};
}

uint64_t read_memory_scalar(const uint64_t* data, int64_t words) {
  uint64_t x[kReadStreams] = {};
  const int64_t stream = words / kReadStreams;
  for (int64_t i = 0; i < stream; ++i) {
    for (int64_t s = 0; s < kReadStreams; ++s) x[s] ^= data[s * stream + i];
  }
  return x[0] ^ x[1] ^ x[2] ^ x[3];
}

}  // namespace octet::ops
