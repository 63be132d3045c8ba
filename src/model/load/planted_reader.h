// A checkpoint's weights with outlier features planted while they are read.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "model/load/load.h"
#include "model/load/planting.h"
#include "model/load/weight_reader.h"

namespace octet::model {

/// Gives what CheckpointReader would give of the model that plant_outliers() writes, without a
/// file.
class PlantedReader : public WeightReader {
 public:
  /// `reader` must outlive this. Throws Error as plant_outliers() does.
  PlantedReader(const WeightReader& reader, const Architecture& architecture,
                const PlantWhileLoading& plant);

  const Config& config() const override { return reader_.config(); }
  linear::WeightSource source(const LinearNames& names, int64_t head_dim) const override;
  tensor::Array<float> bias(const LinearNames& names, int64_t head_dim) const override {
    return reader_.bias(names, head_dim);
  }
  tensor::Array<float> vector(const std::string& name, int64_t size) const override;
  tensor::Array<float> matrix(const std::string& name, int64_t rows,
                              int64_t columns) const override {
    return reader_.matrix(name, rows, columns);
  }
  void release(const LinearNames& names) const override { reader_.release(names); }
  int64_t stored_bytes(const LinearNames& names) const override {
    return reader_.stored_bytes(names);
  }

 private:
  const WeightReader& reader_;
  PlantWhileLoading plant_;
  std::map<std::string, Planting> plan_;
};

}  // namespace octet::model
