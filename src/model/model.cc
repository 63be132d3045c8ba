// A loaded model and its forward pass over a batch of ragged rows.
#include "model/model.h"

#include "base/error.h"
#include "model/cpu_forward.h"
#include "model/gpu_model.h"

namespace octet::model {

namespace {

int64_t norm_bytes(const Norm& norm) {
  return static_cast<int64_t>(norm.weight.bytes() + norm.bias.bytes());
}

int64_t layer_bytes(const Layer& layer) {
  int64_t sum = norm_bytes(layer.query_norm) + norm_bytes(layer.key_norm);
  for (const NormMember& member : kNormMembers) sum += norm_bytes(layer.*member.norm);
  for (const linear::Linear* linear :
       {&layer.qkv, &layer.attention_output, &layer.cross_key_value, &layer.cross_query,
        &layer.cross_output, &layer.router, &layer.up, &layer.down}) {
    sum += linear->bytes();
  }
  for (const FeedForward& expert : layer.experts) sum += expert.up.bytes() + expert.down.bytes();
  return sum;
}

}  // namespace

std::string layer_prefix(Stack stack, int64_t layer) {
  return (stack == Stack::encoder ? "encoder.layers." : "layers.") + std::to_string(layer) + ".";
}

int64_t Weights::bytes() const {
  int64_t sum = token_embedding->bytes() + static_cast<int64_t>(position_embedding.bytes());
  if (lm_head != token_embedding) sum += lm_head->bytes();
  if (embedding_projection) sum += embedding_projection->bytes();
  if (output_projection) sum += output_projection->bytes();
  for (const Stack stack : kStacks) {
    for (const Layer& layer : layers_of(stack)) sum += layer_bytes(layer);
  }
  sum += static_cast<int64_t>(position_bias.bytes() + encoder_position_bias.bytes());
  return sum + norm_bytes(encoder_norm) + norm_bytes(embedding_norm) + norm_bytes(final_norm);
}

Model::Model(Architecture architecture, linear::Precision precision, Weights weights)
    : architecture_(std::make_unique<Architecture>(std::move(architecture))),
      precision_(precision),
      weights_(std::make_unique<Weights>(std::move(weights))),
      scratch_(std::make_unique<Scratch>()) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

ops::CacheType Model::cache_type() const {
  return model::cache_type(precision_.method);
}

namespace {

void drop_values(Layer& layer) {
  for (linear::Linear* linear : {&layer.qkv, &layer.attention_output, &layer.cross_key_value,
                                 &layer.cross_query, &layer.cross_output, &layer.up, &layer.down}) {
    linear->drop_values();
  }
}

}  // namespace

void Model::move_to_gpu(int index, int64_t first_layer) {
  OCTET_CHECK(gpu_ == nullptr && first_layer >= 0 && first_layer < architecture_->layers);
  OCTET_CHECK(first_layer == 0 || !architecture_->encoder_decoder());
  gpu_ = make_gpu_model(index, *architecture_, precision_, *weights_, first_layer);
  for (Layer& layer : weights_->encoder_layers) drop_values(layer);
  for (int64_t i = first_layer; i < architecture_->layers; ++i) {
    drop_values(weights_->layers[static_cast<size_t>(i)]);
  }
}

int64_t Model::first_gpu_layer() const {
  return gpu_ != nullptr ? gpu_->first_layer() : architecture_->layers;
}

int64_t Model::gpu_bytes() const {
  return gpu_ != nullptr ? gpu_->bytes() : 0;
}

void Model::encode(device::Cpu& cpu, const Step& step, KvCache& cache) {
  if (gpu_ != nullptr) return gpu_->encode(cpu, step, cache);
  const device::FlushDenormals flush;
  CpuForwardPass pass(cpu, *architecture_, *weights_, step, cache, *scratch_, Stack::encoder);
  pass.embed();
  for (int64_t layer = 0; layer < std::ssize(weights_->encoder_layers); ++layer) {
    // Nobody reads the keys and values of the layers before, so all use one layer's place.
    pass.layer(layer, /*cache_layer=*/0, {});
  }
  pass.finish_source();
  for (int64_t layer = 0; layer < architecture_->layers; ++layer) {
    pass.place_source(layer, layer, {});
  }
}

void Model::forward(device::Cpu& cpu, const Step& step, KvCache& cache,
                    tensor::MatrixView<float> logits, const PassObserver& observer) {
  OCTET_CHECK(gpu_ == nullptr || (!observer.input && !observer.heads));
  const int64_t first_gpu_layer = this->first_gpu_layer();
  if (first_gpu_layer == 0) return gpu_->forward(cpu, step, cache, {}, logits);
  const device::FlushDenormals flush;
  CpuForwardPass pass(cpu, *architecture_, *weights_, step, cache, *scratch_, Stack::decoder);
  pass.embed();
  for (int64_t layer = 0; layer < first_gpu_layer; ++layer) {
    pass.layer(layer, layer, observer);
  }
  if (gpu_ != nullptr) {
    gpu_->forward(cpu, step, cache, pass.hidden(), logits);
  } else {
    pass.logits(logits);
  }
}

}  // namespace octet::model
