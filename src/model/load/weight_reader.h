// Where a model's weights come from while it is packed, under their Hugging Face names.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "linear/linear.h"
#include "model/architecture.h"
#include "model/config.h"
#include "tensor/owner.h"

namespace octet::model {

class WeightReader {
 public:
  WeightReader() = default;
  virtual ~WeightReader() = default;
  WeightReader(const WeightReader&) = delete;
  WeightReader& operator=(const WeightReader&) = delete;

  /// Valid as long as the reader; its file is the one to name in messages.
  virtual const Config& config() const = 0;

  /// The stacked matrix of a fused layer. The source refers to this reader. Throws Error when a
  /// tensor is missing or of the wrong shape.
  virtual linear::WeightSource source(const LinearNames& names, int64_t head_dim) const = 0;
  /// True when the checkpoint itself decides which layers are int8: those that has_codes().
  virtual bool quantised() const { return false; }
  /// Whether all parts of the layer are stored as int8 weights.
  virtual bool has_codes(const LinearNames& names) const {
    (void)names;
    return false;
  }
  /// The stacked int8 weights of a layer that has_codes(); source() gives the weights that they
  /// stand for. The source refers to this reader. Throws Error like source().
  virtual linear::CodeSource codes(const LinearNames& names, int64_t head_dim) const {
    (void)head_dim;
    OCTET_CHECK(has_codes(names));
    return {};
  }
  /// The stacked biases; parts without one give zeros; empty when no part has one.
  virtual tensor::Array<float> bias(const LinearNames& names, int64_t head_dim) const = 0;
  virtual tensor::Array<float> vector(const std::string& name, int64_t size) const = 0;
  virtual tensor::Array<float> matrix(const std::string& name, int64_t rows,
                                      int64_t columns) const = 0;

  /// Gives the memory of these tensors back; they may be read again.
  virtual void release(const LinearNames& names) const = 0;
  virtual int64_t stored_bytes(const LinearNames& names) const = 0;
};

}  // namespace octet::model
