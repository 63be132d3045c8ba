// Small random checkpoints in Hugging Face layout, written by the tests themselves.
#include "support/tiny_model.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "base/file.h"
#include "base/half.h"
#include "checkpoint/safetensors.h"

namespace octet::test {

using tensor::DType;

namespace {

class Writer {
 public:
  Writer(const TinyModel& model) : model_(model), random_(model.seed) {}

  void matrix(const std::string& name, int64_t rows, int64_t columns) {
    add(name, {rows, columns}, 0, 1.0f / std::sqrt(static_cast<float>(columns)));
  }
  void vector(const std::string& name, int64_t size, float mean) { add(name, {size}, mean, 0.1f); }
  void norm(const std::string& name, int64_t size, bool bias) {
    vector(name + ".weight", size, 1.0f);
    if (bias) vector(name + ".bias", size, 0.0f);
  }
  void linear(const std::string& name, int64_t outputs, int64_t inputs) {
    matrix(name + ".weight", outputs, inputs);
    vector(name + ".bias", outputs, 0.0f);
  }
  void write(const std::filesystem::path& path) {
    checkpoint::write_safetensors(path, tensors_, {{"format", "pt"}});
  }

 private:
  void add(const std::string& name, tensor::Shape shape, float mean, float deviation) {
    std::normal_distribution<float> normal(mean, deviation);
    tensor::View view{DType::f32, std::move(shape), {}};
    std::vector<float> values(static_cast<size_t>(view.elements()));
    for (float& value : values) value = normal(random_);
    // Two features made large where norms produce them.
    if (name.find("norm") != std::string::npos && name.ends_with(".weight") && values.size() > 7) {
      values[3] *= model_.outlier_gain;
      values[7] *= model_.outlier_gain;
    }
    auto bytes = std::make_shared<std::vector<std::byte>>();
    if (model_.dtype == "f32") {
      bytes->resize(values.size() * 4);
      std::memcpy(bytes->data(), values.data(), bytes->size());
    } else {
      view.dtype = model_.dtype == "bf16" ? DType::bf16 : DType::f16;
      bytes->resize(values.size() * 2);
      for (size_t i = 0; i < values.size(); ++i) {
        const uint16_t half =
            model_.dtype == "bf16" ? float_to_bf16(values[i]) : float_to_f16(values[i]);
        std::memcpy(bytes->data() + 2 * i, &half, 2);
      }
    }
    view.bytes = *bytes;
    storage_.push_back(bytes);
    tensors_.push_back({name, view});
  }

  const TinyModel& model_;
  std::mt19937_64 random_;
  std::vector<std::shared_ptr<std::vector<std::byte>>> storage_;
  std::vector<checkpoint::NamedTensor> tensors_;
};

nlohmann::json llama(const TinyModel& m, Writer& w) {
  const int64_t head_dim = m.hidden / m.heads;
  w.matrix("model.embed_tokens.weight", m.vocabulary, m.hidden);
  for (int64_t i = 0; i < m.layers; ++i) {
    const std::string base = "model.layers." + std::to_string(i) + ".";
    w.norm(base + "input_layernorm", m.hidden, false);
    w.matrix(base + "self_attn.q_proj.weight", m.hidden, m.hidden);
    w.matrix(base + "self_attn.k_proj.weight", m.kv_heads * head_dim, m.hidden);
    w.matrix(base + "self_attn.v_proj.weight", m.kv_heads * head_dim, m.hidden);
    w.matrix(base + "self_attn.o_proj.weight", m.hidden, m.hidden);
    w.norm(base + "post_attention_layernorm", m.hidden, false);
    w.matrix(base + "mlp.gate_proj.weight", m.intermediate, m.hidden);
    w.matrix(base + "mlp.up_proj.weight", m.intermediate, m.hidden);
    w.matrix(base + "mlp.down_proj.weight", m.hidden, m.intermediate);
  }
  w.norm("model.norm", m.hidden, false);
  w.matrix("lm_head.weight", m.vocabulary, m.hidden);
  return {{"model_type", "llama"},
          {"vocab_size", m.vocabulary},
          {"hidden_size", m.hidden},
          {"num_hidden_layers", m.layers},
          {"num_attention_heads", m.heads},
          {"num_key_value_heads", m.kv_heads},
          {"intermediate_size", m.intermediate},
          {"max_position_embeddings", m.positions},
          {"rms_norm_eps", 1e-5},
          {"hidden_act", "silu"},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", false},
          {"eos_token_id", 2}};
}

nlohmann::json gpt2(const TinyModel& m, Writer& w) {
  w.matrix("transformer.wte.weight", m.vocabulary, m.hidden);
  w.matrix("transformer.wpe.weight", m.positions, m.hidden);
  const auto conv1d = [&](const std::string& name, int64_t inputs, int64_t outputs) {
    w.matrix(name + ".weight", inputs, outputs);
    w.vector(name + ".bias", outputs, 0.0f);
  };
  for (int64_t i = 0; i < m.layers; ++i) {
    const std::string base = "transformer.h." + std::to_string(i) + ".";
    w.norm(base + "ln_1", m.hidden, true);
    conv1d(base + "attn.c_attn", m.hidden, 3 * m.hidden);
    conv1d(base + "attn.c_proj", m.hidden, m.hidden);
    w.norm(base + "ln_2", m.hidden, true);
    conv1d(base + "mlp.c_fc", m.hidden, 4 * m.hidden);
    conv1d(base + "mlp.c_proj", 4 * m.hidden, m.hidden);
  }
  w.norm("transformer.ln_f", m.hidden, true);
  return {{"model_type", "gpt2"},       {"vocab_size", m.vocabulary},
          {"n_embd", m.hidden},         {"n_layer", m.layers},
          {"n_head", m.heads},          {"n_positions", m.positions},
          {"layer_norm_epsilon", 1e-5}, {"activation_function", "gelu_new"},
          {"eos_token_id", 2}};
}

nlohmann::json opt(const TinyModel& m, Writer& w) {
  w.matrix("model.decoder.embed_tokens.weight", m.vocabulary, m.hidden);
  w.matrix("model.decoder.embed_positions.weight", m.positions + 2, m.hidden);
  for (int64_t i = 0; i < m.layers; ++i) {
    const std::string base = "model.decoder.layers." + std::to_string(i) + ".";
    w.norm(base + "self_attn_layer_norm", m.hidden, true);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      w.linear(base + "self_attn." + name, m.hidden, m.hidden);
    }
    w.norm(base + "final_layer_norm", m.hidden, true);
    w.linear(base + "fc1", m.intermediate, m.hidden);
    w.linear(base + "fc2", m.hidden, m.intermediate);
  }
  w.norm("model.decoder.final_layer_norm", m.hidden, true);
  return {{"model_type", "opt"},           {"vocab_size", m.vocabulary},
          {"hidden_size", m.hidden},       {"word_embed_proj_dim", m.hidden},
          {"num_hidden_layers", m.layers}, {"num_attention_heads", m.heads},
          {"ffn_dim", m.intermediate},     {"max_position_embeddings", m.positions},
          {"activation_function", "relu"}, {"eos_token_id", 2}};
}

}  // namespace

void write_tiny_model(const TinyModel& model, const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  Writer writer(model);
  const nlohmann::json config = model.family == "gpt2"  ? gpt2(model, writer)
                                : model.family == "opt" ? opt(model, writer)
                                                        : llama(model, writer);
  writer.write(directory / "model.safetensors");
  write_file(directory / "config.json", config.dump(2));
}

}  // namespace octet::test
