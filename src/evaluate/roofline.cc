// Measuring ceilings: every thread runs the same kernel; the best of several runs counts.
#include "evaluate/roofline.h"

#include <algorithm>
#include <atomic>

#include "device/cache.h"
#include "evaluate/timing.h"
#include "ops/roofline/roofline.h"
#include "tensor/owner.h"

namespace octet::evaluate {

namespace {

constexpr int kRuns = 7;
constexpr double kRunSeconds = 0.03;

struct Between {
  const std::function<void()>& function;
  void operator()() const {
    if (function) function();
  }
};

/// Operations per second of all threads together.
double peak(device::Cpu& cpu, ops::PeakFunction* kernel, const Between& between) {
  int64_t rounds = 1000;
  double best = 0;
  for (int run = 0; run < kRuns;) {
    between();
    std::atomic<int64_t> multiply_adds{0};
    const double seconds = seconds_of(
        [&] { cpu.team().run([&](int) { multiply_adds += kernel(rounds).multiply_adds; }); });
    if (seconds < kRunSeconds) {  // too short to time, and for clocks to rise
      rounds *= 2;
      continue;
    }
    best = std::max(best, 2 * static_cast<double>(multiply_adds) / seconds);
    ++run;
  }
  return best;
}

double read_bandwidth(device::Cpu& cpu, int64_t bytes, const Between& between) {
  constexpr int64_t kStep = ops::kReadStreams * 8;  // words
  ops::ReadMemoryFunction* read = ops::choose(ops::read_memory_kernels(), cpu.features()).function;
  const int64_t threads = cpu.team().size();
  const int64_t part = std::max<int64_t>(1, bytes / 8 / threads / kStep) * kStep;  // words
  tensor::Array<uint64_t> buffer(part * threads);
  cpu.team().run([&](int thread) {  // written, or every page would be the same page of zeros
    for (int64_t i = 0; i < part; ++i) buffer[thread * part + i] = static_cast<uint64_t>(i);
  });
  std::atomic<uint64_t> sink{0};
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    between();
    const double seconds = seconds_of([&] {
      cpu.team().run([&](int thread) { sink ^= read(buffer.data() + thread * part, part); });
    });
    best = std::max(best, static_cast<double>(buffer.bytes()) / seconds);
  }
  return best;
}

}  // namespace

int64_t beyond_cache_bytes(int64_t cache_bytes, int64_t available_memory_bytes) {
  const int64_t wanted = std::max(4 * cache_bytes, int64_t{256} << 20);
  return available_memory_bytes > 0 ? std::min(wanted, available_memory_bytes / 4) : wanted;
}

Roofline measure_roofline(device::Cpu& cpu, const std::function<void()>& between) {
  Roofline roofline;
  const Between call{between};
  roofline.cache_bytes = device::last_level_cache_bytes();
  roofline.dram_buffer_bytes =
      beyond_cache_bytes(roofline.cache_bytes, device::available_memory_bytes());
  roofline.dram_bytes_per_s = read_bandwidth(cpu, roofline.dram_buffer_bytes, call);
  const auto measure = [&](std::span<const ops::Kernel<ops::PeakFunction>> kernels) {
    return peak(cpu, ops::choose(kernels, cpu.features()).function, call);
  };
  roofline.int8_per_s = measure(ops::int8_peak_kernels());
  roofline.float32_per_s = measure(ops::float32_peak_kernels());
  roofline.bfloat16_per_s = measure(ops::bfloat16_peak_kernels());
  return roofline;
}

}  // namespace octet::evaluate
