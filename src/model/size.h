// How large a model is, told from its description alone: what loading would pack, what a step
// would need beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "linear/precision.h"
#include "linear/size.h"
#include "model/architecture.h"
#include "model/model.h"

namespace octet::model {

/// The weights as numbers alone, in no program's layout, tied ones once.
struct NumberBytes {
  int64_t float32 = 0;
  int64_t float16 = 0;
  /// The layers' linear weights at one byte, a float32 scale for each of their outputs, everything
  /// else (embeddings, lm_head, norms, biases) at two bytes. No outlier column is counted.
  int64_t int8 = 0;
};
NumberBytes number_bytes(const Architecture& architecture);

/// The share of input columns taken to be kept in 16 bits where no search has found them yet.
/// SmolLM2-135M, whose outliers are many, keeps .65%.
inline constexpr double kAssumedKeptShare = 0.01;

/// How many input columns of an int8 layer are kept in 16 bits: `share` of them, rounded up.
std::function<int64_t(const LinearNames&)> kept_share(double share);

struct SizeOptions {
  linear::Precision precision;
  std::vector<std::string> skip_modules = {"lm_head"};  ///< as in LoadOptions
  std::function<int64_t(const LinearNames&)> kept_columns = kept_share(kAssumedKeptShare);
};

/// A linear layer and what it is packed for.
struct LinearShape {
  linear::LayerShape shape;
  linear::Precision precision;
};

/// What of a model's parts their sizes follow from, in the order in which a step uses them.
struct ModelShape {
  linear::Precision precision;          ///< the model's
  std::vector<LinearShape> embeddings;  ///< the tokens' and, where there is one, the projection
  std::vector<std::vector<LinearShape>> layers;  ///< of the encoder, then of the decoder
  std::vector<LinearShape> head;                 ///< the projection where there is one, lm_head
  bool head_is_shared = false;                   ///< lm_head is the token embedding
  // Numbers in norms and tables of positions.
  int64_t embedding_numbers = 0;  ///< the encoder's last norm among them
  std::vector<int64_t> layer_numbers;
  int64_t head_numbers = 0;
};
/// As loading would make it.
ModelShape shape_of(const Architecture& architecture, const SizeOptions& options);
/// Of a loaded model, with the columns that it keeps.
ModelShape shape_of(const Model& model);

struct WeightBytes {
  linear::LayerBytes linear;
  int64_t float32 = 0;  ///< norms and tables of positions

  int64_t total() const { return linear.total() + float32; }
  WeightBytes& operator+=(const WeightBytes& other);
};

/// The packed weights in the order in which a step uses them; total() is Weights::bytes().
struct ModelBytes {
  WeightBytes embeddings;           ///< tokens, positions, projection, norm; the encoder's norm
  std::vector<WeightBytes> layers;  ///< of the encoder, then of the decoder
  WeightBytes head;                 ///< final norm, projection, lm_head unless it is shared
  linear::LayerBytes shared_head;   ///< of an lm_head that is the token embedding; none: 0

  WeightBytes all() const;
  int64_t total() const { return all().total(); }
};
/// How one linear layer is counted: linear::packed_bytes, or as a GPU has it.
using LayerBytesFunction = std::function<linear::LayerBytes(const LinearShape&)>;
ModelBytes packed_bytes(const ModelShape& shape, const LayerBytesFunction& layer_bytes);
/// On a CPU.
ModelBytes packed_bytes(const ModelShape& shape);

/// Bytes of the buffers that a step of `rows` rows, `logit_rows` of them sampled, uses on a CPU and
/// later steps use again: the Scratch of a forward pass, but for what call_bytes() leaves out. The
/// logits themselves are not in it.
int64_t step_bytes(const Architecture& architecture, const ModelShape& shape, int64_t rows,
                   int64_t logit_rows);

}  // namespace octet::model
