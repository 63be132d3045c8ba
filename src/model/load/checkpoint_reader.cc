// Reads a checkpoint's weights under their Hugging Face names, whatever the format.
#include "model/load/checkpoint_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "checkpoint/decode.h"
#include "model/families/families.h"
#include "model/load/bitsandbytes.h"
#include "model/load/gguf/model.h"
#include "quant/absmax.h"

namespace octet::model {

using nlohmann::json;

/// Where a matrix of q, k or v heads keeps its rows.
struct CheckpointReader::StoredRows {
  int64_t outputs = 0;
  int64_t head_dim = 0;
  bool paired = false;        ///< as GGUF keeps LLaMA's
  int64_t group_queries = 0;  ///< as MatrixName's

  bool in_order() const { return !paired && group_queries == 0; }
  int64_t row(int64_t row) const {
    if (paired) return paired_row(row, head_dim);
    if (group_queries == 0) return row;
    const int64_t group_heads = group_queries + 2;
    const int64_t groups = outputs / (group_heads * head_dim);
    const int64_t head = row / head_dim;
    const int64_t queries = groups * group_queries;
    const bool query = head < queries;
    const int64_t group = query ? head / group_queries : (head - queries) % groups;
    const int64_t member = query ? head % group_queries : group_queries + (head - queries) / groups;
    return (group * group_heads + member) * head_dim + row % head_dim;
  }
};

/// One stored matrix and how its rows are to be read.
struct CheckpointReader::Part {
  tensor::View view;
  int64_t outputs;
  int64_t inputs;
  bool transposed;
  StoredRows stored;
  tensor::Shared<float> scales{};  ///< of stored int8 codes, by stored row; empty: no codes

  void read(int64_t first, int64_t rows, float* out) const {
    if (!scales.empty()) {
      for (int64_t row = first; row < first + rows; ++row) {
        const int8_t* code = codes(stored.row(row));
        const float scale = scales[stored.row(row)];
        for (int64_t i = 0; i < inputs; ++i) *out++ = quant::dequantize_absmax(code[i], scale);
      }
    } else if (transposed) {
      checkpoint::decode_columns_block(view, first, rows, out);
    } else if (stored.in_order()) {
      checkpoint::decode_rows(view, first, rows, out);
    } else {
      for (int64_t i = 0; i < rows; ++i) {
        checkpoint::decode_rows(view, stored.row(first + i), 1, out + i * inputs);
      }
    }
  }

  void read(int64_t first, int64_t rows, int8_t* out) const {
    for (int64_t row = first; row < first + rows; ++row) {
      out = std::copy_n(codes(stored.row(row)), inputs, out);
    }
  }

  const int8_t* codes(int64_t row) const {
    return reinterpret_cast<const int8_t*>(view.bytes.data()) + row * inputs;
  }

  /// True when rows lie in the file as plain numbers that packing can take from there.
  bool is_plain() const {
    const tensor::DType type = view.dtype;
    return !transposed && (type == tensor::DType::f32 || type == tensor::DType::f16 ||
                           type == tensor::DType::bf16);
  }
  const std::byte* stored_row(int64_t row) const {
    return view.bytes.data() + stored.row(row) * view.row_bytes();
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
  std::string file = (checkpoint.path() / "config.json").string();
  if (const checkpoint::Gguf* gguf = checkpoint.gguf()) {
    file = checkpoint.path().string();
    gguf_ = std::make_unique<GgufModel>(*gguf, file);
  }
  json_ = std::make_unique<json>(gguf_ ? gguf_->config() : checkpoint.config());
  config_ = std::make_unique<Config>(
      *json_, file, [this](const std::string& name) { return find(name).has_value(); });
}

CheckpointReader::~CheckpointReader() = default;

Architecture CheckpointReader::describe() const {
  Architecture architecture = describe_architecture(*config_);
  if (gguf_) gguf_->require_all_used(architecture);
  return architecture;
}

std::optional<tensor::View> CheckpointReader::find(const std::string& name) const {
  if (gguf_) return gguf_->find(name);
  const tensor::View* view = checkpoint_.find(name);
  return view == nullptr ? std::nullopt : std::optional(*view);
}

tensor::View CheckpointReader::view(const std::string& name, const tensor::Shape& shape) const {
  return gguf_ ? gguf_->at(name, shape) : checkpoint_.at(name, shape);
}

bool CheckpointReader::is_code_matrix(const std::string& name) const {
  const tensor::View* stored = int8_ ? checkpoint_.find(name) : nullptr;
  return stored != nullptr && stored->dtype == tensor::DType::i8;
}

CheckpointReader::Part CheckpointReader::part(const MatrixName& name, int64_t inputs,
                                              int64_t head_dim) const {
  if (is_code_matrix(name.weight)) {
    // bitsandbytes turns GPT-2's transposed weights round.
    return {.view = checkpoint_.at(name.weight),
            .outputs = name.outputs,
            .inputs = inputs,
            .transposed = false,
            .stored = stored_rows(name, head_dim),
            .scales = bitsandbytes_scales(checkpoint_, name.weight, {name.outputs, inputs})};
  }
  const bool transposed = name.transposed && gguf_ == nullptr;
  const tensor::Shape shape =
      transposed ? tensor::Shape{inputs, name.outputs} : tensor::Shape{name.outputs, inputs};
  return {.view = view(name.weight, shape),
          .outputs = name.outputs,
          .inputs = inputs,
          .transposed = transposed,
          .stored = stored_rows(name, head_dim)};
}

CheckpointReader::StoredRows CheckpointReader::stored_rows(const MatrixName& name,
                                                           int64_t head_dim) const {
  if (gguf_ == nullptr) return {name.outputs, head_dim, false, name.group_queries};
  return {name.outputs, head_dim, gguf_->rows_are_paired(name.weight), 0};
}

linear::WeightSource CheckpointReader::source(const LinearNames& names, int64_t head_dim) const {
  linear::WeightSource source;
  std::vector<Part> parts;
  bool all_bf16 = true;
  for (const MatrixName& name : names.parts) {
    parts.push_back(part(name, names.inputs, head_dim));
    source.part_rows.push_back(name.outputs);
    all_bf16 = all_bf16 && parts.back().view.dtype == tensor::DType::bf16;
  }
  source.outputs = names.outputs();
  source.inputs = names.inputs;
  source.sixteen_bit = all_bf16 ? ops::SixteenBit::bf16 : ops::SixteenBit::f16;
  const tensor::DType type = parts.front().view.dtype;
  if (std::all_of(parts.begin(), parts.end(), [type](const Part& each) {
        return each.is_plain() && each.view.dtype == type;
      })) {
    source.stored_type = type;
    source.stored_row = [parts](int64_t row) {
      auto each = parts.begin();
      for (; row >= each->outputs; ++each) row -= each->outputs;
      return each->stored_row(row);
    };
  }
  source.read_rows = [parts = std::move(parts)](int64_t first, int64_t rows, float* out) {
    read_stacked(parts, first, rows, out);
  };
  return source;
}

bool CheckpointReader::has_codes(const LinearNames& names) const {
  // Where only some parts are int8 (a skipped k_proj beside q_proj), the layer stays 16-bit.
  return std::all_of(names.parts.begin(), names.parts.end(),
                     [this](const MatrixName& name) { return is_code_matrix(name.weight); });
}

linear::CodeSource CheckpointReader::codes(const LinearNames& names, int64_t head_dim) const {
  OCTET_CHECK(has_codes(names));
  linear::CodeSource source{.outputs = names.outputs(), .inputs = names.inputs};
  source.scales = tensor::Array<float>(source.outputs);
  std::vector<Part> parts;
  float* scale = source.scales.data();
  for (const MatrixName& name : names.parts) {
    parts.push_back(part(name, names.inputs, head_dim));
    const Part& each = parts.back();
    for (int64_t i = 0; i < each.outputs; ++i) *scale++ = each.scales[each.stored.row(i)];
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
      const StoredRows stored = stored_rows(part, head_dim);
      for (int64_t i = 0; i < part.outputs; ++i) bias[begin + i] = values[stored.row(i)];
    }
    begin += part.outputs;
  }
  return bias;
}

tensor::Array<float> CheckpointReader::vector(const std::string& name, int64_t size) const {
  tensor::Array<float> values(size);
  const tensor::View stored = view(name, {size});
  checkpoint::decode_rows(stored, 0, 1, values.data());
  return values;
}

tensor::Array<float> CheckpointReader::matrix(const std::string& name, int64_t rows,
                                              int64_t columns) const {
  tensor::Array<float> values(rows * columns);
  const tensor::View stored = view(name, {rows, columns});
  checkpoint::decode_rows(stored, 0, rows, values.data());
  checkpoint_.release(stored);
  return values;
}

void CheckpointReader::release(const LinearNames& names) const {
  for (const MatrixName& part : names.parts) {
    if (const auto stored = find(part.weight)) checkpoint_.release(*stored);
  }
}

int64_t CheckpointReader::stored_bytes(const LinearNames& names) const {
  int64_t sum = 0;
  for (const MatrixName& part : names.parts) {
    if (const auto stored = find(part.weight)) sum += static_cast<int64_t>(stored->bytes.size());
  }
  return sum;
}

}  // namespace octet::model
