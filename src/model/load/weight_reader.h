// Reads a checkpoint's weights under their Hugging Face names, whatever the format.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "checkpoint/checkpoint.h"
#include "linear/linear.h"
#include "model/architecture.h"
#include "model/config.h"
#include "tensor/owner.h"

namespace octet::model {

class WeightReader {
 public:
  explicit WeightReader(const checkpoint::Checkpoint& checkpoint);
  ~WeightReader();

  /// Valid as long as the reader; its file is the one to name in messages.
  const Config& config() const { return *config_; }
  bool has(const std::string& name) const;

  /// The stacked matrix of a fused layer. The source refers to this reader. Throws Error when a
  /// tensor is missing or of the wrong shape.
  linear::WeightSource source(const LinearNames& names, int64_t head_dim) const;
  /// A plain matrix [rows, columns] as a source.
  linear::WeightSource source(const std::string& name, int64_t rows, int64_t columns) const;
  /// The stacked biases; parts without one give zeros; empty when no part has one.
  tensor::Array<float> bias(const LinearNames& names, int64_t head_dim) const;
  tensor::Array<float> vector(const std::string& name, int64_t size) const;
  tensor::Array<float> matrix(const std::string& name, int64_t rows, int64_t columns) const;

  /// Gives the memory of these tensors back; they may be read again.
  void release(const LinearNames& names) const;
  void release(const std::string& name) const;
  int64_t stored_bytes(const LinearNames& names) const;

 private:
  struct Part;
  Part part(const MatrixName& name, int64_t inputs, int64_t head_dim) const;
  std::string stored_name(const std::string& name) const;
  const tensor::View& view(const std::string& name, const tensor::Shape& shape) const;

  const checkpoint::Checkpoint& checkpoint_;
  std::unique_ptr<nlohmann::json> json_;
  std::unique_ptr<Config> config_;
};

}  // namespace octet::model
