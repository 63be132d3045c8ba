// A CPU as the operations see it: a team of threads and the instruction set to use.
#include "device/cpu.h"

#include "base/error.h"

namespace octet::device {

namespace {

Isa checked(Isa isa, const CpuFeatures& available) {
  if (!available.has(isa)) {
    fail("--isa {}: this CPU cannot run it; the best it has is {}", name(isa),
         name(available.best()));
  }
  return isa;
}

}  // namespace

Cpu::Cpu(int threads, Isa isa, const CpuFeatures& available)
    : isa_(checked(isa, available)), features_(available.up_to(isa)), team_(threads) {}

}  // namespace octet::device
