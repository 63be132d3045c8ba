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

namespace {

/// The numbers beside the linear layers, which follow from the description.
ModelShape numbers_of(const Architecture& a) {
  ModelShape shape;
  shape.embedding_numbers = position_values(a) + a.norm_parameters(a.names.embedding_norm) +
                            a.norm_parameters(a.names.encoder_norm);
  shape.head_numbers = a.norm_parameters(a.names.final_norm);
  for (const Stack stack : kStacks) {
    for (const LayerNames& names : a.names_of(stack)) {
      shape.layer_numbers.push_back(a.norm_parameters(names));
    }
  }
  return shape;
}

LinearShape shape_of(const LinearNames& names, const linear::Precision& asked, bool keep_16bit,
                     const SizeOptions& options) {
  return {.shape = {.outputs = names.outputs(),
                    .inputs = names.inputs,
                    .bias = has_bias(names),
                    .sixteen_bit_columns = options.kept_columns(names)},
          // f16 or bf16 is the checkpoint's choice; both take two bytes.
          .precision = layer_precision(names, asked, keep_16bit, ops::SixteenBit::f16)};
}

LinearShape shape_of(const linear::Linear& linear) {
  const linear::LinearParts& parts = linear.parts();
  return {.shape = {.outputs = parts.outputs,
                    .inputs = parts.inputs,
                    .bias = !parts.bias.empty(),
                    .sixteen_bit_columns = parts.kept_columns.size()},
          .precision = linear.precision()};
}

}  // namespace

ModelShape shape_of(const Architecture& a, const SizeOptions& options) {
  ModelShape shape = numbers_of(a);
  shape.precision = options.precision;
  const auto add = [&](std::vector<LinearShape>& to, const LinearNames& names, bool keep_16bit) {
    if (names.parts.empty()) return;
    to.push_back(shape_of(names, options.precision, keep_16bit, options));
  };
  const bool int8_head = quantises_head(options.precision.method, options.skip_modules);
  shape.head_is_shared = !int8_head && a.head_is_embedding();
  add(shape.embeddings, a.token_embedding(), /*keep_16bit=*/true);
  add(shape.embeddings, a.names.embedding_projection, /*keep_16bit=*/true);
  add(shape.head, a.names.output_projection, /*keep_16bit=*/true);
  add(shape.head, a.lm_head(), !int8_head);
  for (const Stack stack : kStacks) {
    for (const LayerNames& names : a.names_of(stack)) {
      std::vector<LinearShape>& layer = shape.layers.emplace_back();
      for (const LinearId id : linears_of(names)) {
        const LinearNames& linear = linear_of(names, id);
        layer.push_back(shape_of(linear, precision_for(options.precision, id),
                                 is_skipped(linear, options.skip_modules), options));
      }
    }
  }
  return shape;
}

ModelShape shape_of(const Model& model) {
  const Architecture& a = model.architecture();
  const Weights& weights = model.weights();
  ModelShape shape = numbers_of(a);
  shape.precision = model.precision();
  shape.head_is_shared = weights.lm_head == weights.token_embedding;
  shape.embeddings.push_back(shape_of(*weights.token_embedding));
  if (weights.embedding_projection)
    shape.embeddings.push_back(shape_of(*weights.embedding_projection));
  if (weights.output_projection) shape.head.push_back(shape_of(*weights.output_projection));
  shape.head.push_back(shape_of(*weights.lm_head));
  for (const Stack stack : kStacks) {
    const std::vector<LayerNames>& names = a.names_of(stack);
    for (size_t i = 0; i < names.size(); ++i) {
      std::vector<LinearShape>& layer = shape.layers.emplace_back();
      for (const LinearId id : linears_of(names[i])) {
        layer.push_back(shape_of(linear_of(weights.layers_of(stack)[i], id)));
      }
    }
  }
  return shape;
}

ModelBytes packed_bytes(const ModelShape& shape, const LayerBytesFunction& layer_bytes) {
  ModelBytes bytes;
  for (const LinearShape& linear : shape.embeddings) bytes.embeddings.linear += layer_bytes(linear);
  bytes.embeddings.float32 = kFloat * shape.embedding_numbers;
  for (size_t i = 0; i < shape.layers.size(); ++i) {
    WeightBytes layer{.linear = {}, .float32 = kFloat * shape.layer_numbers[i]};
    for (const LinearShape& linear : shape.layers[i]) layer.linear += layer_bytes(linear);
    bytes.layers.push_back(layer);
  }
  for (const LinearShape& linear : shape.head) {
    const bool shared = shape.head_is_shared && &linear == &shape.head.back();
    (shared ? bytes.shared_head : bytes.head.linear) += layer_bytes(linear);
  }
  bytes.head.float32 = kFloat * shape.head_numbers;
  return bytes;
}

ModelBytes packed_bytes(const ModelShape& shape) {
  return packed_bytes(shape, [](const LinearShape& linear) {
    return linear::packed_bytes(linear.shape, linear.precision);
  });
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

int64_t step_bytes(const Architecture& a, const ModelShape& shape, int64_t rows,
                   int64_t logit_rows) {
  linear::CallBytes call;
  const auto include = [&](const LinearShape& linear, int64_t call_rows) {
    call.include(linear::call_bytes(linear.shape, linear.precision, call_rows));
  };
  // The token embedding is looked up; only what follows it multiplies.
  for (size_t i = 1; i < shape.embeddings.size(); ++i) include(shape.embeddings[i], rows);
  for (const auto& layer : shape.layers) {
    for (const LinearShape& linear : layer) include(linear, rows);
  }
  for (const LinearShape& linear : shape.head) include(linear, logit_rows);
  return call.total() + rows * kFloat * scratch_floats(a);
}

}  // namespace octet::model
