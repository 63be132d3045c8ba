// Packs a checkpoint's weights layer by layer, searching the outlier columns on the way.
#include "model/load/packer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include "base/error.h"

namespace octet::model {

using tensor::MatrixView;

namespace {

/// As many tokens as find every systematic outlier feature; more changed nothing in measurements.
constexpr int64_t kSearchTokens = 128;

}  // namespace

std::vector<int32_t> columns_reaching(MatrixView<const float> x, float threshold) {
  std::vector<uint8_t> reached(static_cast<size_t>(x.columns), 0);
  for (int64_t row = 0; row < x.rows; ++row) {
    const float* values = x.row(row);
    for (int64_t i = 0; i < x.columns; ++i) {
      reached[static_cast<size_t>(i)] |= static_cast<uint8_t>(std::fabs(values[i]) >= threshold);
    }
  }
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
  search_ = linear::has_decomposition(precision.method) && precision.threshold > 0 &&
            precision.outliers == linear::OutlierMode::kept;
  quantised_head_ = linear::is_int8(precision.method) &&
                    (reader.quantised() ? reader.codes(head_names(), 0).has_value()
                                        : !is_skipped("lm_head.weight", options.skip_modules));
  for (const LayerNames& layer : architecture.layer_names) {
    for (LinearSlot slot : kLinearSlots)
      total_bytes_ += reader.stored_bytes(linear_of(layer, slot));
  }
  const LinearNames embedding{{{.weight = architecture.names.token_embedding,
                                .bias = "",
                                .outputs = architecture.vocabulary_size}},
                              architecture.embedding_size};
  total_bytes_ += reader.stored_bytes(embedding);
}

bool is_skipped(const std::string& name, std::span<const std::string> skip_modules) {
  size_t begin = 0;
  while (begin < name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view part(name.data() + begin, end - begin);
    if (std::find(skip_modules.begin(), skip_modules.end(), part) != skip_modules.end())
      return true;
    begin = end + 1;
  }
  return std::any_of(skip_modules.begin(), skip_modules.end(), [&](const std::string& module) {
    return module.find('.') != std::string::npos && name.find(module) != std::string::npos;
  });
}

bool Packer::skipped(const LinearNames& names) const {
  if (reader_.quantised()) return !reader_.codes(names, architecture_.head_dim).has_value();
  return std::any_of(names.parts.begin(), names.parts.end(), [&](const MatrixName& part) {
    return is_skipped(part.weight, options_.skip_modules);
  });
}

LinearNames Packer::head_names() const {
  return {{{.weight = architecture_.names.lm_head,
            .bias = "",
            .outputs = architecture_.vocabulary_size}},
          architecture_.embedding_size};
}

linear::Precision Packer::sixteen_bit(ops::SixteenBit stored) const {
  linear::Precision precision = options_.precision;
  if (linear::is_int8(precision.method)) {
    precision.method =
        stored == ops::SixteenBit::bf16 ? linear::Method::bf16 : linear::Method::fp16;
  } else if (precision.method == linear::Method::bf16) {
    precision.sixteen_bit_planes = 1;  // the model's method: bf16 throughout
  }
  return precision;
}

linear::Linear Packer::pack_linear(const LinearNames& names, bool keep_16bit) {
  const tensor::Array<float> bias = reader_.bias(names, architecture_.head_dim);
  const bool sixteen = keep_16bit || !linear::is_int8(options_.precision.method);
  if (!sixteen && reader_.quantised()) {
    return linear::Linear::pack_codes(cpu_, *reader_.codes(names, architecture_.head_dim), bias,
                                      options_.precision, names.parts.front().weight);
  }
  const linear::WeightSource source = reader_.source(names, architecture_.head_dim);
  return linear::Linear::pack(cpu_, source, bias,
                              sixteen ? sixteen_bit(source.sixteen_bit) : options_.precision,
                              names.parts.front().weight);
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
  const LinearNames embedding{
      {{.weight = a.names.token_embedding, .bias = "", .outputs = a.vocabulary_size}},
      a.embedding_size};
  weights.token_embedding =
      std::make_shared<const linear::Linear>(pack_linear(embedding, /*keep_16bit=*/true));
  reader_.release(embedding);
  advance(reader_.stored_bytes(embedding));
  if (!a.names.position_embedding.empty()) {
    weights.position_embedding = reader_.matrix(a.names.position_embedding,
                                                a.max_positions + a.position_offset, a.hidden_size);
  }
  const auto projection = [&](const LinearNames& names) {
    return names.parts.empty() ? nullptr
                               : std::make_unique<linear::Linear>(pack_linear(names, true));
  };
  weights.embedding_projection = projection(a.names.embedding_projection);
  weights.output_projection = projection(a.names.output_projection);
  weights.final_norm = norm(a.names.final_norm);
}

void Packer::pack_head(Weights& weights) {
  const Architecture& a = architecture_;
  if (!quantised_head_ && a.names.lm_head == a.names.token_embedding) {
    weights.lm_head = weights.token_embedding;
    return;
  }
  const LinearNames names = head_names();
  head_ = std::make_shared<linear::Linear>(pack_linear(names, /*keep_16bit=*/!quantised_head_));
  weights.lm_head = head_;
  reader_.release(names);
}

void Packer::pack_slot(Layer& layer, int64_t index, LinearSlot slot,
                       const MatrixView<const float>* input) {
  const LinearNames& names = linear_of(architecture_.layer_names[static_cast<size_t>(index)], slot);
  linear::Linear& linear = linear_of(layer, slot);
  const bool skip = skipped(names);
  linear = pack_linear(names, skip);
  if (input != nullptr && !skip) {
    const std::vector<int32_t> columns = columns_reaching(*input, options_.precision.threshold);
    if (!columns.empty()) {
      linear.keep_columns(cpu_, reader_.source(names, architecture_.head_dim), columns);
    }
    kept_.push_back({index, slot, static_cast<int64_t>(columns.size()), names.inputs});
  }
  reader_.release(names);
  advance(reader_.stored_bytes(names));
}

void Packer::pack_layers(Weights& weights) {
  for (int64_t i = 0; i < architecture_.layers; ++i) {
    for (LinearSlot slot : kLinearSlots) {
      pack_slot(weights.layers[static_cast<size_t>(i)], i, slot, nullptr);
    }
  }
}

void Packer::search_and_pack_layers(Weights& weights) {
  const Architecture& a = architecture_;
  const int64_t count = std::min(kSearchTokens, a.max_positions);
  const std::vector<int32_t> tokens = search_tokens(count, a.vocabulary_size);
  KvCache cache(a, ops::CacheType::f16, pages_for(count), /*layers=*/1);
  std::vector<int32_t> pages(static_cast<size_t>(cache.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const Slice slice{.rows = count, .first_position = 0, .pages = pages.data()};
  Step step;
  step.tokens = tokens;
  step.slices = {&slice, 1};
  // The finer activations, so that what is found does not depend on the width used later.
  step.activation_bits = options_.precision.method == linear::Method::llm_int8 ? 16 : 8;
  Scratch scratch;
  const device::FlushDenormals flush;
  ForwardPass pass(cpu_, a, weights, step, cache, scratch);
  pass.embed();
  for (int64_t i = 0; i < a.layers; ++i) {
    // The observer sees a linear layer's input just before the pass uses its weights.
    pass.layer(i, /*cache_layer=*/0,
               [&](int64_t index, LinearSlot slot, MatrixView<const float> input) {
                 pack_slot(weights.layers[static_cast<size_t>(index)], index, slot, &input);
               });
  }
  if (!quantised_head_) return;
  const std::vector<int32_t> columns =
      columns_reaching(pass.final_hidden(), options_.precision.threshold);
  if (columns.empty()) return;
  head_->keep_columns(cpu_, reader_.source(head_names(), 0), columns);
  reader_.release(head_names());
}

Weights Packer::pack() {
  const Architecture& a = architecture_;
  Weights weights;
  pack_outside(weights);
  pack_head(weights);
  weights.layers.resize(static_cast<size_t>(a.layers));
  for (int64_t i = 0; i < a.layers; ++i) {
    const LayerNames& names = a.layer_names[static_cast<size_t>(i)];
    Layer& layer = weights.layers[static_cast<size_t>(i)];
    layer.attention_norm = norm(names.attention_norm);
    layer.feed_forward_norm = norm(names.feed_forward_norm);
  }
  if (search_) {
    search_and_pack_layers(weights);
  } else {
    pack_layers(weights);
  }
  return weights;
}

}  // namespace octet::model
