// What a decoder is made of, as data: the one forward pass is driven by this description.
#include "model/architecture.h"

namespace octet::model {

int64_t LinearNames::outputs() const {
  int64_t sum = 0;
  for (const MatrixName& part : parts) sum += part.outputs;
  return sum;
}

namespace {

int64_t parameters_of(const LinearNames& names) {
  int64_t sum = 0;
  for (const MatrixName& part : names.parts) {
    sum += part.outputs * names.inputs + (part.bias.empty() ? 0 : part.outputs);
  }
  return sum;
}

int64_t parameters_of(const NormNames& names, int64_t size) {
  return (names.weight.empty() ? 0 : size) + (names.bias.empty() ? 0 : size);
}

}  // namespace

int64_t Architecture::linear_parameters() const {
  int64_t sum = 0;
  for (const LayerNames& layer : layer_names) {
    for (const LinearNames* linear :
         {&layer.qkv, &layer.attention_output, &layer.up, &layer.down}) {
      sum += linear->inputs * linear->outputs();
    }
  }
  return sum;
}

int64_t Architecture::parameters() const {
  int64_t sum = vocabulary_size * embedding_size;
  if (!tied_embeddings) sum += vocabulary_size * embedding_size;
  if (!names.position_embedding.empty()) sum += (max_positions + position_offset) * hidden_size;
  sum += parameters_of(names.embedding_projection) + parameters_of(names.output_projection) +
         parameters_of(names.final_norm, hidden_size);
  for (const LayerNames& layer : layer_names) {
    sum += parameters_of(layer.attention_norm, hidden_size) +
           parameters_of(layer.feed_forward_norm, hidden_size) + parameters_of(layer.qkv) +
           parameters_of(layer.attention_output) + parameters_of(layer.up) +
           parameters_of(layer.down);
  }
  return sum;
}

}  // namespace octet::model
