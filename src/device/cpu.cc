// A CPU as the operations see it: a team of threads and the instruction set to use.
#include "device/cpu.h"

#include "base/error.h"

namespace octet::device {

namespace {

Isa checked(Isa isa) {
  if (!cpu_features().has(isa)) {
    fail("--isa {}: this CPU cannot run it; the best it has is {}", name(isa),
         name(cpu_features().best()));
  }
  return isa;
}

}  // namespace

Cpu::Cpu(int threads, Isa isa) : isa_(checked(isa)), team_(threads) {}

}  // namespace octet::device
