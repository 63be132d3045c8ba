// What this CPU can run, and the instruction sets octet has kernels for.
#pragma once

#include <optional>
#include <string_view>

namespace octet::device {

/// Levels in rising order: a machine of one level runs the kernels of every level below it that
/// its features allow.
enum class Isa { scalar, avx2, avxvnni, avx512, amx };

std::string_view name(Isa isa);

/// The level a name of `--isa` stands for; nothing when the name is unknown.
std::optional<Isa> parse_isa(std::string_view text);

/// CPUID bits (and what the operating system lets programs use), one per level.
/// avx2: AVX2, FMA, F16C. avxvnni: also AVX-VNNI. avx512: avx2 and AVX-512 F, BW, VL, DQ, VNNI.
/// amx: avx512 and AMX-TILE, AMX-INT8, AMX-BF16, with the kernel's permission to use tiles.
struct CpuFeatures {
  bool avx2 = false;
  bool avxvnni = false;
  bool avx512 = false;
  bool amx = false;

  bool has(Isa isa) const;
  /// The highest level all of whose bits are there.
  Isa best() const;
};

/// Reads the features of this machine once; asks Linux for AMX tiles when the CPU has them
/// (arch_prctl, before any thread uses them).
const CpuFeatures& cpu_features();

}  // namespace octet::device
