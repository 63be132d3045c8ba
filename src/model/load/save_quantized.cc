// Writing octet's own checkpoint format.
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "model/load/checkpoint_reader.h"
#include "model/load/load.h"
#include "model/load/output_directory.h"
#include "model/load/quantized.h"

namespace octet::model {

using tensor::DType;

namespace {

/// Collects views of everything that is to be written.
class TensorList {
 public:
  template <typename T>
  void add(const std::string& name, DType dtype, const T* data, tensor::Shape shape) {
    tensor::View view{dtype, std::move(shape), {}};
    if (view.elements() == 0) return;
    view.bytes = {reinterpret_cast<const std::byte*>(data),
                  static_cast<size_t>(view.elements()) * sizeof(T)};
    tensors_.push_back({name, std::move(view)});
  }

  void add(const std::string& base, const linear::Linear& linear) {
    const linear::LinearParts& parts = linear.parts();
    const DType sixteen = parts.sixteen_bit == ops::SixteenBit::bf16 ? DType::bf16 : DType::f16;
    const auto member = [&](const char* name, DType dtype, const auto& shared) {
      add(base + name, dtype, shared.data(), {shared.size()});
    };
    member(".codes", DType::i8, parts.codes);
    member(".column_scales", DType::f32, parts.column_scales);
    member(".column_zeros", DType::i32, parts.column_zeros);
    member(".kept_columns", DType::i32, parts.kept_columns);
    member(".kept_panels", sixteen, parts.kept_panels);
    member(".panels16", sixteen, parts.panels16);
    member(".panels32", DType::f32, parts.panels32);
    member(".bias", DType::f32, parts.bias);
  }

  void add(const std::string& base, const Norm& norm) {
    add(base + ".weight", DType::f32, norm.weight.data(), {norm.weight.size()});
    add(base + ".bias", DType::f32, norm.bias.data(), {norm.bias.size()});
  }

  const std::vector<checkpoint::NamedTensor>& tensors() const { return tensors_; }

 private:
  std::vector<checkpoint::NamedTensor> tensors_;
};

TensorList collect(const Model& model) {
  const Weights& weights = model.weights();
  TensorList list;
  list.add("token_embedding", *weights.token_embedding);
  if (weights.lm_head != weights.token_embedding) list.add("lm_head", *weights.lm_head);
  if (weights.embedding_projection) list.add("embedding_projection", *weights.embedding_projection);
  if (weights.output_projection) list.add("output_projection", *weights.output_projection);
  const int64_t hidden = model.architecture().hidden_size;
  if (model.architecture().positions == Positions::learned) {
    list.add("position_embedding", DType::f32, weights.position_embedding.data(),
             {weights.position_embedding.size() / hidden, hidden});
  }
  for (const Stack stack : kStacks) {
    const std::vector<Layer>& layers = weights.layers_of(stack);
    for (size_t i = 0; i < layers.size(); ++i) {
      const Layer& layer = layers[i];
      const std::string base = layer_prefix(stack, static_cast<int64_t>(i));
      for (const LinearId id : linears_of(model.architecture().names_of(stack)[i])) {
        list.add(base + name(id), linear_of(layer, id));
      }
      for (const NormMember& member : kNormMembers) {
        list.add(base + std::string(member.name), layer.*member.norm);
      }
      list.add(base + "query_norm", layer.query_norm);
      list.add(base + "key_norm", layer.key_norm);
    }
  }
  const auto add_bias = [&](const char* what, const tensor::Array<float>& bias) {
    list.add(what, DType::f32, bias.data(), {bias.size()});
  };
  add_bias("position_bias", weights.position_bias);
  add_bias("encoder_position_bias", weights.encoder_position_bias);
  list.add("encoder_norm", weights.encoder_norm);
  list.add("embedding_norm", weights.embedding_norm);
  list.add("final_norm", weights.final_norm);
  return list;
}

}  // namespace

void save_quantized(const Loaded& loaded, const std::filesystem::path& source,
                    const std::filesystem::path& directory) {
  make_output_directory(directory);
  const auto checkpoint = checkpoint::Checkpoint::open(source);
  nlohmann::json config = CheckpointReader(*checkpoint).config().json();
  const linear::Precision& precision = loaded.model.precision();
  config["octet"] = {{"format_version", 1},
                     {"method", linear::name(precision.method)},
                     {"threshold", precision.threshold},
                     {"outliers", linear::name(precision.outliers)}};
  for (const linear::LayerKind kind : linear::kLayerKinds) {
    const auto& own = precision.kind_thresholds[static_cast<size_t>(kind)];
    if (own) config["octet"]["thresholds"][std::string(linear::name(kind))] = *own;
  }
  checkpoint::write_safetensors(directory / "model.safetensors", collect(loaded.model).tensors(),
                                {{"format", "octet"}});
  copy_tokenizer(*checkpoint, directory);
  // Last, so that a directory with a config is whole.
  write_file(directory / "config.json", config.dump(2) + "\n");
}

}  // namespace octet::model
