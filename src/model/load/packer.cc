// Packs a checkpoint's weights layer by layer, searching the outlier columns on the way.
#include "model/load/packer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "model/load/layer_precision.h"
#include "model/positions.h"

namespace octet::model {

using tensor::MatrixView;

namespace {

/// As many tokens as find every systematic outlier feature; more changed nothing in measurements.
constexpr int64_t kSearchTokens = 128;

}  // namespace

std::vector<int32_t> columns_reaching(device::Cpu& cpu, MatrixView<const float> x,
                                      float threshold) {
  std::vector<uint8_t> reached(static_cast<size_t>(x.columns), 0);
  constexpr int64_t kColumnsPerTask = 512;
  cpu.team().for_each((x.columns + kColumnsPerTask - 1) / kColumnsPerTask, [&](int64_t task, int) {
    const int64_t first = task * kColumnsPerTask;
    const int64_t count = std::min(kColumnsPerTask, x.columns - first);
    uint8_t* mark = reached.data() + first;
    for (int64_t row = 0; row < x.rows; ++row) {
      const float* values = x.row(row) + first;
      for (int64_t i = 0; i < count; ++i) {
        mark[i] |= static_cast<uint8_t>(std::fabs(values[i]) >= threshold);
      }
    }
  });
  std::vector<int32_t> columns;
  for (int64_t i = 0; i < x.columns; ++i) {
    if (reached[static_cast<size_t>(i)] != 0) columns.push_back(static_cast<int32_t>(i));
  }
  return columns;
}

std::vector<int32_t> search_tokens(int64_t count, int64_t vocabulary_size) {
  std::vector<int32_t> tokens;
  uint64_t state = 0;
  for (int64_t i = 0; i < count; ++i) {
    state += 0x9e3779b97f4a7c15u;  // splitmix64
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    tokens.push_back(static_cast<int32_t>(z % static_cast<uint64_t>(vocabulary_size)));
  }
  return tokens;
}

Packer::Packer(device::Cpu& cpu, const WeightReader& reader, const Architecture& architecture,
               const LoadOptions& options)
    : cpu_(cpu), reader_(reader), architecture_(architecture), options_(options) {
  const linear::Precision& precision = options.precision;
  search_ = linear::keeps_columns_of_some_kind(precision);
  quantised_head_ = reader.quantised() ? linear::is_int8(precision.method) &&
                                             reader.has_codes(architecture.lm_head())
                                       : quantises_head(precision.method, options.skip_modules);
  for (const Stack stack : kStacks) {
    for (const LayerNames& layer : architecture.names_of(stack)) {
      for (const LinearId id : linears_of(layer)) {
        total_bytes_ += reader.stored_bytes(linear_of(layer, id));
      }
    }
  }
  total_bytes_ += reader.stored_bytes(architecture.token_embedding());
}

bool Packer::skipped(const LinearNames& names) const {
  if (names.storage == Storage::as_asked && reader_.quantised()) return !reader_.has_codes(names);
  return is_skipped(names, options_.skip_modules);
}

linear::Linear Packer::pack_linear(const LinearNames& names, bool keep_16bit,
                                   const linear::Precision& asked) {
  const tensor::Array<float> bias = reader_.bias(names, architecture_.head_dim);
  const bool sixteen = keep_16bit || !linear::is_int8(asked.method);
  if (!sixteen && reader_.quantised()) {
    return linear::Linear::pack_codes(cpu_, reader_.codes(names, architecture_.head_dim), bias,
                                      asked, names.parts.front().weight);
  }
  const linear::WeightSource source = reader_.source(names, architecture_.head_dim);
  const linear::Precision precision = layer_precision(names, asked, keep_16bit, source.sixteen_bit);
  return linear::Linear::pack(cpu_, source, bias, precision, names.parts.front().weight);
}

Norm Packer::query_key_norm(const std::vector<std::string>& weights, bool bias,
                            int64_t row_size) const {
  const bool rows = architecture_.query_key_norm == QueryKeyNorm::row;
  const int64_t size = rows ? row_size : architecture_.head_dim;
  const auto stacked = [&](std::string_view suffix) {
    tensor::Array<float> all(size * static_cast<int64_t>(weights.size()));
    for (size_t i = 0; i < weights.size(); ++i) {
      const auto part = reader_.vector(weights[i] + std::string(suffix), size);
      std::copy(part.begin(), part.end(), all.begin() + static_cast<int64_t>(i) * size);
    }
    return all;
  };
  Norm norm;
  if (weights.empty()) return norm;
  norm.weight = stacked(".weight");
  if (bias) norm.bias = stacked(".bias");
  return norm;
}

Norm Packer::norm(const NormNames& names) const {
  Norm norm;
  if (!names.weight.empty()) norm.weight = reader_.vector(names.weight, architecture_.hidden_size);
  if (!names.bias.empty()) norm.bias = reader_.vector(names.bias, architecture_.hidden_size);
  return norm;
}

void Packer::advance(int64_t bytes) {
  done_bytes_ += bytes;
  if (options_.progress) {
    options_.progress(static_cast<double>(done_bytes_) / static_cast<double>(total_bytes_));
  }
}

void Packer::pack_outside(Weights& weights) {
  const Architecture& a = architecture_;
  const LinearNames embedding = a.token_embedding();
  weights.token_embedding = std::make_shared<const linear::Linear>(
      pack_linear(embedding, /*keep_16bit=*/true, options_.precision));
  reader_.release(embedding);
  advance(reader_.stored_bytes(embedding));
  if (!a.names.position_embedding.empty()) {
    weights.position_embedding = reader_.matrix(a.names.position_embedding,
                                                a.max_positions + a.position_offset, a.hidden_size);
  } else if (a.positions == Positions::sinusoidal) {
    weights.position_embedding = sinusoidal_positions(a);
  }
  const auto projection = [&](const LinearNames& names) {
    return names.parts.empty()
               ? nullptr
               : std::make_unique<linear::Linear>(pack_linear(names, true, options_.precision));
  };
  weights.embedding_projection = projection(a.names.embedding_projection);
  weights.output_projection = projection(a.names.output_projection);
  const auto position_bias = [&](const std::string& table, Stack stack) {
    if (table.empty()) return tensor::Array<float>();
    return relative_bias(a, reader_.matrix(table, a.relative_buckets, a.heads).data(), stack);
  };
  weights.position_bias = position_bias(a.names.position_bias, Stack::decoder);
  weights.encoder_position_bias = position_bias(a.names.encoder_position_bias, Stack::encoder);
  weights.encoder_norm = norm(a.names.encoder_norm);
  weights.embedding_norm = norm(a.names.embedding_norm);
  weights.final_norm = norm(a.names.final_norm);
}

void Packer::pack_head(Weights& weights) {
  const Architecture& a = architecture_;
  if (!quantised_head_ && a.head_is_embedding()) {
    weights.lm_head = weights.token_embedding;
    return;
  }
  const LinearNames names = a.lm_head();
  head_ = std::make_shared<linear::Linear>(
      pack_linear(names, /*keep_16bit=*/!quantised_head_, options_.precision));
  weights.lm_head = head_;
  reader_.release(names);
}

void Packer::pack_part(Weights& weights, Stack stack, int64_t index, LinearId id,
                       const MatrixView<const float>* input) {
  const auto layer = static_cast<size_t>(index);
  const LinearNames& names = linear_of(architecture_.names_of(stack)[layer], id);
  linear::Linear& linear = linear_of(weights.layers_of(stack)[layer], id);
  const bool skip = skipped(names);
  const linear::Precision precision = precision_for(options_.precision, id);
  linear = pack_linear(names, skip, precision);
  if (input != nullptr && !skip && linear::keeps_columns(precision)) {
    const std::vector<int32_t> columns = columns_reaching(cpu_, *input, precision.threshold);
    if (!columns.empty()) {
      linear.keep_columns(cpu_, reader_.source(names, architecture_.head_dim), columns);
    }
    kept_.push_back({stack, index, id, static_cast<int64_t>(columns.size()), names.inputs});
  }
  reader_.release(names);
  advance(reader_.stored_bytes(names));
}

void Packer::pack_layers(Weights& weights) {
  for (const Stack stack : kStacks) {
    const std::vector<LayerNames>& layers = architecture_.names_of(stack);
    for (int64_t i = 0; i < std::ssize(layers); ++i) {
      for (const LinearId id : linears_of(layers[static_cast<size_t>(i)])) {
        pack_part(weights, stack, i, id, nullptr);
      }
    }
  }
}

void Packer::search_and_pack_layers(Weights& weights) {
  const Architecture& a = architecture_;
  const int64_t count = std::min(kSearchTokens, a.max_positions);
  const std::vector<int32_t> tokens = search_tokens(count, a.vocabulary_size);
  // An encoder sees the same tokens; the decoder attends to what it makes of them.
  KvCache cache(a, ops::CacheType::f16, 2 * pages_for(count), /*layers=*/1);
  std::vector<int32_t> pages(static_cast<size_t>(cache.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const Slice source{.rows = count, .first_position = 0, .pages = pages.data() + pages_for(count)};
  const Slice slice{.rows = count,
                    .first_position = 0,
                    .pages = pages.data(),
                    .source_pages = source.pages,
                    .source_positions = count};
  Step step;
  step.tokens = tokens;
  step.slices = {&slice, 1};
  // The finer activations, so that what is found does not depend on the width used later.
  step.activation_bits = options_.precision.method == linear::Method::llm_int8 ? 16 : 8;
  Step source_step = step;
  source_step.slices = {&source, 1};
  Scratch scratch;
  Scratch source_scratch;
  const device::FlushDenormals flush;
  // The observer sees a linear layer's input just before the pass uses its weights.
  const auto observer = [&](Stack stack) {
    // Every expert sees every row, to find its outliers.
    return PassObserver{.input =
                            [&, stack](int64_t index, LinearId id, MatrixView<const float> input) {
                              pack_part(weights, stack, index, id, &input);
                            },
                        .rows_for_every_expert = true};
  };
  std::optional<ForwardPass> encoder;
  if (a.encoder_decoder()) {
    encoder.emplace(cpu_, a, weights, source_step, cache, source_scratch, Stack::encoder);
    encoder->embed();
    for (int64_t i = 0; i < std::ssize(weights.encoder_layers); ++i) {
      encoder->layer(i, /*cache_layer=*/0, observer(Stack::encoder));
    }
    encoder->finish_source();
  }
  ForwardPass pass(cpu_, a, weights, step, cache, scratch, Stack::decoder);
  pass.embed();
  for (int64_t i = 0; i < a.layers; ++i) {
    if (encoder) encoder->place_source(i, /*cache_layer=*/0, observer(Stack::decoder));
    pass.layer(i, /*cache_layer=*/0, observer(Stack::decoder));
  }
  if (!quantised_head_ || !linear::keeps_columns(options_.precision)) return;
  const std::vector<int32_t> columns =
      columns_reaching(cpu_, pass.final_hidden(), options_.precision.threshold);
  if (columns.empty()) return;
  const LinearNames names = a.lm_head();
  head_->keep_columns(cpu_, reader_.source(names, 0), columns);
  reader_.release(names);
}

void Packer::pack_norms(Weights& weights) const {
  const Architecture& a = architecture_;
  for (const Stack stack : kStacks) {
    for (const LayerNames& names : a.names_of(stack)) {
      Layer layer;
      for (const NormMember& member : kNormMembers) {
        layer.*member.norm = norm(names.*member.names);
      }
      layer.experts.resize(names.experts.size());
      layer.query_norm =
          query_key_norm(names.query_norm, names.query_key_norm_bias, a.query_size());
      layer.key_norm = query_key_norm(names.key_norm, names.query_key_norm_bias, a.kv_size());
      weights.layers_of(stack).push_back(std::move(layer));
    }
  }
}

Weights Packer::pack() {
  Weights weights;
  pack_outside(weights);
  pack_head(weights);
  pack_norms(weights);
  if (search_) {
    search_and_pack_layers(weights);
  } else {
    pack_layers(weights);
  }
  return weights;
}

}  // namespace octet::model
