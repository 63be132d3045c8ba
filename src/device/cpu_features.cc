// What this CPU can run, and the instruction sets octet has kernels for.
#include "device/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace octet::device {

namespace {

constexpr std::array<std::string_view, kIsas.size()> kNames = {"scalar", "avx2",       "avxvnni",
                                                               "avx512", "avx512bf16", "amx"};

#if defined(__x86_64__)
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}

unsigned long long enabled_state() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
}

bool tiles_permitted() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

CpuFeatures detect() {
  CpuFeatures features;
#if defined(__x86_64__)
  const auto bit = [](unsigned word, int index) { return ((word >> index) & 1u) != 0; };
  const Registers basic = cpuid(1, 0);
  const Registers seven = cpuid(7, 0);
  const Registers seven_one = cpuid(7, 1);
  if (!bit(basic.c, 27)) return features;  // OSXSAVE
  const unsigned long long state = enabled_state();
  const bool ymm = (state & 0x6) == 0x6;
  const bool zmm = (state & 0xe6) == 0xe6;
  const bool tiles = (state & 0x60000) == 0x60000;
  features.avx2 =
      ymm && bit(basic.c, 28) && bit(basic.c, 12) && bit(basic.c, 29) && bit(seven.b, 5);
  features.avxvnni = features.avx2 && bit(seven_one.a, 4);
  features.avx512 = features.avx2 && zmm && bit(seven.b, 16) && bit(seven.b, 17) &&
                    bit(seven.b, 30) && bit(seven.b, 31) && bit(seven.c, 11);
  features.avx512bf16 = features.avx512 && bit(seven_one.a, 5);
  features.amx = features.avx512 && tiles && bit(seven.d, 22) && bit(seven.d, 24) &&
                 bit(seven.d, 25) && tiles_permitted();
#endif
  return features;
}

}  // namespace

std::string_view name(Isa isa) {
  return kNames[static_cast<size_t>(isa)];
}

std::optional<Isa> parse_isa(std::string_view text) {
  for (const Isa isa : kIsas) {
    if (name(isa) == text) return isa;
  }
  return std::nullopt;
}

bool CpuFeatures::has(Isa isa) const {
  switch (isa) {
    case Isa::scalar:
      return true;
    case Isa::avx2:
      return avx2;
    case Isa::avxvnni:
      return avxvnni;
    case Isa::avx512:
      return avx512;
    case Isa::avx512bf16:
      return avx512bf16;
    case Isa::amx:
      return amx;
  }
  return false;
}

Isa CpuFeatures::best() const {
  for (Isa isa : {Isa::amx, Isa::avx512bf16, Isa::avx512, Isa::avxvnni, Isa::avx2}) {
    if (has(isa)) return isa;
  }
  return Isa::scalar;
}

CpuFeatures CpuFeatures::up_to(Isa isa) const {
  return {.avx2 = avx2 && isa >= Isa::avx2,
          .avxvnni = avxvnni && isa >= Isa::avxvnni,
          .avx512 = avx512 && isa >= Isa::avx512,
          .avx512bf16 = avx512bf16 && isa >= Isa::avx512bf16,
          .amx = amx && isa >= Isa::amx};
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

}  // namespace octet::device
