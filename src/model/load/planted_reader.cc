// A checkpoint's weights with outlier features planted while they are read.
#include "model/load/planted_reader.h"

#include <utility>

namespace octet::model {

PlantedReader::PlantedReader(const WeightReader& reader, const Architecture& architecture,
                             const PlantWhileLoading& plant)
    : reader_(reader), plant_(plant) {
  const std::string& file = reader.config().file();
  if (reader.quantised()) refuse_quantised(file);
  check_dimensions(plant.dimensions, architecture, file);
  plan_ = planting_of(architecture, file);
}

linear::WeightSource PlantedReader::source(const LinearNames& names, int64_t head_dim) const {
  linear::WeightSource source = reader_.source(names, head_dim);
  const auto found = plan_.find(names.parts.front().weight);
  if (found == plan_.end()) return source;
  source.stored_row = {};  // what lies in the file is not what is read
  source.read_rows = [this, read = std::move(source.read_rows), inputs = names.inputs,
                      &planting = found->second,
                      name = found->first](int64_t first, int64_t rows, float* out) {
    read(first, rows, out);
    for (float* row = out; row != out + rows * inputs; row += inputs) {
      for (const int32_t dimension : plant_.dimensions) {
        row[dimension] = planted_value(row[dimension], planting, plant_.gain, name);
      }
    }
  };
  return source;
}

tensor::Array<float> PlantedReader::vector(const std::string& name, int64_t size) const {
  tensor::Array<float> values = reader_.vector(name, size);
  const auto found = plan_.find(name);
  if (found == plan_.end()) return values;
  for (const int32_t dimension : plant_.dimensions) {
    values[dimension] = planted_value(values[dimension], found->second, plant_.gain, name);
  }
  return values;
}

}  // namespace octet::model
