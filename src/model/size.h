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
ModelBytes packed_bytes(const Architecture& architecture, const SizeOptions& options);

/// Bytes of the buffers that a step of `rows` rows, `logit_rows` of them sampled, uses and later
/// steps use again: the Scratch of a forward pass, but for what call_bytes() leaves out. The logits
/// themselves are not in it.
int64_t step_bytes(const Architecture& architecture, const SizeOptions& options, int64_t rows,
                   int64_t logit_rows);

}  // namespace octet::model
