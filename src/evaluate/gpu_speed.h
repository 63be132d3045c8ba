// A GPU's ceilings, and the speed of single linear layers there (the paper's Table 5).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "evaluate/matmul_speed.h"
#include "evaluate/roofline.h"

namespace octet::evaluate {

struct GpuCeilings {
  std::string name;
  /// Reading 4 GiB; the peaks are those of cuBLASLt's products of 8192³ random numbers, 0 where the
  /// library is not installed. cache_bytes is the level 2 cache.
  Roofline roofline;
};

/// Throws Error when there is no such GPU, and in builds without CUDA.
GpuCeilings measure_gpu(int gpu, const std::function<void()>& between = {});

/// cuBLASLt's bf16 (what the others are compared with, first; octet's own where the library is not
/// installed); the int8 product alone, octet's and cuBLASLt's; octet's bf16; vector-wise absmax;
/// LLM.int8() with `kept` for each of `activation_bits`. octet's int8 products twice where the GPU
/// has warpgroup instructions, without and with them. There is such a GPU.
std::vector<MatmulVariant> gpu_table5_variants(int gpu, const std::vector<int>& activation_bits);

/// As matmul_speed: each call is a launch in a replayed graph, as decode steps are.
std::vector<MatmulSpeed> gpu_matmul_speed(device::Cpu& cpu, int gpu,
                                          const MatmulSpeedOptions& options,
                                          const Roofline& roofline);

}  // namespace octet::evaluate
