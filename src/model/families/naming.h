// Shorthand for the tables of weight names: modules of a checkpoint as parts of a description.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/config.h"

namespace octet::model {

/// MODULE.weight [outputs, inputs], with MODULE.bias.
inline MatrixName matrix(const std::string& module, int64_t outputs, bool bias) {
  return {.weight = module + ".weight", .bias = bias ? module + ".bias" : "", .outputs = outputs};
}

/// A fused q/k/v whose rows lie group by group: see MatrixName::group_queries.
inline MatrixName grouped(MatrixName matrix, int64_t group_queries) {
  matrix.group_queries = group_queries;
  return matrix;
}

/// Parts with the same input, each head or feature on one rank of a tensor-parallel group.
inline LinearNames by_columns(std::vector<MatrixName> parts, int64_t inputs) {
  return {std::move(parts), inputs, Split::columns, Storage::as_asked};
}

/// What brings the ranks' shares together again.
inline LinearNames by_rows(MatrixName part, int64_t inputs) {
  return {{std::move(part)}, inputs, Split::rows, Storage::as_asked};
}

inline NormNames norm(const std::string& module, bool bias) {
  return {module + ".weight", bias ? module + ".bias" : ""};
}

/// 1/√head_dim.
inline float usual_attention_scale(const Architecture& a) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(a.head_dim)));
}

/// head_dim of models that divide hidden_size among the heads.
inline int64_t equal_head_dim(const Architecture& a) {
  return a.hidden_size < a.heads ? 1 : a.hidden_size / a.heads;
}

/// Names the head, which is the token embedding when the config, or else the family's default
/// `tied`, says so.
inline void name_head(Architecture& a, const Config& config, bool tied,
                      const std::string& head = "lm_head") {
  a.tied_embeddings = config.flag_or("tie_word_embeddings", tied);
  a.names.lm_head = a.tied_embeddings ? a.names.token_embedding : head + ".weight";
}

/// Calls describe(names, "BASE<index>.") for every layer.
inline void name_layers(Architecture& a, const std::string& base,
                        const std::function<void(LayerNames&, const std::string&)>& describe) {
  a.layer_names.resize(static_cast<size_t>(a.layers));
  for (int64_t i = 0; i < a.layers; ++i) {
    describe(a.layer_names[static_cast<size_t>(i)], base + std::to_string(i) + ".");
  }
}

}  // namespace octet::model
