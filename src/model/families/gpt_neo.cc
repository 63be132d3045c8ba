// GPT-Neo: GPT-2's blocks with unscaled scores and attention that is local in every other layer.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/families/families.h"
#include "model/families/naming.h"

namespace octet::model {

namespace {

using Json = nlohmann::json;

/// "global" or "local" for each layer: attention_types holds pairs of a list and how often it
/// repeats.
std::vector<std::string> attention_types(const Config& config, int64_t layers) {
  std::vector<std::string> types;
  const Json groups = config.has("attention_types") ? config.json().at("attention_types")
                                                    : Json::parse(R"([[["global", "local"], 12]])");
  const auto damaged = [&] { fail("{}: \"attention_types\" is damaged", config.file()); };
  if (!groups.is_array()) damaged();
  for (const Json& group : groups) {
    if (!group.is_array() || group.size() != 2 || !group[0].is_array() ||
        !group[1].is_number_unsigned() || group[1].get<uint64_t>() > 10000) {
      damaged();
    }
    for (uint64_t i = 0; i < group[1].get<uint64_t>() && std::ssize(types) <= layers; ++i) {
      for (const Json& type : group[0]) {
        if (!type.is_string()) damaged();
        types.push_back(type.get<std::string>());
      }
    }
  }
  if (std::ssize(types) != layers) {
    fail("{}: \"attention_types\" names other than the {} layers there are", config.file(), layers);
  }
  return types;
}

std::vector<int64_t> windows(const Config& config, int64_t layers) {
  const int64_t window = config.count_or("window_size", 256);
  std::vector<int64_t> windows;
  for (const std::string& type : attention_types(config, layers)) {
    if (type != "global" && type != "local") {
      fail("{}: attention type \"{}\" is not supported (known: global, local)", config.file(),
           type);
    }
    windows.push_back(type == "local" ? window : 0);
  }
  return windows;
}

}  // namespace

Architecture describe_gpt_neo(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.count("vocab_size");
  a.hidden_size = a.embedding_size = config.count("hidden_size");
  a.layers = config.layer_count({"num_layers", "num_hidden_layers"});
  a.heads = a.kv_heads = config.count_any({"num_heads", "num_attention_heads"});
  a.head_dim = equal_head_dim(a);
  a.intermediate_size = config.count_or("intermediate_size", 4 * a.hidden_size);
  a.max_positions = config.count("max_position_embeddings");
  a.norm = NormKind::layer;
  a.norm_epsilon = static_cast<float>(config.number_or("layer_norm_epsilon", 1e-5));
  a.positions = Positions::learned;
  a.activation = config.activation("activation_function", "gelu_new");
  a.attention_scale = 1;
  a.layer_windows = windows(config, a.layers);
  a.end_tokens = config.end_tokens();

  const std::string prefix = config.prefix({"transformer.", ""}, "wte.weight");
  a.names.token_embedding = prefix + "wte.weight";
  a.names.position_embedding = prefix + "wpe.weight";
  a.names.final_norm = norm(prefix + "ln_f", true);
  name_head(a, config, /*tied=*/true);
  name_layers(a, prefix + "h.", [&](LayerNames& names, const std::string& base) {
    const std::string attention = base + "attn.attention.";
    names.attention_norm = norm(base + "ln_1", true);
    names.qkv = by_columns({matrix(attention + "q_proj", a.query_size(), false),
                            matrix(attention + "k_proj", a.query_size(), false),
                            matrix(attention + "v_proj", a.query_size(), false)},
                           a.hidden_size);
    names.attention_output =
        by_rows(matrix(attention + "out_proj", a.hidden_size, true), a.query_size());
    names.feed_forward_norm = norm(base + "ln_2", true);
    names.up = by_columns({matrix(base + "mlp.c_fc", a.intermediate_size, true)}, a.hidden_size);
    names.down = by_rows(matrix(base + "mlp.c_proj", a.hidden_size, true), a.intermediate_size);
  });
  return a;
}

}  // namespace octet::model
