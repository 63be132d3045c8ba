// How kernels of one operation are listed, chosen and tested.
//
// Each operation folder has a registry.cc with one OCTET_KERNELS line per kernel set. The list
// declares the kernels, is what `choose` picks from at run time, and is what the operation's test
// walks through: a kernel cannot exist untested.
#pragma once

#include <span>

#include "base/error.h"
#include "device/cpu_features.h"

namespace octet::ops {

/// One implementation of an operation for one instruction set.
template <typename Function>
struct Kernel {
  device::Isa isa;
  Function* function;
};

/// The best kernel for a machine with `features` (Cpu::features). Lists are in rising order of
/// speed and begin with a scalar kernel, so there always is one.
template <typename Function>
const Kernel<Function>& choose(std::span<const Kernel<Function>> kernels,
                               const device::CpuFeatures& features) {
  const Kernel<Function>* best = nullptr;
  for (const Kernel<Function>& kernel : kernels) {
    if (features.has(kernel.isa)) best = &kernel;
  }
  OCTET_CHECK(best != nullptr);
  return *best;
}

}  // namespace octet::ops
