// Reads a checkpoint's weights under their Hugging Face names, whatever the format.
#include "model/load/checkpoint_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "checkpoint/decode.h"
#include "model/load/bitsandbytes.h"
#include "model/load/gguf_model.h"
#include "quant/absmax.h"

namespace octet::model {

using nlohmann::json;

/// One stored matrix and how its rows are to be read.
struct CheckpointReader::Part {
  const tensor::View* view;
  int64_t outputs;
  int64_t inputs;
  bool transposed;
  int64_t paired_head_dim;         ///< GGUF's row order within heads of this size; 0: as it is
  tensor::Shared<float> scales{};  ///< of stored int8 codes, by stored row; empty: no codes

  int64_t stored_row(int64_t row) const {
    return paired_head_dim == 0 ? row : gguf_row(row, paired_head_dim);
  }

  void read(int64_t first, int64_t rows, float* out) const {
    if (!scales.empty()) {
      for (int64_t row = first; row < first + rows; ++row) {
        const int8_t* code = codes(stored_row(row));
        const float scale = scales[stored_row(row)];
        for (int64_t i = 0; i < inputs; ++i) *out++ = quant::dequantize_absmax(code[i], scale);
      }
    } else if (transposed) {
      checkpoint::decode_columns_block(*view, first, rows, out);
    } else if (paired_head_dim == 0) {
      checkpoint::decode_rows(*view, first, rows, out);
    } else {
      for (int64_t i = 0; i < rows; ++i) {
        checkpoint::decode_rows(*view, stored_row(first + i), 1, out + i * inputs);
      }
    }
  }

  void read(int64_t first, int64_t rows, int8_t* out) const {
    for (int64_t row = first; row < first + rows; ++row) {
      out = std::copy_n(codes(stored_row(row)), inputs, out);
    }
  }

  const int8_t* codes(int64_t row) const {
    return reinterpret_cast<const int8_t*>(view->bytes.data()) + row * inputs;
  }
};

namespace {

/// Reads rows [first, first + rows) of parts that are stacked.
template <typename Part, typename Element>
void read_stacked(const std::vector<Part>& parts, int64_t first, int64_t rows, Element* out) {
  int64_t begin = 0;
  for (const Part& each : parts) {
    const int64_t from = std::max(first, begin);
    const int64_t to = std::min(first + rows, begin + each.outputs);
    if (from < to) each.read(from - begin, to - from, out + (from - first) * each.inputs);
    begin += each.outputs;
  }
}

}  // namespace

CheckpointReader::CheckpointReader(const checkpoint::Checkpoint& checkpoint)
    : checkpoint_(checkpoint), int8_(is_bitsandbytes(checkpoint)) {
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

bool CheckpointReader::is_code_matrix(const std::string& name) const {
  const tensor::View* stored = int8_ ? checkpoint_.find(name) : nullptr;
  return stored != nullptr && stored->dtype == tensor::DType::i8;
}

CheckpointReader::Part CheckpointReader::part(const MatrixName& name, int64_t inputs,
                                              int64_t head_dim) const {
  if (is_code_matrix(name.weight)) {
    // bitsandbytes turns GPT-2's transposed weights round.
    return {.view = &checkpoint_.at(name.weight),
            .outputs = name.outputs,
            .inputs = inputs,
            .transposed = false,
            .paired_head_dim = 0,
            .scales = bitsandbytes_scales(checkpoint_, name.weight, {name.outputs, inputs})};
  }
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
  source.read_rows = [parts = std::move(parts)](int64_t first, int64_t rows, float* out) {
    read_stacked(parts, first, rows, out);
  };
  return source;
}

std::optional<linear::CodeSource> CheckpointReader::codes(const LinearNames& names,
                                                          int64_t head_dim) const {
  // Where only some parts are int8 (a skipped k_proj beside q_proj), the layer stays 16-bit.
  if (!std::all_of(names.parts.begin(), names.parts.end(),
                   [this](const MatrixName& name) { return is_code_matrix(name.weight); })) {
    return std::nullopt;
  }
  linear::CodeSource source{.outputs = names.outputs(), .inputs = names.inputs};
  source.scales = tensor::Array<float>(source.outputs);
  std::vector<Part> parts;
  float* scale = source.scales.data();
  for (const MatrixName& name : names.parts) {
    parts.push_back(part(name, names.inputs, head_dim));
    const Part& each = parts.back();
    for (int64_t i = 0; i < each.outputs; ++i) *scale++ = each.scales[each.stored_row(i)];
  }
  source.read_rows = [parts = std::move(parts)](int64_t first, int64_t rows, int8_t* out) {
    read_stacked(parts, first, rows, out);
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
