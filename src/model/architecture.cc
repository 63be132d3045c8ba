// What a decoder is made of, as data: the one forward pass is driven by this description.
#include "model/architecture.h"

namespace octet::model {

int64_t LinearNames::outputs() const {
  int64_t sum = 0;
  for (const MatrixName& part : parts) sum += part.outputs;
  return sum;
}

std::string name(LinearId id) {
  static constexpr std::array kNames = {
      "qkv", "attention_output", "cross_key_value", "cross_query", "cross_output", "router", "up",
      "down"};
  const std::string slot = kNames[static_cast<size_t>(id.slot)];
  return id.expert < 0 ? slot : "experts." + std::to_string(id.expert) + "." + slot;
}

std::optional<linear::LayerKind> kind_of(LinearSlot slot) {
  switch (slot) {
    case LinearSlot::qkv:
    case LinearSlot::cross_query:
    case LinearSlot::cross_key_value:
      return linear::LayerKind::qkv;
    case LinearSlot::attention_output:
    case LinearSlot::cross_output:
      return linear::LayerKind::output;
    case LinearSlot::up:
      return linear::LayerKind::up;
    case LinearSlot::down:
      return linear::LayerKind::down;
    case LinearSlot::router:
      break;
  }
  return std::nullopt;
}

std::vector<LinearId> linears_of(const LayerNames& layer) {
  std::vector<LinearId> ids;
  for (const LinearSlot slot :
       {LinearSlot::qkv, LinearSlot::attention_output, LinearSlot::cross_key_value,
        LinearSlot::cross_query, LinearSlot::cross_output, LinearSlot::router, LinearSlot::up,
        LinearSlot::down}) {
    if (!linear_of(layer, {slot}).parts.empty()) ids.push_back({slot});
  }
  for (int32_t expert = 0; expert < static_cast<int32_t>(layer.experts.size()); ++expert) {
    ids.push_back({LinearSlot::up, expert});
    ids.push_back({LinearSlot::down, expert});
  }
  return ids;
}

namespace {

int64_t parameters_of(const LinearNames& names) {
  int64_t sum = 0;
  for (const MatrixName& part : names.parts) {
    sum += part.outputs * names.inputs + (part.bias.empty() ? 0 : part.outputs);
  }
  return sum;
}

int64_t query_key_norm_parameters(const Architecture& a, const LayerNames& layer) {
  const bool rows = a.query_key_norm == QueryKeyNorm::row;
  const auto parameters = [&](const std::vector<std::string>& weights, int64_t row_size) {
    return static_cast<int64_t>(weights.size()) * (rows ? row_size : a.head_dim) *
           (layer.query_key_norm_bias ? 2 : 1);
  };
  return parameters(layer.query_norm, a.query_size()) + parameters(layer.key_norm, a.kv_size());
}

}  // namespace

LinearNames Architecture::token_embedding() const {
  return {{{.weight = names.token_embedding, .bias = "", .outputs = vocabulary_size}},
          embedding_size};
}

LinearNames Architecture::lm_head() const {
  return {{{.weight = names.lm_head, .bias = names.lm_head_bias, .outputs = vocabulary_size}},
          embedding_size};
}

int64_t Architecture::norm_parameters(const NormNames& of_hidden) const {
  return (of_hidden.weight.empty() ? 0 : hidden_size) + (of_hidden.bias.empty() ? 0 : hidden_size);
}

int64_t Architecture::norm_parameters(const LayerNames& layer) const {
  int64_t sum = query_key_norm_parameters(*this, layer);
  for (const NormNames* each :
       {&layer.attention_norm, &layer.attention_output_norm, &layer.cross_norm,
        &layer.feed_forward_norm, &layer.feed_forward_output_norm}) {
    sum += norm_parameters(*each);
  }
  return sum;
}

int64_t Architecture::linear_parameters() const {
  int64_t sum = 0;
  for (const Stack stack : kStacks) {
    for (const LayerNames& layer : names_of(stack)) {
      for (const LinearId id : linears_of(layer)) {
        const LinearNames& linear = linear_of(layer, id);
        if (linear.storage == Storage::as_asked) sum += linear.inputs * linear.outputs();
      }
    }
  }
  return sum;
}

int64_t Architecture::parameters() const {
  int64_t sum = vocabulary_size * embedding_size;
  if (!tied_embeddings) sum += vocabulary_size * embedding_size;
  if (!names.lm_head_bias.empty()) sum += vocabulary_size;
  if (!names.position_embedding.empty()) sum += (max_positions + position_offset) * hidden_size;
  sum += parameters_of(names.embedding_projection) + parameters_of(names.output_projection);
  for (const NormNames* each : {&names.embedding_norm, &names.final_norm, &names.encoder_norm}) {
    sum += norm_parameters(*each);
  }
  for (const std::string* bias : {&names.position_bias, &names.encoder_position_bias}) {
    if (!bias->empty()) sum += relative_buckets * heads;
  }
  for (const Stack stack : kStacks) {
    for (const LayerNames& layer : names_of(stack)) {
      sum += norm_parameters(layer);
      for (const LinearId id : linears_of(layer)) sum += parameters_of(linear_of(layer, id));
    }
  }
  return sum;
}

}  // namespace octet::model
