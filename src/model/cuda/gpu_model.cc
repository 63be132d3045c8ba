// A model on a GPU: steps, and the graphs that replay decode steps.
#include "model/gpu_model.h"

#include <map>
#include <tuple>

#include "base/error.h"
#include "device/gpu.h"
#include "device/gpu_graph.h"
#include "model/cuda/gpu_forward.h"

namespace octet::model {

namespace cuda {

namespace {

/// What a captured decode step depends on beside the addresses of the scratch.
using GraphKey = std::tuple<int64_t, int64_t, int64_t, int, const void*>;

/// Makes a model's GPU current, and gives it a stream.
class OwnStream {
 public:
  explicit OwnStream(int gpu) {
    device::use_gpu(gpu);
    stream_ = device::make_stream();
  }
  ~OwnStream() { device::destroy_stream(stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  device::Stream get() const { return stream_; }

 private:
  device::Stream stream_ = nullptr;
};

class CudaModel final : public GpuModel {
 public:
  CudaModel(int index, const Architecture& architecture, const Weights& weights,
            int64_t first_layer)
      : index_(index),
        first_layer_(first_layer),
        stream_(index),
        gpu_(weights, first_layer, stream_.get()),
        scratch_(architecture,
                 device::list_gpus().gpus[static_cast<size_t>(index)].multiprocessors),
        architecture_(architecture),
        weights_(weights) {}

  void forward(device::Cpu& cpu, const Step& step, KvCache& cache,
               tensor::MatrixView<const float> hidden, tensor::MatrixView<float> logits) override {
    device::use_gpu(index_);
    GpuForwardPass pass = make_pass(cpu, step, cache, Stack::decoder);
    const int64_t count = std::ssize(step.logit_rows);
    const int64_t vocabulary = architecture_.vocabulary_size;
    if (scratch_.take_moved()) graphs_.clear();
    pass.send_step();
    if (first_layer_ > 0) pass.send_hidden(hidden);
    if (pass.is_decode()) {
      decode(pass, step, cache);
    } else {
      run(pass, count);
      places_ = pass.places();
      if (scratch_.take_moved()) graphs_.clear();
    }
    if (count > 0) {
      device::copy_from_gpu(logits.data, scratch_.logits.data(), count * vocabulary * 4,
                            stream_.get());
    }
    finish(pass);
  }

  void encode(device::Cpu& cpu, const Step& step, KvCache& cache) override {
    device::use_gpu(index_);
    GpuForwardPass pass = make_pass(cpu, step, cache, Stack::encoder);
    pass.send_step();
    pass.embed();
    for (int64_t layer = 0; layer < std::ssize(weights_.encoder_layers); ++layer) {
      pass.layer(layer, /*cache_layer=*/0, {});
    }
    pass.finish_source();
    for (int64_t layer = 0; layer < architecture_.layers; ++layer) {
      pass.place_source(layer, layer, {});
    }
    graphs_.clear();
    places_ = pass.places();
    finish(pass);
  }

  int64_t bytes() const override { return gpu_.bytes() + scratch_.bytes(); }
  int64_t first_layer() const override { return first_layer_; }

 private:
  GpuForwardPass make_pass(device::Cpu& cpu, const Step& step, KvCache& cache, Stack stack) {
    return {cpu,   architecture_, weights_,      gpu_,  step,
            cache, scratch_,      stream_.get(), stack, first_layer_ == 0};
  }

  void run(GpuForwardPass& pass, int64_t logit_rows) {
    if (first_layer_ == 0) pass.embed();
    for (int64_t layer = first_layer_; layer < architecture_.layers; ++layer) {
      pass.layer(layer, layer, {});
    }
    pass.logits({scratch_.logits.data(), logit_rows, architecture_.vocabulary_size});
  }

  /// The first step of a kind runs as it is and makes room; the second one is captured.
  void decode(GpuForwardPass& pass, const Step& step, KvCache& cache) {
    const auto rows = static_cast<int64_t>(step.tokens.size());
    const GraphKey key = {rows, pass.attention_splits(), step.context, step.activation_bits,
                          cache.head(first_layer_, 0)};
    const auto found = graphs_.find(key);
    if (found == graphs_.end()) {
      run(pass, rows);
      places_ = pass.places();
      if (scratch_.take_moved()) graphs_.clear();
      graphs_.emplace(key, Captured{});
      return;
    }
    Captured& captured = found->second;
    if (captured.places.empty()) {
      captured.graph = device::GpuGraph(stream_.get(), [&] { run(pass, rows); });
      captured.places = pass.places();
    }
    captured.graph.run(stream_.get());
    places_ = captured.places;
  }

  void finish(const GpuForwardPass& pass) {
    device::copy_from_gpu(scratch_.host_error.data(), scratch_.error.data(), 8, stream_.get());
    device::synchronize(stream_.get());
    if (const unsigned long long mark = *scratch_.host_error.data(); mark != ~0ull) {
      pass.fail_check(mark, places_);
    }
  }

  struct Captured {
    device::GpuGraph graph;
    std::vector<CheckPlace> places;
  };

  int index_;
  int64_t first_layer_;
  OwnStream stream_;
  GpuWeights gpu_;
  GpuScratch scratch_;
  const Architecture& architecture_;
  const Weights& weights_;
  std::map<GraphKey, Captured> graphs_;
  std::vector<CheckPlace> places_;
};

}  // namespace

}  // namespace cuda

std::unique_ptr<GpuModel> make_gpu_model(int index, const Architecture& architecture,
                                         const linear::Precision& precision, const Weights& weights,
                                         int64_t first_layer) {
  if (const std::string reason = reason_against_gpu(architecture, precision); !reason.empty()) {
    fail("{} cannot run on a GPU yet; use --device cpu", reason);
  }
  return std::make_unique<cuda::CudaModel>(index, architecture, weights, first_layer);
}

}  // namespace octet::model
