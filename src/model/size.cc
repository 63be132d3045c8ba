// Sizes of weights and of a step's buffers, from the description.
#include "model/size.h"

#include <algorithm>
#include <cmath>

#include "model/load/layer_precision.h"

namespace octet::model {

namespace {

constexpr int64_t kFloat = 4;

bool has_bias(const LinearNames& names) {
  return std::any_of(names.parts.begin(), names.parts.end(),
                     [](const MatrixName& part) { return !part.bias.empty(); });
}

/// The linear layers of a model with the precision each is packed for.
class Layers {
 public:
  Layers(const Architecture& architecture, const SizeOptions& options)
      : architecture_(architecture), options_(options) {}

  bool head_is_int8() const {
    return quantises_head(options_.precision.method, options_.skip_modules);
  }
  bool head_is_shared() const { return !head_is_int8() && architecture_.head_is_embedding(); }

  linear::LayerBytes packed(const LinearNames& names, bool keep_16bit) const {
    if (names.parts.empty()) return {};
    return linear::packed_bytes(shape(names), precision(names, keep_16bit));
  }
  linear::CallBytes call(const LinearNames& names, bool keep_16bit, int64_t rows) const {
    if (names.parts.empty()) return {};
    return linear::call_bytes(shape(names), precision(names, keep_16bit), rows);
  }
  bool skipped(const LinearNames& names) const { return is_skipped(names, options_.skip_modules); }

 private:
  linear::LayerShape shape(const LinearNames& names) const {
    return {.outputs = names.outputs(),
            .inputs = names.inputs,
            .bias = has_bias(names),
            .sixteen_bit_columns = options_.kept_columns(names)};
  }
  linear::Precision precision(const LinearNames& names, bool keep_16bit) const {
    // f16 or bf16 is the checkpoint's choice; both take two bytes.
    return layer_precision(names, options_.precision, keep_16bit, ops::SixteenBit::f16);
  }

  const Architecture& architecture_;
  const SizeOptions& options_;
};

/// Tables of positions as they lie in memory, computed ones among them.
int64_t position_values(const Architecture& a) {
  int64_t values = 0;
  if (a.has_position_table()) values += (a.max_positions + a.position_offset) * a.hidden_size;
  for (const std::string* bias : {&a.names.position_bias, &a.names.encoder_position_bias}) {
    if (!bias->empty()) values += a.heads * (2 * a.relative_reach + 1);
  }
  return values;
}

}  // namespace

NumberBytes number_bytes(const Architecture& architecture) {
  int64_t scales = 0;
  for (const Stack stack : kStacks) {
    for (const LayerNames& layer : architecture.names_of(stack)) {
      for (const LinearId id : linears_of(layer)) {
        const LinearNames& linear = linear_of(layer, id);
        if (linear.storage == Storage::as_asked) scales += linear.outputs();
      }
    }
  }
  const int64_t all = architecture.parameters();
  const int64_t linear = architecture.linear_parameters();
  return {.float32 = 4 * all, .float16 = 2 * all, .int8 = linear + 4 * scales + 2 * (all - linear)};
}

std::function<int64_t(const LinearNames&)> kept_share(double share) {
  return [share](const LinearNames& names) {
    return static_cast<int64_t>(std::ceil(share * static_cast<double>(names.inputs)));
  };
}

WeightBytes& WeightBytes::operator+=(const WeightBytes& other) {
  linear += other.linear;
  float32 += other.float32;
  return *this;
}

WeightBytes ModelBytes::all() const {
  WeightBytes sum = embeddings;
  for (const WeightBytes& layer : layers) sum += layer;
  sum += head;
  return sum;
}

ModelBytes packed_bytes(const Architecture& a, const SizeOptions& options) {
  const Layers layers(a, options);
  ModelBytes bytes;
  bytes.embeddings.linear = layers.packed(a.token_embedding(), /*keep_16bit=*/true);
  if (layers.head_is_shared()) {
    bytes.shared_head = bytes.embeddings.linear;
  } else {
    bytes.head.linear = layers.packed(a.lm_head(), /*keep_16bit=*/!layers.head_is_int8());
  }
  bytes.embeddings.linear += layers.packed(a.names.embedding_projection, /*keep_16bit=*/true);
  bytes.head.linear += layers.packed(a.names.output_projection, /*keep_16bit=*/true);
  bytes.embeddings.float32 =
      kFloat * (position_values(a) + a.norm_parameters(a.names.embedding_norm) +
                a.norm_parameters(a.names.encoder_norm));
  bytes.head.float32 = kFloat * a.norm_parameters(a.names.final_norm);
  for (const Stack stack : kStacks) {
    for (const LayerNames& names : a.names_of(stack)) {
      WeightBytes layer{.linear = {}, .float32 = kFloat * a.norm_parameters(names)};
      for (const LinearId id : linears_of(names)) {
        const LinearNames& linear = linear_of(names, id);
        layer.linear += layers.packed(linear, layers.skipped(linear));
      }
      bytes.layers.push_back(layer);
    }
  }
  return bytes;
}

namespace {

/// Floats of a pass's own buffers for each row (Scratch).
int64_t scratch_floats(const Architecture& a) {
  int64_t floats = 2 * a.hidden_size +                       // hidden, normed
                   2 * a.query_size() + 2 * a.kv_size() +    // qkv, attention
                   a.intermediate_size * (a.gated ? 2 : 1);  // up
  if (a.positions == Positions::rope) floats += a.rope.rotary_dim / 2 * 2;
  if (!a.names.embedding_projection.parts.empty()) floats += a.embedding_size;
  if (a.experts_per_token > 0) {
    const int64_t experts = std::ssize(a.layer_names.front().experts);
    floats += 3 * a.hidden_size + experts;  // gathered, computed, mixed; weights
  }
  return floats;
}

}  // namespace

int64_t step_bytes(const Architecture& a, const SizeOptions& options, int64_t rows,
                   int64_t logit_rows) {
  const Layers layers(a, options);
  linear::CallBytes call = layers.call(a.lm_head(), !layers.head_is_int8(), logit_rows);
  call.include(layers.call(a.names.embedding_projection, true, rows));
  call.include(layers.call(a.names.output_projection, true, logit_rows));
  for (const Stack stack : kStacks) {
    for (const LayerNames& names : a.names_of(stack)) {
      for (const LinearId id : linears_of(names)) {
        const LinearNames& linear = linear_of(names, id);
        call.include(layers.call(linear, layers.skipped(linear), rows));
      }
    }
  }
  return call.total() + rows * kFloat * scratch_floats(a);
}

}  // namespace octet::model
