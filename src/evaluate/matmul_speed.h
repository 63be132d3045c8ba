// Speed of single linear layers d → 4d against 16 bits: the paper's Table 5.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "device/cpu.h"
#include "evaluate/roofline.h"
#include "linear/precision.h"

namespace octet::evaluate {

/// One way to compute the layer.
struct MatmulVariant {
  std::string name;
  linear::Precision precision;
  /// Only the product of rows that are already int8, into int32: "int8 without overhead".
  bool product_alone = false;
  bool library = false;  ///< by cuBLASLt, on a GPU
  /// Many rows by warpgroup instructions (ops/cuda/product.h), on a GPU that has them.
  bool warpgroups = false;
};

/// bf16 (what the others are compared with, first); the int8 product alone; vector-wise absmax;
/// LLM.int8() with `kept` for each of `activation_bits` and with `batch` for the first of them.
std::vector<MatmulVariant> table5_variants(const std::vector<int>& activation_bits);

struct MatmulSpeedOptions {
  int64_t inputs = 0;
  int64_t outputs = 0;
  std::vector<int64_t> rows = {1, 64, 512};
  std::vector<MatmulVariant> variants;
  double seconds = 1.5;      ///< for all variants of one number of rows
  int64_t rotate_bytes = 0;  ///< copies of the weights fill this much memory, one at least
  std::function<void()> between = {};  ///< called now and then; may throw
};

struct MatmulSpeed {
  int64_t rows = 0;
  size_t variant = 0;
  double seconds = 0;        ///< of a call, median
  double speedup = 0;        ///< over the first variant: median over rounds of both
  double operations = 0;     ///< of a call, planes counted
  double weight_bytes = 0;   ///< read by a call
  double share_of_peak = 0;  ///< of the int8, bf16 or float32 peak
  double share_of_dram = 0;
};

/// Measures every variant for every number of rows. Variants take turns (A B C A B C …), so that
/// what slows the machine down meets all of them. Activations are nearly normal, with three columns
/// of outliers; the weights rotate through copies, so that they do not come from a cache.
std::vector<MatmulSpeed> matmul_speed(device::Cpu& cpu, const MatmulSpeedOptions& options,
                                      const Roofline& roofline);

/// The columns that hold outliers in a layer of so many inputs, ascending.
std::vector<int32_t> planted_columns(int64_t inputs);

}  // namespace octet::evaluate
