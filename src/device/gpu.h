// The NVIDIA GPUs of this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace octet::device {

struct Gpu {
  std::string name;
  int capability_major = 0;  ///< compute capability, e.g. 9.0
  int capability_minor = 0;
  int multiprocessors = 0;
  int64_t memory_bytes = 0;
  int64_t cache_bytes = 0;  ///< level 2
  /// Of the data sheet: memory clock × bus width; 0 where the driver does not say.
  double memory_bytes_per_s = 0;
};

struct GpuList {
  std::vector<Gpu> gpus;  ///< cuda:0 first
  std::string why_none;   ///< when there is none: no driver, none visible, a build without CUDA
};

/// Asks the CUDA runtime; a machine without a driver is no error.
GpuList list_gpus();

}  // namespace octet::device
