// Packs a checkpoint's weights layer by layer, searching the outlier columns on the way.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/forward.h"
#include "model/load/load.h"
#include "model/load/weight_reader.h"

namespace octet::model {

/// One loading of one model. A layer's matrices are read, packed and given back one by one: with
/// the `kept` mode inside a forward pass of fixed pseudo-random tokens, whose activations tell
/// which input columns reach the threshold.
class Packer {
 public:
  Packer(device::Cpu& cpu, const WeightReader& reader, const Architecture& architecture,
         const LoadOptions& options);

  Weights pack();
  const std::vector<KeptShare>& kept() const { return kept_; }

 private:
  /// Stays in 16 or 32 bits, by its description or because the user skips it.
  bool skipped(const LinearNames& names) const;
  linear::Linear pack_linear(const LinearNames& names, bool keep_16bit,
                             const linear::Precision& asked);
  Norm norm(const NormNames& names) const;
  Norm query_key_norm(const std::vector<std::string>& weights, bool bias, int64_t row_size) const;
  void pack_outside(Weights& weights);
  void pack_head(Weights& weights);
  void pack_norms(Weights& weights) const;
  void pack_layers(Weights& weights);
  void search_and_pack_layers(Weights& weights);
  void pack_part(Weights& weights, Stack stack, int64_t index, LinearId id,
                 const tensor::MatrixView<const float>* input);
  void advance(int64_t bytes);

  device::Cpu& cpu_;
  const WeightReader& reader_;
  const Architecture& architecture_;
  const LoadOptions& options_;
  bool search_;
  bool quantised_head_;
  int64_t total_bytes_ = 1;
  int64_t done_bytes_ = 0;
  std::shared_ptr<linear::Linear> head_;  ///< the lm_head when it is not the embedding
  std::vector<KeptShare> kept_;
};

/// Columns of x in which some |value| reaches the threshold, ascending.
std::vector<int32_t> columns_reaching(device::Cpu& cpu, tensor::MatrixView<const float> x,
                                      float threshold);

/// The fixed pseudo-random token ids of the search: the same on every machine.
std::vector<int32_t> search_tokens(int64_t count, int64_t vocabulary_size);

}  // namespace octet::model
