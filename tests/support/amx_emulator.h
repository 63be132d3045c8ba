// Runs AMX kernels on machines without AMX, by emulating the tile instructions one by one.
#pragma once

#include <cstdint>

#include "device/cpu_features.h"

namespace octet::test {

/// While one lives, a tile instruction that this CPU refuses (SIGILL) is decoded and carried out
/// on emulated tiles, one set per thread, with the results of real ones: LDTILECFG, STTILECFG,
/// TILERELEASE, TILEZERO, TILELOADD(T1), TILESTORED, TDPB{SS,SU,US,UU}D and TDPBF16PS. What real
/// tiles refuse (unconfigured tiles, shapes that do not match, a tile used twice) dies of SIGILL
/// here too. Tile loads and stores are ordinary accesses here, so AddressSanitizer sees them.
///
/// Where the CPU has AMX nothing is installed: `emulating()` is false and tests use the real tiles.
/// Objects may be nested but must be made and destroyed by one thread.
class AmxEmulator {
 public:
  AmxEmulator();
  ~AmxEmulator();
  AmxEmulator(const AmxEmulator&) = delete;
  AmxEmulator& operator=(const AmxEmulator&) = delete;

  /// False when this machine runs tile instructions itself.
  bool emulating() const { return emulating_; }

  /// Instructions emulated in this process so far, by all threads: a test that wants to know that
  /// tiles were used sees this grow.
  static uint64_t instructions();

 private:
  bool emulating_ = false;
};

/// This machine's features, with AMX added where AVX-512 is there: the features under which a test
/// that holds an AmxEmulator chooses kernels.
device::CpuFeatures features_with_emulated_amx();

}  // namespace octet::test
