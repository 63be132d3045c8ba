// Hugging Face checkpoints as GGUF files, by the rules of llama.cpp's converter.
#include "support/gguf_conversion.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/decode.h"
#include "checkpoint/test_files.h"
#include "support/gguf_tensor_names.h"

namespace octet::test {

using checkpoint::GgufType;
using nlohmann::json;

namespace {

constexpr uint32_t kF32 = 0;

struct Tensor {
  tensor::Shape shape;
  std::vector<float> values;
};

bool ends_with(const std::string& text, std::initializer_list<const char*> ends) {
  return std::ranges::any_of(ends, [&](const char* end) { return text.ends_with(end); });
}

/// The rows of `tensor` in another order: row i comes from row from(i).
template <typename From>
void reorder_rows(Tensor& tensor, From from) {
  const auto rows = static_cast<size_t>(tensor.shape[0]);
  const size_t width = tensor.values.size() / rows;
  std::vector<float> reordered(tensor.values.size());
  for (size_t row = 0; row < rows; ++row) {
    std::copy_n(tensor.values.begin() + static_cast<ptrdiff_t>(from(row) * width), width,
                reordered.begin() + static_cast<ptrdiff_t>(row * width));
  }
  tensor.values = std::move(reordered);
}

/// LLaMA's halves of a head interleaved: [heads, 2, half] → [heads, half, 2].
void interleave_halves(Tensor& tensor, size_t heads) {
  const size_t head_dim = static_cast<size_t>(tensor.shape[0]) / heads;
  reorder_rows(tensor, [&](size_t row) {
    const size_t head = row / head_dim;
    const size_t pair = row % head_dim / 2;
    const size_t side = row % 2;
    return head * head_dim + side * head_dim / 2 + pair;
  });
}

/// [groups, queries + 2, head_dim] → all queries, all keys, all values.
void ungroup(Tensor& tensor, size_t groups, size_t queries) {
  const size_t head_dim = static_cast<size_t>(tensor.shape[0]) / (groups * (queries + 2));
  std::vector<size_t> order;
  const auto take = [&](size_t group, size_t member) {
    for (size_t i = 0; i < head_dim; ++i) {
      order.push_back((group * (queries + 2) + member) * head_dim + i);
    }
  };
  for (size_t g = 0; g < groups; ++g) {
    for (size_t q = 0; q < queries; ++q) take(g, q);
  }
  for (size_t g = 0; g < groups; ++g) take(g, queries);
  for (size_t g = 0; g < groups; ++g) take(g, queries + 1);
  reorder_rows(tensor, [&](size_t row) { return order[row]; });
}

void transpose(Tensor& tensor) {
  const auto rows = static_cast<size_t>(tensor.shape[0]);
  const auto columns = static_cast<size_t>(tensor.shape[1]);
  std::vector<float> turned(tensor.values.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) turned[c * rows + r] = tensor.values[r * columns + c];
  }
  tensor.values = std::move(turned);
  std::swap(tensor.shape[0], tensor.shape[1]);
}

class Conversion {
 public:
  explicit Conversion(const std::filesystem::path& directory)
      : checkpoint_(checkpoint::Checkpoint::open(directory)),
        config_(checkpoint_->config()),
        type_(config_.at("model_type")) {
    for (const std::string& name : checkpoint_->names()) {
      const tensor::View& view = checkpoint_->at(name);
      Tensor tensor{view.shape, std::vector<float>(static_cast<size_t>(view.elements()))};
      checkpoint::decode_rows(view, 0, checkpoint::row_count(view), tensor.values.data());
      tensors_.emplace(name, std::move(tensor));
    }
  }

  std::string file() {
    static const std::map<std::string, std::string> architectures = {
        {"bloom", "bloom"},
        {"falcon", "falcon"},
        {"gemma", "gemma"},
        {"gemma2", "gemma2"},
        {"gpt2", "gpt2"},
        {"gpt_bigcode", "starcoder"},
        {"gpt_neox", "gptneox"},
        {"llama", "llama"},
        {"mistral", "llama"},
        {"mixtral", "llama"},
        {"mpt", "mpt"},
        {"olmo2", "olmo2"},
        {"phi", "phi2"},
        {"phi3", "phi3"},
        {"qwen2", "qwen2"},
        {"qwen3", "qwen3"},
        {"stablelm", "stablelm"},
        {"starcoder2", "starcoder2"},
        {"t5", "t5"},
    };
    const auto found = architectures.find(type_);
    if (found == architectures.end()) fail("llama.cpp does not convert {}", type_);
    architecture_ = found->second;
    builder_.string("general.architecture", architecture_);
    write_sizes();
    write_options();
    if (rotary()) write_rope();
    stack("block_sparse_moe.experts.");
    stack("_layernorm.norms.");
    for (auto& [name, tensor] : tensors_) write_tensor(name, tensor);
    return builder_.build();
  }

 private:
  bool is(std::initializer_list<const char*> types) const {
    return std::ranges::find(types, type_) != types.end();
  }
  bool rotary() const { return !is({"bloom", "gpt2", "gpt_bigcode", "mpt", "t5"}); }
  bool has(const char* key) const { return config_.contains(key) && !config_[key].is_null(); }
  /// The first of `keys` that config.json has; else what transformers takes for it.
  double number(std::initializer_list<const char*> keys, double otherwise) const {
    for (const char* key : keys) {
      if (has(key)) return config_[key].get<double>();
    }
    return otherwise;
  }
  size_t count(std::initializer_list<const char*> keys, size_t otherwise = 0) const {
    return static_cast<size_t>(number(keys, static_cast<double>(otherwise)));
  }
  size_t hidden() const { return count({"hidden_size", "n_embd", "n_embed", "d_model"}); }
  size_t heads() const { return count({"num_attention_heads", "n_head", "n_heads", "num_heads"}); }
  size_t head_dim() const { return count({"head_dim", "d_kv"}, hidden() / heads()); }
  size_t kv_heads() const {
    // transformers writes num_kv_heads for models that have one, too.
    const bool one = is({"falcon"}) && !config_.value("new_decoder_architecture", false);
    return one || is({"gpt_bigcode"}) ? 1 : count({"num_kv_heads", "num_key_value_heads"}, heads());
  }

  void write(const std::string& key, size_t value) {
    builder_.value(architecture_ + "." + key, GgufType::u32, static_cast<uint32_t>(value));
  }
  void write(const std::string& key, float value) {
    builder_.value(architecture_ + "." + key, GgufType::f32, value);
  }
  void write(const std::string& key, bool value) {
    builder_.value(architecture_ + "." + key, GgufType::boolean, static_cast<uint8_t>(value));
  }

  void write_sizes() {
    write("block_count", count({"num_hidden_layers", "n_layer", "n_layers", "num_layers"}));
    write("context_length", is({"falcon"}) ? size_t{2048}
                                           : count({"max_position_embeddings", "n_positions",
                                                    "max_seq_len", "seq_length"},
                                                   is({"t5"}) ? 512 : hidden()));
    write("embedding_length", hidden());
    write("feed_forward_length", is({"bloom", "falcon", "gpt2", "gpt_bigcode", "mpt", "phi"})
                                     ? 4 * hidden()
                                     : count({"intermediate_size", "d_ff"}));
    write("attention.head_count", heads());
    if (!is({"gpt2", "gpt_neox", "mpt", "t5"})) write("attention.head_count_kv", kv_heads());
    if (has("head_dim") || has("d_kv") || is({"gemma", "gemma2"})) {
      write("attention.key_length", head_dim());
      write("attention.value_length", head_dim());
    }
    const double rms = is({"mixtral", "olmo2", "phi3"}) ? 1e-5 : 1e-6;
    if (is({"t5"})) {
      write("attention.layer_norm_rms_epsilon",
            static_cast<float>(number({"layer_norm_epsilon"}, 1e-6)));
    } else if (is({"gemma", "gemma2", "llama", "mistral", "mixtral", "olmo2", "phi3", "qwen2",
                   "qwen3"})) {
      write("attention.layer_norm_rms_epsilon", static_cast<float>(number({"rms_norm_eps"}, rms)));
    } else {
      write("attention.layer_norm_epsilon",
            static_cast<float>(
                number({"layer_norm_epsilon", "layer_norm_eps", "norm_epsilon"}, 1e-5)));
    }
  }

  void write_options() {
    if (is({"gpt_neox"})) {
      write("use_parallel_residual", config_.value("use_parallel_residual", true));
    }
    if (is({"stablelm"})) {
      write("use_parallel_residual", config_.value("use_parallel_residual", false));
    }
    if (is({"phi3"})) write("attention.sliding_window", count({"sliding_window"}, 0));
    if (is({"gemma2"})) {
      write("attention.sliding_window", count({"sliding_window"}, 4096));
      write("attn_logit_softcapping", static_cast<float>(number({"attn_logit_softcapping"}, 50)));
      write("final_logit_softcapping", static_cast<float>(number({"final_logit_softcapping"}, 30)));
    }
    if (is({"mixtral"})) {
      write("expert_count", count({"num_local_experts"}));
      write("expert_used_count", count({"num_experts_per_tok"}));
    }
    if (is({"mpt"})) write_mpt_options();
    if (is({"t5"})) {
      write("decoder_block_count", count({"num_decoder_layers"}));
      write("attention.relative_buckets_count", count({"relative_attention_num_buckets"}, 32));
      write("decoder_start_token_id", count({"decoder_start_token_id"}, 0));
    }
  }

  void write_mpt_options() {
    const json attention = config_.value("attn_config", json::object());
    write("attention.max_alibi_bias", attention.value("alibi_bias_max", 8.0f));
    if (attention.contains("clip_qkv") && !attention["clip_qkv"].is_null()) {
      write("attention.clamp_kqv", attention["clip_qkv"].get<float>());
    }
  }

  /// rope_parameters, as transformers makes them of the older spelling.
  json rope_parameters() const {
    json rope = has("rope_parameters") ? config_["rope_parameters"]
                : has("rope_scaling")  ? config_["rope_scaling"]
                                       : json::object();
    if (rope.contains("type")) rope["rope_type"] = rope["type"];
    if (!rope.contains("rope_theta")) {
      rope["rope_theta"] = number({"rope_theta"}, is({"mixtral"}) ? 1e6 : 1e4);
    }
    return rope;
  }

  void write_rope() {
    const json rope = rope_parameters();
    // Converters do not write Falcon's, Gemma's nor GPT-NeoX's base.
    if (!is({"falcon", "gemma", "gemma2", "gpt_neox", "phi"})) {
      write("rope.freq_base", rope["rope_theta"].get<float>());
    }
    double part = is({"gpt_neox", "stablelm"}) ? 0.25 : is({"phi"}) ? 0.5 : 1.0;
    part = number({"partial_rotary_factor", "rotary_pct"}, part);
    part = rope.value("partial_rotary_factor", part);
    if (is({"gpt_neox", "llama", "mistral", "mixtral", "phi", "phi3", "stablelm"})) {
      write("rope.dimension_count", static_cast<size_t>(part * static_cast<double>(head_dim())));
    }
    const std::string type = rope.value("rope_type", "default");
    if (type == "linear" || type == "yarn") {
      builder_.string(architecture_ + ".rope.scaling.type", type);
      write("rope.scaling.factor", rope["factor"].get<float>());
    }
    if (type == "yarn") {
      write("rope.scaling.original_context_length",
            rope["original_max_position_embeddings"].get<size_t>());
      for (const char* key : {"beta_fast", "beta_slow"}) {
        if (rope.contains(key)) {
          write(std::string("rope.scaling.yarn_") + key, rope[key].get<float>());
        }
      }
    }
    if (type == "llama3") write_llama3_factors(rope);
    if (is({"phi3"})) write_longrope(rope);
  }

  void write_vector(const std::string& name, const std::vector<float>& values) {
    builder_.tensor(name, {values.size()}, kF32, checkpoint::test::raw(values));
  }

  void write_llama3_factors(const json& rope) {
    const double factor = rope["factor"];
    const double low = rope["low_freq_factor"];
    const double high = rope["high_freq_factor"];
    const double context = rope["original_max_position_embeddings"];
    std::vector<float> factors;
    for (size_t i = 0; i < head_dim(); i += 2) {
      const double frequency =
          1 / std::pow(rope["rope_theta"].get<double>(),
                       static_cast<double>(i) / static_cast<double>(head_dim()));
      const double wavelength = 2 * std::numbers::pi / frequency;
      const double smooth = (context / wavelength - low) / (high - low);
      factors.push_back(static_cast<float>(wavelength < context / high ? 1.0
                                           : wavelength > context / low
                                               ? factor
                                               : 1 / ((1 - smooth) / factor + smooth)));
    }
    write_vector("rope_freqs.weight", factors);
  }

  void write_longrope(const json& rope) {
    const double original = number({"original_max_position_embeddings"}, 4096);
    write("rope.scaling.original_context_length", static_cast<size_t>(original));
    if (!rope.contains("long_factor")) return;
    const double scale = number({"max_position_embeddings"}, 4096) / original;
    const double attention = scale > 1 ? std::sqrt(1 + std::log(scale) / std::log(original)) : 1.0;
    write("rope.scaling.attn_factor", static_cast<float>(attention));
    write_vector("rope_factors_long.weight", rope["long_factor"].get<std::vector<float>>());
    write_vector("rope_factors_short.weight", rope["short_factor"].get<std::vector<float>>());
  }

  /// Puts the tensors with PART<number>. in their names on top of each other, in their order.
  void stack(const std::string& part) {
    std::map<std::string, std::map<int, std::string>> stacks;
    for (const auto& [name, tensor] : tensors_) {
      const size_t at = name.find(part);
      if (at == std::string::npos) continue;
      const size_t number = at + part.size();
      const size_t end = name.find('.', number);
      stacks[name.substr(0, number - 1) + name.substr(end)]
            [std::stoi(name.substr(number, end - number))] = name;
    }
    for (const auto& [name, members] : stacks) {
      Tensor& all = tensors_[name];
      all.shape = tensors_[members.begin()->second].shape;
      all.shape.insert(all.shape.begin(), std::ssize(members));
      for (const auto& [number, member] : members) {
        const std::vector<float>& values = tensors_[member].values;
        all.values.insert(all.values.end(), values.begin(), values.end());
        tensors_.erase(member);
      }
    }
  }

  void write_tensor(const std::string& name, Tensor& tensor) {
    const std::string stored = gguf_tensor_name(type_, name);
    if (stored.empty()) return;
    if (is({"llama", "mistral", "mixtral"})) {
      if (ends_with(name, {"q_proj.weight", "q_proj.bias"})) interleave_halves(tensor, heads());
      if (ends_with(name, {"k_proj.weight", "k_proj.bias"})) interleave_halves(tensor, kv_heads());
    }
    if (name.find("query_key_value") != std::string::npos) {
      if (is({"bloom", "gpt_neox"})) ungroup(tensor, heads(), 1);
      if (is({"falcon"})) ungroup(tensor, kv_heads(), heads() / kv_heads());
    }
    if (is({"gpt2"}) && ends_with(name, {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"})) {
      transpose(tensor);
    }
    if (is({"gemma", "gemma2"}) && name.ends_with("norm.weight")) {
      for (float& value : tensor.values) value += 1;
    }
    const std::vector<uint64_t> extents(tensor.shape.rbegin(), tensor.shape.rend());
    builder_.tensor(stored, extents, kF32, checkpoint::test::raw(tensor.values));
  }

  std::unique_ptr<checkpoint::Checkpoint> checkpoint_;
  json config_;
  std::string type_;
  std::string architecture_;
  std::map<std::string, Tensor> tensors_;
  checkpoint::test::GgufBuilder builder_;
};

}  // namespace

void write_gguf(const std::filesystem::path& directory, const std::filesystem::path& file) {
  write_file(file, Conversion(directory).file());
}

}  // namespace octet::test
