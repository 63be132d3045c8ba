// Reads a checkpoint's weights, whatever the format.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "model/load/weight_reader.h"

namespace octet::model {

class GgufModel;

class CheckpointReader : public WeightReader {
 public:
  explicit CheckpointReader(const checkpoint::Checkpoint& checkpoint);
  ~CheckpointReader() override;

  const Config& config() const override { return *config_; }
  /// The description of the model that the checkpoint holds (describe_architecture); of a GGUF file
  /// it has to use every tensor.
  Architecture describe() const;
  linear::WeightSource source(const LinearNames& names, int64_t head_dim) const override;
  bool quantised() const override { return int8_; }
  bool has_codes(const LinearNames& names) const override;
  linear::CodeSource codes(const LinearNames& names, int64_t head_dim) const override;
  tensor::Array<float> bias(const LinearNames& names, int64_t head_dim) const override;
  tensor::Array<float> vector(const std::string& name, int64_t size) const override;
  tensor::Array<float> matrix(const std::string& name, int64_t rows,
                              int64_t columns) const override;
  void release(const LinearNames& names) const override;
  int64_t stored_bytes(const LinearNames& names) const override;

 private:
  struct StoredRows;
  struct Part;
  StoredRows stored_rows(const MatrixName& name, int64_t head_dim) const;
  Part part(const MatrixName& name, int64_t inputs, int64_t head_dim) const;
  /// True for a matrix of int8 codes.
  bool is_code_matrix(const std::string& name) const;
  std::optional<tensor::View> find(const std::string& name) const;
  tensor::View view(const std::string& name, const tensor::Shape& shape) const;

  const checkpoint::Checkpoint& checkpoint_;
  std::unique_ptr<GgufModel> gguf_;  ///< null for other formats
  bool int8_;                        ///< written by bitsandbytes
  std::unique_ptr<nlohmann::json> json_;
  std::unique_ptr<Config> config_;
};

}  // namespace octet::model
