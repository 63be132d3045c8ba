// Reading octet's own checkpoint format.
#include "model/load/quantized.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/decode.h"
#include "model/families/families.h"
#include "model/load/layer_precision.h"
#include "model/positions.h"
#include "ops/pack_weights/pack_weights.h"

namespace octet::model {

using nlohmann::json;
using tensor::DType;

namespace {

constexpr int64_t kFormatVersion = 1;

/// The "octet" object of config.json, checked.
struct Header {
  linear::Precision precision;
  std::vector<std::string> skip_modules;
};

std::string config_file(const checkpoint::Checkpoint& checkpoint) {
  return (checkpoint.path() / "config.json").string();
}

/// The optional object "thresholds", of some kinds of layers.
linear::KindThresholds read_kind_thresholds(const json& object, const std::string& file) {
  linear::KindThresholds thresholds;
  const auto found = object.find("thresholds");
  if (found == object.end()) return thresholds;
  if (!found->is_object()) fail("{}: \"thresholds\" is no object", file);
  for (const auto& [kind_name, value] : found->items()) {
    const auto kind = linear::parse_layer_kind(kind_name);
    if (!kind || !value.is_number() || !(value.get<float>() >= 0)) {
      fail("{}: \"thresholds\" has no kind of layer with a number ≥ 0 in \"{}\"", file, kind_name);
    }
    thresholds[static_cast<size_t>(*kind)] = value.get<float>();
  }
  return thresholds;
}

Header read_header(const checkpoint::Checkpoint& checkpoint) {
  const std::string file = config_file(checkpoint);
  const json& object = checkpoint.config().at("octet");
  const Config config(object, file + ": octet", [](const std::string&) { return true; });
  if (const int64_t version = config.count("format_version"); version != kFormatVersion) {
    fail("{}: format version {} is not {}; quantise the model again with this octet", file, version,
         kFormatVersion);
  }
  Header header;
  const auto method = linear::parse_method(config.text("method"));
  const auto outliers = linear::parse_outlier_mode(config.text("outliers"));
  if (!method || !outliers) fail("{}: unknown method or outlier mode", file);
  header.precision.method = *method;
  header.precision.outliers = *outliers;
  header.precision.threshold = static_cast<float>(config.number("threshold"));
  if (!(header.precision.threshold >= 0)) fail("{}: the threshold is negative", file);
  header.precision.kind_thresholds = read_kind_thresholds(object, file);
  return header;
}

void check_request(const Header& header, const LoadOptions& options, const std::string& file) {
  const linear::Precision& asked = options.precision;
  const linear::Precision& stored = header.precision;
  if (options.asked.method && asked.method != stored.method) {
    fail("{}: was quantised with --method {}; load the original checkpoint for {}", file,
         linear::name(stored.method), linear::name(asked.method));
  }
  if (options.asked.threshold &&
      (asked.threshold != stored.threshold || asked.kind_thresholds != stored.kind_thresholds)) {
    fail("{}: was quantised with --threshold {}; load the original checkpoint for {}", file,
         linear::thresholds_text(stored), linear::thresholds_text(asked));
  }
  if (options.asked.outliers && asked.outliers != stored.outliers) {
    fail("{}: was quantised with --outliers {}; load the original checkpoint for {}", file,
         linear::name(stored.outliers), linear::name(asked.outliers));
  }
}

/// Reads the packed parts of one linear layer.
class PartsReader {
 public:
  PartsReader(device::Cpu& cpu, const checkpoint::Checkpoint& checkpoint,
              linear::Precision precision)
      : cpu_(cpu), checkpoint_(checkpoint), precision_(precision) {}

  linear::Linear read(const std::string& base, int64_t inputs, int64_t outputs) {
    return read(base, inputs, outputs, precision_);
  }

  /// `precision`: what was asked for a layer of this kind.
  linear::Linear read(const std::string& base, int64_t inputs, int64_t outputs,
                      linear::Precision precision) {
    linear::LinearParts parts;
    parts.inputs = inputs;
    parts.outputs = outputs;
    const int64_t columns = ops::padded(outputs, ops::kPanelColumns);
    if (checkpoint_.contains(base + ".codes")) {
      parts.method = precision_.method;
      read_int8(base, columns, parts);
    } else if (checkpoint_.contains(base + ".panels32")) {
      precision.method = parts.method = linear::Method::fp32;
      parts.panels32 = shared<float>(base + ".panels32", DType::f32, columns * inputs);
    } else {
      read_panels16(base, columns, parts);
      parts.method =
          parts.sixteen_bit == ops::SixteenBit::bf16 ? linear::Method::bf16 : linear::Method::fp16;
      if (precision_.method == linear::Method::bf16) precision.sixteen_bit_planes = 1;
      precision.method = parts.method;
    }
    if (checkpoint_.contains(base + ".bias")) {
      parts.bias = shared<float>(base + ".bias", DType::f32, columns);
    }
    return linear::Linear::from_parts(cpu_, std::move(parts), precision);
  }

  const linear::Precision& precision() const { return precision_; }

  /// What the description has of weight and bias must be there.
  Norm norm(const std::string& base, bool weight, bool bias, int64_t size) {
    Norm norm;
    if (weight) norm.weight = vector(base + ".weight", size);
    if (bias) norm.bias = vector(base + ".bias", size);
    return norm;
  }
  Norm norm(const std::string& base, const NormNames& names, int64_t size) {
    return norm(base, !names.weight.empty(), !names.bias.empty(), size);
  }

  Norm query_key_norm(const std::string& base, const std::vector<std::string>& weights,
                      const Architecture& a, bool bias, int64_t row_size) {
    const int64_t size = a.query_key_norm == QueryKeyNorm::row ? row_size : a.head_dim;
    return norm(base, !weights.empty(), !weights.empty() && bias,
                size * static_cast<int64_t>(weights.size()));
  }

  tensor::Array<float> vector(const std::string& name, int64_t size) {
    tensor::Array<float> values(size);
    checkpoint::decode_rows(checkpoint_.at(name, {size}), 0, 1, values.data());
    return values;
  }

  tensor::Array<float> matrix(const std::string& name, int64_t rows, int64_t columns) {
    tensor::Array<float> values(rows * columns);
    checkpoint::decode_rows(checkpoint_.at(name, {rows, columns}), 0, rows, values.data());
    return values;
  }

 private:
  void read_int8(const std::string& base, int64_t columns, linear::LinearParts& parts) {
    const int64_t k = ops::padded(parts.inputs, ops::kInt8KStep);
    parts.codes = shared<int8_t>(base + ".codes", DType::i8, columns * k);
    parts.column_scales = shared<float>(base + ".column_scales", DType::f32, columns);
    for (float scale : parts.column_scales) {
      if (!(scale >= 0) || std::isinf(scale)) fail("{}: a scale is damaged", where(base));
    }
    if (checkpoint_.contains(base + ".column_zeros")) {
      parts.column_zeros = shared<int32_t>(base + ".column_zeros", DType::i32, columns);
      for (int32_t zero : parts.column_zeros) {
        if (zero < -127 || zero > 127) fail("{}: a zero point is damaged", where(base));
      }
    }
    parts.column_sums = column_sums(base, parts.codes, columns, k);
    if (checkpoint_.contains(base + ".kept_columns")) read_kept(base, columns, parts);
    if (checkpoint_.contains(base + ".panels16")) read_panels16(base, columns, parts);
  }

  /// Sums the codes, which the vector kernels need, and makes sure that none is -128.
  tensor::Shared<int32_t> column_sums(const std::string& base, const tensor::Shared<int8_t>& codes,
                                      int64_t columns, int64_t k) {
    tensor::Array<int32_t> sums(columns);
    std::atomic<bool> damaged{false};
    const auto sum_panel = ops::choose(ops::sum_panel_kernels(), cpu_.features()).function;
    cpu_.team().for_each(columns / ops::kPanelColumns, [&](int64_t panel, int) {
      const int64_t first = panel * ops::kPanelColumns;
      if (!sum_panel({.panel = codes.data() + first * k, .k = k, .column_sums = &sums[first]})) {
        damaged.store(true, std::memory_order_relaxed);
      }
    });
    if (damaged.load()) fail("{}: a code is -128, which octet never writes", where(base));
    return tensor::Shared<int32_t>(std::move(sums));
  }

  void read_kept(const std::string& base, int64_t columns, linear::LinearParts& parts) {
    const tensor::View& view = checkpoint_.at(base + ".kept_columns");
    const int64_t kept = view.elements();
    parts.kept_columns = shared<int32_t>(base + ".kept_columns", DType::i32, kept);
    int32_t previous = -1;
    for (int32_t column : parts.kept_columns) {
      if (column <= previous || column >= parts.inputs) {
        fail("{}: the kept columns are damaged", where(base));
      }
      previous = column;
    }
    const std::string name = base + ".kept_panels";
    parts.sixteen_bit = sixteen_bit_type(name);
    parts.kept_panels = shared<uint16_t>(name, checkpoint_.at(name).dtype,
                                         columns * ops::padded(kept, ops::kMatmul16KStep));
  }

  void read_panels16(const std::string& base, int64_t columns, linear::LinearParts& parts) {
    const std::string name = base + ".panels16";
    parts.sixteen_bit = sixteen_bit_type(name);
    parts.panels16 = shared<uint16_t>(name, checkpoint_.at(name).dtype,
                                      columns * ops::padded(parts.inputs, ops::kMatmul16KStep));
  }

  ops::SixteenBit sixteen_bit_type(const std::string& name) const {
    const DType dtype = checkpoint_.at(name).dtype;
    if (dtype == DType::bf16) return ops::SixteenBit::bf16;
    if (dtype != DType::f16) fail("{}: is {}, not f16 or bf16", where(name), tensor::name(dtype));
    return ops::SixteenBit::f16;
  }

  std::string where(const std::string& name) const { return checkpoint_.where(name); }

  /// The tensor's elements in place, or copied when the file does not align them.
  template <typename T>
  tensor::Shared<T> shared(const std::string& name, DType dtype, int64_t size) {
    const tensor::View& view = checkpoint_.at(name);
    if (view.dtype != dtype || view.elements() != size) {
      fail("{}: holds {} elements of {}, not {} of {}", where(name), view.elements(),
           tensor::name(view.dtype), size, tensor::name(dtype));
    }
    if (reinterpret_cast<uintptr_t>(view.bytes.data()) % 64 == 0) {
      return {reinterpret_cast<const T*>(view.bytes.data()), size, checkpoint_.owner(view)};
    }
    tensor::Array<T> copy(size);
    std::memcpy(copy.data(), view.bytes.data(), view.bytes.size());
    return tensor::Shared<T>(std::move(copy));
  }

  device::Cpu& cpu_;
  const checkpoint::Checkpoint& checkpoint_;
  linear::Precision precision_;
};

void read_layers(PartsReader& reader, const Architecture& a, Stack stack, Weights& weights) {
  for (const LayerNames& names : a.names_of(stack)) {
    std::vector<Layer>& layers = weights.layers_of(stack);
    const std::string base = layer_prefix(stack, std::ssize(layers));
    Layer layer;
    layer.experts.resize(names.experts.size());
    for (const LinearId id : linears_of(names)) {
      const LinearNames& linear = linear_of(names, id);
      linear_of(layer, id) = reader.read(base + name(id), linear.inputs, linear.outputs(),
                                         precision_for(reader.precision(), id));
    }
    for (const NormMember& member : kNormMembers) {
      layer.*member.norm =
          reader.norm(base + std::string(member.name), names.*member.names, a.hidden_size);
    }
    layer.query_norm = reader.query_key_norm(base + "query_norm", names.query_norm, a,
                                             names.query_key_norm_bias, a.query_size());
    layer.key_norm = reader.query_key_norm(base + "key_norm", names.key_norm, a,
                                           names.query_key_norm_bias, a.kv_size());
    layers.push_back(std::move(layer));
  }
}

std::vector<KeptShare> kept_shares(const Architecture& a, const Weights& weights,
                                   const linear::Precision& precision) {
  std::vector<KeptShare> kept;
  if (precision.outliers != linear::OutlierMode::kept) return kept;
  for (const Stack stack : kStacks) {
    const std::vector<LayerNames>& names = a.names_of(stack);
    for (int64_t i = 0; i < std::ssize(names); ++i) {
      for (const LinearId id : linears_of(names[static_cast<size_t>(i)])) {
        const linear::Linear& linear =
            linear_of(weights.layers_of(stack)[static_cast<size_t>(i)], id);
        if (!linear::is_int8(linear.parts().method)) continue;
        kept.push_back({stack, i, id, linear.parts().kept_columns.size(), linear.inputs()});
      }
    }
  }
  return kept;
}

}  // namespace

bool is_quantized(const checkpoint::Checkpoint& checkpoint) {
  return checkpoint.format() == checkpoint::Format::safetensors &&
         checkpoint.config().is_object() && checkpoint.config().contains("octet");
}

Architecture describe_quantized(const checkpoint::Checkpoint& checkpoint) {
  // Names of the original tensors are gone, so any prefix will do.
  return describe_architecture(Config(checkpoint.config(), config_file(checkpoint),
                                      [](const std::string&) { return true; }));
}

Loaded load_quantized(device::Cpu& cpu, const checkpoint::Checkpoint& checkpoint,
                      const LoadOptions& options) {
  const Header header = read_header(checkpoint);
  check_request(header, options, config_file(checkpoint));
  linear::Precision precision = header.precision;
  precision.activation_bits = precision.method == linear::Method::llm_int8
                                  ? options.precision.activation_bits
                                  : linear::Precision{.method = precision.method}.activation_bits;
  const Architecture a = describe_quantized(checkpoint);
  PartsReader reader(cpu, checkpoint, precision);
  Weights weights;
  weights.token_embedding = std::make_shared<const linear::Linear>(
      reader.read("token_embedding", a.embedding_size, a.vocabulary_size));
  if (linear::is_int8(weights.token_embedding->parts().method)) {
    fail("{}: the token embedding is int8", checkpoint.where("token_embedding.codes"));
  }
  weights.lm_head = weights.token_embedding;
  if (checkpoint.contains("lm_head.codes") || checkpoint.contains("lm_head.panels16") ||
      checkpoint.contains("lm_head.panels32")) {
    weights.lm_head = std::make_shared<const linear::Linear>(
        reader.read("lm_head", a.embedding_size, a.vocabulary_size));
  }
  if (!a.names.embedding_projection.parts.empty()) {
    weights.embedding_projection = std::make_unique<linear::Linear>(
        reader.read("embedding_projection", a.embedding_size, a.hidden_size));
    weights.output_projection = std::make_unique<linear::Linear>(
        reader.read("output_projection", a.hidden_size, a.embedding_size));
  }
  if (a.positions == Positions::sinusoidal) weights.position_embedding = sinusoidal_positions(a);
  if (!a.names.position_embedding.empty()) {
    weights.position_embedding =
        reader.matrix("position_embedding", a.max_positions + a.position_offset, a.hidden_size);
  }
  weights.embedding_norm = reader.norm("embedding_norm", a.names.embedding_norm, a.hidden_size);
  weights.final_norm = reader.norm("final_norm", a.names.final_norm, a.hidden_size);
  weights.encoder_norm = reader.norm("encoder_norm", a.names.encoder_norm, a.hidden_size);
  const int64_t bias_size = a.heads * (2 * a.relative_reach + 1);
  if (!a.names.position_bias.empty()) {
    weights.position_bias = reader.vector("position_bias", bias_size);
  }
  if (!a.names.encoder_position_bias.empty()) {
    weights.encoder_position_bias = reader.vector("encoder_position_bias", bias_size);
  }
  for (const Stack stack : kStacks) read_layers(reader, a, stack, weights);
  std::vector<KeptShare> kept = kept_shares(a, weights, precision);
  return {Model(a, precision, std::move(weights)), nullptr, "", 2 * a.parameters(),
          std::move(kept)};
}

}  // namespace octet::model
