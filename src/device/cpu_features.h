// What this CPU can run, and the instruction sets octet has kernels for.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace octet::device {

/// Levels in rising order: a machine of one level runs the kernels of every level below it that
/// its features allow.
enum class Isa { scalar, avx2, avxvnni, avx512, avx512bf16, amx };

inline constexpr std::array kIsas = {Isa::scalar, Isa::avx2,       Isa::avxvnni,
                                     Isa::avx512, Isa::avx512bf16, Isa::amx};

std::string_view name(Isa isa);

/// The level a name of `--isa` stands for; nothing when the name is unknown.
std::optional<Isa> parse_isa(std::string_view text);

/// CPUID bits (and what the operating system lets programs use), one per level.
/// avx2: AVX2, FMA, F16C. avxvnni: also AVX-VNNI. avx512: avx2 and AVX-512 F, BW, VL, DQ, VNNI.
/// avx512bf16: avx512 and AVX-512 BF16.
/// amx: avx512 and AMX-TILE, AMX-INT8, AMX-BF16, with the kernel's permission to use tiles.
struct CpuFeatures {
  bool avx2 = false;
  bool avxvnni = false;
  bool avx512 = false;
  bool avx512bf16 = false;
  bool amx = false;

  bool has(Isa isa) const;
  /// The highest level all of whose bits are there.
  Isa best() const;
  /// These features without those of the levels above `isa`.
  CpuFeatures up_to(Isa isa) const;
};

/// Reads the features of this machine once; asks Linux for AMX tiles when the CPU has them
/// (arch_prctl, before any thread uses them).
const CpuFeatures& cpu_features();

}  // namespace octet::device
