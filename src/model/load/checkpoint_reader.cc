// Reads a checkpoint's weights under their Hugging Face names, whatever the format.
#include "model/load/checkpoint_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "checkpoint/decode.h"
#include "model/load/gguf_model.h"

namespace octet::model {

using nlohmann::json;

/// One stored matrix and how its rows are to be read.
struct CheckpointReader::Part {
  const tensor::View* view;
  int64_t outputs;
  int64_t inputs;
  bool transposed;
  int64_t paired_head_dim;  ///< GGUF's row order within heads of this size; 0: as it is

  void read(int64_t first, int64_t rows, float* out) const {
    if (transposed) {
      checkpoint::decode_columns_block(*view, first, rows, out);
    } else if (paired_head_dim == 0) {
      checkpoint::decode_rows(*view, first, rows, out);
    } else {
      for (int64_t i = 0; i < rows; ++i) {
        checkpoint::decode_rows(*view, stored_index(first + i), 1, out + i * inputs);
      }
    }
  }

  /// True when rows lie in the file as plain numbers that packing can take from there.
  bool is_plain() const {
    const tensor::DType type = view->dtype;
    return !transposed && (type == tensor::DType::f32 || type == tensor::DType::f16 ||
                           type == tensor::DType::bf16);
  }
  const std::byte* stored_row(int64_t row) const {
    return view->bytes.data() + stored_index(row) * view->row_bytes();
  }

 private:
  int64_t stored_index(int64_t row) const {
    return paired_head_dim == 0 ? row : gguf_row(row, paired_head_dim);
  }
};

CheckpointReader::CheckpointReader(const checkpoint::Checkpoint& checkpoint)
    : checkpoint_(checkpoint) {
  const bool gguf = checkpoint.gguf() != nullptr;
  const std::string path = checkpoint.path().string();
  json_ = std::make_unique<json>(gguf ? huggingface_config(*checkpoint.gguf(), path)
                                      : checkpoint.config());
  config_ = std::make_unique<Config>(
      *json_, gguf ? path : (checkpoint.path() / "config.json").string(),
      [this](const std::string& name) { return checkpoint_.contains(stored_name(name)); });
}

CheckpointReader::~CheckpointReader() = default;

std::string CheckpointReader::stored_name(const std::string& name) const {
  return checkpoint_.gguf() != nullptr ? gguf_tensor_name(name) : name;
}

const tensor::View& CheckpointReader::view(const std::string& name,
                                           const tensor::Shape& shape) const {
  return checkpoint_.at(stored_name(name), shape);
}

CheckpointReader::Part CheckpointReader::part(const MatrixName& name, int64_t inputs,
                                              int64_t head_dim) const {
  const tensor::Shape shape =
      name.transposed ? tensor::Shape{inputs, name.outputs} : tensor::Shape{name.outputs, inputs};
  const bool paired = checkpoint_.gguf() != nullptr && gguf_rows_are_paired(name.weight);
  return {&view(name.weight, shape), name.outputs, inputs, name.transposed, paired ? head_dim : 0};
}

linear::WeightSource CheckpointReader::source(const LinearNames& names, int64_t head_dim) const {
  std::vector<Part> parts;
  bool all_bf16 = true;
  for (const MatrixName& name : names.parts) {
    parts.push_back(part(name, names.inputs, head_dim));
    all_bf16 = all_bf16 && parts.back().view->dtype == tensor::DType::bf16;
  }
  linear::WeightSource source;
  source.outputs = names.outputs();
  source.inputs = names.inputs;
  source.sixteen_bit = all_bf16 ? ops::SixteenBit::bf16 : ops::SixteenBit::f16;
  const tensor::DType type = parts.front().view->dtype;
  if (std::all_of(parts.begin(), parts.end(), [type](const Part& each) {
        return each.is_plain() && each.view->dtype == type;
      })) {
    source.stored_type = type;
    source.stored_row = [parts](int64_t row) {
      auto each = parts.begin();
      for (; row >= each->outputs; ++each) row -= each->outputs;
      return each->stored_row(row);
    };
  }
  source.read_rows = [parts = std::move(parts)](int64_t first, int64_t rows, float* out) {
    int64_t begin = 0;
    for (const Part& each : parts) {
      const int64_t from = std::max(first, begin);
      const int64_t to = std::min(first + rows, begin + each.outputs);
      if (from < to) each.read(from - begin, to - from, out + (from - first) * each.inputs);
      begin += each.outputs;
    }
  };
  return source;
}

tensor::Array<float> CheckpointReader::bias(const LinearNames& names, int64_t head_dim) const {
  const bool any = std::any_of(names.parts.begin(), names.parts.end(),
                               [](const MatrixName& part) { return !part.bias.empty(); });
  if (!any) return {};
  tensor::Array<float> bias(names.outputs());
  int64_t begin = 0;
  for (const MatrixName& part : names.parts) {
    if (!part.bias.empty()) {
      const tensor::Array<float> values = vector(part.bias, part.outputs);
      const bool paired = checkpoint_.gguf() != nullptr && gguf_rows_are_paired(part.bias);
      for (int64_t i = 0; i < part.outputs; ++i) {
        bias[begin + i] = values[paired ? gguf_row(i, head_dim) : i];
      }
    }
    begin += part.outputs;
  }
  return bias;
}

tensor::Array<float> CheckpointReader::vector(const std::string& name, int64_t size) const {
  tensor::Array<float> values(size);
  const tensor::View& stored = view(name, {size});
  checkpoint::decode_rows(stored, 0, 1, values.data());
  return values;
}

tensor::Array<float> CheckpointReader::matrix(const std::string& name, int64_t rows,
                                              int64_t columns) const {
  tensor::Array<float> values(rows * columns);
  const tensor::View& stored = view(name, {rows, columns});
  checkpoint::decode_rows(stored, 0, rows, values.data());
  checkpoint_.release(stored);
  return values;
}

void CheckpointReader::release(const LinearNames& names) const {
  for (const MatrixName& part : names.parts) {
    if (const tensor::View* stored = checkpoint_.find(stored_name(part.weight))) {
      checkpoint_.release(*stored);
    }
  }
}

int64_t CheckpointReader::stored_bytes(const LinearNames& names) const {
  int64_t sum = 0;
  for (const MatrixName& part : names.parts) {
    if (const tensor::View* stored = checkpoint_.find(stored_name(part.weight))) {
      sum += static_cast<int64_t>(stored->bytes.size());
    }
  }
  return sum;
}

}  // namespace octet::model
