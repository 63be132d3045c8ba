// Timing a GPU: its ceilings, and linear layers side by side.
#include "evaluate/gpu_speed.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "device/gpu.h"
#include "evaluate/cuda/cublas.h"
#include "evaluate/cuda/launches.h"
#include "evaluate/matmul_layer.h"
#include "evaluate/speed.h"
#include "evaluate/timing.h"
#include "linear/cuda/gpu_linear.h"
#include "ops/roofline/cuda.h"

namespace octet::evaluate {

namespace {

using device::GpuArray;
using linear::Method;

constexpr int64_t kReadBytes = int64_t{4} << 30;
constexpr int64_t kPeakSize = 8192;
/// The operands of a peak's product, with its workspace.
constexpr int64_t kLeastRoomBytes = kPeakSize * kPeakSize * 8 + (int64_t{64} << 20);
constexpr int kCeilingLaunches = 8;
constexpr int kCeilingRounds = 5;
/// Launches of a turn: enough that the ends of a graph do not count.
constexpr int kTurnLaunches = 24;
constexpr int kRounds = 9;

double best(Launches& launches, const std::function<void()>& between) {
  double least = launches.seconds();
  for (int round = 1; round < kCeilingRounds; ++round) {
    if (between) between();
    least = std::min(least, launches.seconds());
  }
  return least;
}

double peak(CublasProduct::Kind kind, const std::function<void()>& between) {
  const int64_t count = kPeakSize * kPeakSize;
  const int64_t bytes = kind == CublasProduct::Kind::int8 ? 1 : 2;
  GpuArray<std::byte> x(count * bytes);
  GpuArray<std::byte> w(count * bytes);
  GpuArray<std::byte> y(count * 4);
  if (kind == CublasProduct::Kind::int8) {
    ops::cuda::fill_random(x.data(), count, 1, nullptr);
    ops::cuda::fill_random(w.data(), count, 2, nullptr);
  } else {
    ops::cuda::fill_random_bf16(x.data(), count, 1, nullptr);
    ops::cuda::fill_random_bf16(w.data(), count, 2, nullptr);
  }
  device::synchronize(nullptr);
  CublasProduct product(kind, kPeakSize, kPeakSize, kPeakSize);
  Launches launches(kCeilingLaunches, [&](int, device::Stream stream) {
    product.run(x.data(), w.data(), y.data(), stream);
  });
  return 2.0 * static_cast<double>(kPeakSize) * static_cast<double>(count) /
         best(launches, between);
}

/// A variant of Table 5, ready to run: its layer in so many copies.
struct Contender {
  const MatmulVariant* variant = nullptr;
  double weight_bytes = 0;
  Operations operations = {};
  std::vector<linear::GpuLinear> layers = {};
  std::unique_ptr<CublasProduct> library = {};
  std::unique_ptr<linear::GpuWorkspace> workspace = {};
  std::unique_ptr<Launches> launches = {};
  std::vector<double> seconds = {};
};

class Contest {
 public:
  Contest(device::Cpu& cpu, int gpu, const MatmulSpeedOptions& options)
      : options_(options),
        multiprocessors_(device::list_gpus().gpus[static_cast<size_t>(gpu)].multiprocessors) {
    GpuArray<std::byte> staging;
    for (const MatmulVariant& variant : options.variants) {
      if (options.between) options.between();
      const linear::Linear layer = matmul_layer(cpu, options, variant);
      Contender contender{.variant = &variant};
      contender.weight_bytes = static_cast<double>(step_weight_bytes(layer));
      const auto copies = static_cast<int64_t>(
          std::ceil(static_cast<double>(options.rotate_bytes) / contender.weight_bytes));
      for (int64_t i = 0; i < std::max<int64_t>(1, copies); ++i) {
        contender.layers.emplace_back(layer, staging, nullptr);
      }
      contender.operations = operations_of(layer, 1, variant.precision.activation_bits);
      contender.workspace = std::make_unique<linear::GpuWorkspace>(multiprocessors_);
      contender.workspace->warpgroups = variant.warpgroups;
      contenders_.push_back(std::move(contender));
    }
  }

  void run(int64_t rows) {
    rows_ = rows;
    const tensor::Array<float> x = matmul_activations(rows, options_.inputs);
    x_ = GpuArray<float>(std::span<const float>(x), nullptr);
    codes_ = GpuArray<std::byte>(ops::cuda::rounded_up(rows, 16) * options_.inputs * 2);
    ops::cuda::fill_random_bf16(codes_.data(), codes_.size() / 2, 3, nullptr);
    out_ = GpuArray<float>(rows * ops::cuda::rounded_up(options_.outputs, 16));
    device::synchronize(nullptr);
    for (Contender& contender : contenders_) prepare(contender);
    for (int round = 0; round < kRounds; ++round) {
      if (options_.between) options_.between();
      for (Contender& contender : contenders_) {
        contender.seconds.push_back(contender.launches->seconds());
      }
    }
  }

  const std::vector<Contender>& contenders() const { return contenders_; }

 private:
  void prepare(Contender& contender) {
    const MatmulVariant& variant = *contender.variant;
    contender.seconds.clear();
    if (variant.library) {
      contender.library = std::make_unique<CublasProduct>(
          variant.product_alone ? CublasProduct::Kind::int8 : CublasProduct::Kind::bf16, rows_,
          options_.inputs, options_.outputs);
    }
    contender.launches = std::make_unique<Launches>(
        kTurnLaunches,
        [&](int i, device::Stream stream) { launch(contender, static_cast<size_t>(i), stream); });
  }

  void launch(Contender& contender, size_t i, device::Stream stream) {
    const linear::GpuLinear& layer = contender.layers[i % contender.layers.size()];
    if (contender.library) {
      contender.library->run(codes_.data(), layer.weights(), out_.data(), stream);
    } else if (contender.variant->product_alone) {
      const int64_t stride = ops::cuda::rounded_up(options_.outputs, 16);
      ops::cuda::int8_product(
          {.a = codes_.data(),
           .rows = rows_,
           .b = layer.weights(),
           .k_bytes = layer.row_stride(),
           .columns = options_.outputs,
           .epilogue = {.out_stride = stride, .sums = reinterpret_cast<int32_t*>(out_.data())},
           .workspace = contender.workspace->product()},
          stream);
    } else {
      layer.forward(
          {.source = {.x = x_.data(), .stride = options_.inputs, .columns = options_.inputs},
           .rows = rows_,
           .activation_bits = contender.variant->precision.activation_bits,
           .out = out_.data(),
           .out_stride = options_.outputs,
           .error = {}},
          *contender.workspace, stream);
    }
  }

  const MatmulSpeedOptions& options_;
  int multiprocessors_;
  int64_t rows_ = 0;
  GpuArray<float> x_;
  GpuArray<std::byte> codes_;
  GpuArray<float> out_;
  std::vector<Contender> contenders_;
};

}  // namespace

namespace {

/// What may be allocated beside a model that is there already.
int64_t room_on(int gpu) {
  const int64_t free = device::gpu_memory().free_bytes;
  const device::GpuUse use = device::gpu_use(gpu);
  return use.limit_bytes > 0 ? std::min(free, use.limit_bytes - use.bytes) : free;
}

}  // namespace

GpuCeilings measure_gpu(int gpu, const std::function<void()>& between) {
  device::use_gpu(gpu);
  GpuCeilings ceilings;
  const device::Gpu described = device::list_gpus().gpus[static_cast<size_t>(gpu)];
  ceilings.name = described.name;
  Roofline& roofline = ceilings.roofline;
  roofline.cache_bytes = described.cache_bytes;
  const int64_t room = room_on(gpu);
  if (room < kLeastRoomBytes) {
    fail("measuring the GPU takes {} MiB, {} MiB are left beside the model: raise --memory-limit",
         kLeastRoomBytes >> 20, room >> 20);
  }
  roofline.dram_buffer_bytes = std::min(kReadBytes, room / 2 / 4096 * 4096);
  {
    GpuArray<std::byte> memory(roofline.dram_buffer_bytes);
    GpuArray<uint32_t> sums(ops::cuda::kReadSums);
    ops::cuda::fill_random(memory.data(), memory.bytes(), 1, nullptr);
    device::synchronize(nullptr);
    Launches launches(kCeilingLaunches, [&](int, device::Stream stream) {
      ops::cuda::read_memory(memory.data(), memory.bytes(), sums.data(), stream);
    });
    roofline.dram_bytes_per_s = static_cast<double>(memory.bytes()) / best(launches, between);
  }
  if (CublasProduct::available()) {
    roofline.int8_per_s = peak(CublasProduct::Kind::int8, between);
    roofline.bfloat16_per_s = peak(CublasProduct::Kind::bf16, between);
  }
  return ceilings;
}

std::vector<MatmulVariant> gpu_table5_variants(int gpu, const std::vector<int>& activation_bits) {
  const bool warpgroups =
      device::list_gpus().gpus.at(static_cast<size_t>(gpu)).capability_major == 9;
  const linear::Precision bf16{
      .method = Method::bf16, .activation_bits = 16, .sixteen_bit_planes = 1};
  const linear::Precision vector_wise{.method = Method::absmax_vectorwise, .activation_bits = 8};
  std::vector<MatmulVariant> variants;
  if (CublasProduct::available()) variants.push_back({"bf16, cuBLASLt", bf16, false, true});
  variants.push_back({"bf16", bf16});
  variants.push_back({"int8 product alone", vector_wise, /*product_alone=*/true});
  if (warpgroups) {
    variants.push_back(
        {"int8 product alone, warpgroups", vector_wise, /*product_alone=*/true, false, true});
  }
  if (CublasProduct::available()) {
    variants.push_back({"int8 product alone, cuBLASLt", vector_wise, true, true});
  }
  variants.push_back({"vector-wise", vector_wise});
  for (const int bits : activation_bits) {
    const std::string name = "LLM.int8() kept, " + std::to_string(bits) + " bits";
    variants.push_back({name, {.activation_bits = bits}});
    if (warpgroups) {
      variants.push_back({name + ", warpgroups", {.activation_bits = bits}, false, false, true});
    }
  }
  return variants;
}

std::vector<MatmulSpeed> gpu_matmul_speed(device::Cpu& cpu, int gpu,
                                          const MatmulSpeedOptions& options,
                                          const Roofline& roofline) {
  device::use_gpu(gpu);
  Contest contest(cpu, gpu, options);
  std::vector<MatmulSpeed> speeds;
  for (const int64_t rows : options.rows) {
    contest.run(rows);
    const Contender& baseline = contest.contenders().front();
    for (size_t i = 0; i < options.variants.size(); ++i) {
      const Contender& contender = contest.contenders()[i];
      MatmulSpeed speed = matmul_figures(contender.seconds, baseline.seconds,
                                         contender.operations * static_cast<double>(rows),
                                         contender.weight_bytes, roofline);
      speed.rows = rows;
      speed.variant = i;
      speeds.push_back(speed);
    }
  }
  return speeds;
}

}  // namespace octet::evaluate
