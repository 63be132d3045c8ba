// Features agree with what Linux reports of this CPU, and only what runs can be forced.
#include "device/cpu_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "base/error.h"
#include "device/cpu.h"

namespace octet::device {
namespace {

TEST(CpuFeatures, NamesAndLevelsMatchBothWays) {
  for (Isa isa : kIsas) EXPECT_EQ(parse_isa(name(isa)), isa);
  EXPECT_EQ(name(Isa::avxvnni), "avxvnni");
  for (const char* unknown : {"", "AVX2", "avx", "avx2 ", "neon"}) {
    EXPECT_EQ(parse_isa(unknown), std::nullopt) << unknown;
  }
}

TEST(CpuFeatures, BestIsTheHighestLevelThatIsThere) {
  EXPECT_EQ(CpuFeatures{}.best(), Isa::scalar);
  EXPECT_EQ((CpuFeatures{.avx2 = true}.best()), Isa::avx2);
  EXPECT_EQ((CpuFeatures{.avx2 = true, .avxvnni = true}.best()), Isa::avxvnni);
  EXPECT_EQ((CpuFeatures{.avx2 = true, .avx512 = true}.best()), Isa::avx512);
  const CpuFeatures amx{.avx2 = true, .avx512 = true, .amx = true};
  EXPECT_EQ(amx.best(), Isa::amx);
  EXPECT_FALSE(amx.has(Isa::avxvnni));  // the levels are not a ladder
  EXPECT_TRUE(amx.has(Isa::scalar));
}

TEST(CpuFeatures, AreCutAtALevel) {
  const CpuFeatures all{true, true, true, true, true};
  for (Isa limit : kIsas) {
    for (Isa isa : kIsas) EXPECT_EQ(all.up_to(limit).has(isa), isa <= limit) << name(limit);
    EXPECT_EQ(CpuFeatures{}.up_to(limit).best(), Isa::scalar);
    EXPECT_EQ(all.up_to(limit).best(), limit);
  }
}

#if defined(__x86_64__)
/// The flags Linux lists for this CPU; empty when there is no such file.
std::set<std::string> linux_flags() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

// An emulator (valgrind) may hide bits that /proc/cpuinfo shows, so octet may claim less, not more.
TEST(CpuFeatures, ClaimNothingThatLinuxDoesNotList) {
  const std::set<std::string> flags = linux_flags();
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo lists no flags";
  const auto all = [&](std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(),
                       [&](const char* flag) { return flags.count(flag) == 1; });
  };
  const CpuFeatures& features = cpu_features();
  if (features.avx2) {
    EXPECT_TRUE(all({"avx", "avx2", "fma", "f16c"}));
  }
  if (features.avxvnni) {
    EXPECT_TRUE(all({"avx2", "avx_vnni"}));
  }
  if (features.avx512) {
    EXPECT_TRUE(all({"avx2", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"}));
  }
  if (features.avx512bf16) {
    EXPECT_TRUE(all({"avx512f", "avx512_bf16"}));
  }
  if (features.amx) {
    EXPECT_TRUE(all({"avx512f", "amx_tile", "amx_int8", "amx_bf16"}));
  }
}

TEST(CpuFeatures, FindWhatTheCompilersOwnDetectionFinds) {
  __builtin_cpu_init();
  const CpuFeatures& features = cpu_features();
  EXPECT_EQ(features.avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                               __builtin_cpu_supports("f16c"));
  EXPECT_EQ(features.avx512,
            features.avx2 && __builtin_cpu_supports("avx512f") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"));
  EXPECT_EQ(features.avx512bf16, features.avx512 && __builtin_cpu_supports("avx512bf16"));
}
#endif

TEST(Cpu, RunsWithEveryLevelItHasAndRefusesTheOthersByName) {
  for (Isa isa : kIsas) {
    if (cpu_features().has(isa)) {
      Cpu cpu(2, isa);
      EXPECT_EQ(cpu.isa(), isa);
      EXPECT_EQ(cpu.team().size(), 2);
      continue;
    }
    try {
      Cpu cpu(1, isa);
      ADD_FAILURE() << name(isa) << " was accepted";
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find(name(isa)), std::string::npos) << message;
      EXPECT_NE(message.find(name(cpu_features().best())), std::string::npos) << message;
    }
  }
  EXPECT_EQ(Cpu(1).isa(), cpu_features().best());
}

}  // namespace
}  // namespace octet::device
