// Copying a model's weights to a GPU.
#include "model/cuda/weights.h"

namespace octet::model::cuda {

using device::GpuArray;
using linear::Linear;

namespace {

template <typename T>
GpuArray<T> copied(const tensor::Array<T>& host, device::Stream stream) {
  return GpuArray<T>(std::span<const T>(host), stream);
}

}  // namespace

void GpuWeights::add(const Linear& linear) {
  if (linear.outputs() == 0 || linears_.contains(&linear)) return;
  linears_.emplace(&linear, linear::GpuLinear(linear, panels_, stream_));
}

void GpuWeights::add(const Norm& norm) {
  if (!norm.present()) return;
  norms_[norm.weight.data()] = {copied(norm.weight, stream_), copied(norm.bias, stream_)};
}

void GpuWeights::add(const Layer& layer) {
  for (const NormMember& member : kNormMembers) add(layer.*member.norm);
  add(layer.query_norm);
  add(layer.key_norm);
  for (const Linear* linear : {&layer.qkv, &layer.attention_output, &layer.cross_key_value,
                               &layer.cross_query, &layer.cross_output, &layer.up, &layer.down}) {
    add(*linear);
  }
}

GpuWeights::GpuWeights(const Weights& weights, int64_t first_layer, device::Stream stream)
    : stream_(stream) {
  if (first_layer == 0) {
    add(*weights.token_embedding);
    if (weights.embedding_projection) add(*weights.embedding_projection);
    add(weights.embedding_norm);
    positions_ = copied(weights.position_embedding, stream);
    position_bias_ = copied(weights.position_bias, stream);
    for (const Layer& layer : weights.encoder_layers) add(layer);
    add(weights.encoder_norm);
    encoder_position_bias_ = copied(weights.encoder_position_bias, stream);
  }
  for (auto i = static_cast<size_t>(first_layer); i < weights.layers.size(); ++i) {
    add(weights.layers[i]);
  }
  add(weights.final_norm);
  if (weights.output_projection) add(*weights.output_projection);
  add(*weights.lm_head);
  panels_ = GpuArray<std::byte>();
}

int64_t GpuWeights::bytes() const {
  int64_t sum = positions_.bytes() + position_bias_.bytes() + encoder_position_bias_.bytes();
  for (const auto& [host, linear] : linears_) sum += linear.bytes();
  for (const auto& [host, norm] : norms_) sum += norm.weight.bytes() + norm.bias.bytes();
  return sum;
}

}  // namespace octet::model::cuda
