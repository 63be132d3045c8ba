// Quantising and packing weights, a panel of 16 output columns at a time.
#include "linear/pack.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <vector>

#include "linear/zeropoint.h"

namespace octet::linear {

namespace {

using tensor::DType;

constexpr int64_t kColumns = ops::kPanelColumns;

DType dtype_of(ops::SixteenBit type) {
  return type == ops::SixteenBit::bf16 ? DType::bf16 : DType::f16;
}

/// The rows of W behind one panel.
struct PanelRows {
  int64_t panel;
  int64_t first;
  ops::StoredRows stored;
  const float* row_max;  ///< [stored.count] largest magnitudes
  int thread;
};

int64_t panels_of(const WeightSource& source) {
  return ops::padded(source.outputs, kColumns) / kColumns;
}

/// Reads the weights panel by panel on all threads, from where they are stored if they can be.
class PanelReader {
 public:
  explicit PanelReader(const PackInput& input)
      : input_(input),
        panel_size_(kColumns * input.source.inputs),
        floats_(input.cpu.team().size() * panel_size_) {}

  /// With their maxima, from which it is known that all are finite.
  void for_each(device::FunctionRef<void(const PanelRows&)> function) {
    for_each_unchecked([&](const PanelRows& panel) {
      float row_max[kColumns] = {};
      PanelRows checked = panel;
      checked.row_max = row_max;
      input_.kernels.stored_maxima({.stored = panel.stored, .row_max = row_max});
      check_finite(checked);
      function(checked);
    });
  }

  /// For weights that for_each has gone over before.
  void for_each_unchecked(device::FunctionRef<void(const PanelRows&)> function) {
    input_.cpu.team().for_each(panels_of(input_.source), [&](int64_t panel, int thread) {
      function({.panel = panel,
                .first = panel * kColumns,
                .stored = stored(panel, thread),
                .row_max = nullptr,
                .thread = thread});
    });
  }

  /// The panel's weights as float, [stored.count][inputs].
  const float* floats(const PanelRows& panel) {
    float* out = floats_.data() + panel.thread * panel_size_;
    if (!input_.source.stored_row) return out;
    for (int64_t i = 0; i < panel.stored.count; ++i) {
      input_.kernels.widen_row({.type = panel.stored.type,
                                .k = panel.stored.k,
                                .row = panel.stored.rows[i],
                                .out = out + i * panel.stored.k});
    }
    return out;
  }

 private:
  ops::StoredRows stored(int64_t panel, int thread) {
    const WeightSource& source = input_.source;
    const int64_t first = panel * kColumns;
    ops::StoredRows stored{.type = source.stored_row ? source.stored_type : DType::f32,
                           .count = std::min(kColumns, source.outputs - first),
                           .k = source.inputs};
    float* read = floats_.data() + thread * panel_size_;
    if (!source.stored_row) source.read_rows(first, stored.count, read);
    for (int64_t i = 0; i < stored.count; ++i) {
      stored.rows[i] = source.stored_row
                           ? source.stored_row(first + i)
                           : reinterpret_cast<const std::byte*>(read + i * source.inputs);
    }
    return stored;
  }

  void check_finite(const PanelRows& panel) const {
    for (int64_t i = 0; i < panel.stored.count; ++i) {
      if (!(panel.row_max[i] <= kLargestActivation)) {
        fail(
            "{}: row {} of the weights holds infinity, NaN or a value beyond 2^126; the "
            "checkpoint is damaged",
            input_.name, panel.first + i);
      }
    }
  }

  const PackInput& input_;
  int64_t panel_size_;
  tensor::Array<float> floats_;
};

/// The largest magnitude and the range of all weights of a matrix.
struct TensorRange {
  float max_magnitude = 0;
  ValueRange range;

  void include(const TensorRange& other) {
    max_magnitude = std::max(max_magnitude, other.max_magnitude);
    range.include(other.range);
  }
};

/// Which of the stacked matrices a row belongs to.
size_t part_of(const WeightSource& source, int64_t row) {
  size_t part = 0;
  for (; part + 1 < source.part_rows.size() && row >= source.part_rows[part]; ++part) {
    row -= source.part_rows[part];
  }
  return part;
}

/// Of each of the stacked matrices.
std::vector<TensorRange> tensor_ranges(const PackInput& input) {
  const std::vector<TensorRange> none(std::max<size_t>(1, input.source.part_rows.size()));
  std::vector<std::vector<TensorRange>> of_thread(static_cast<size_t>(input.cpu.team().size()),
                                                  none);
  PanelReader reader(input);
  reader.for_each([&](const PanelRows& panel) {
    std::vector<TensorRange>& mine = of_thread[static_cast<size_t>(panel.thread)];
    const float* rows = reader.floats(panel);
    const int64_t inputs = input.source.inputs;
    for (int64_t i = 0; i < panel.stored.count; ++i) {
      mine[part_of(input.source, panel.first + i)].include(
          {panel.row_max[i], range_of(rows + i * inputs, inputs)});
    }
  });
  std::vector<TensorRange> all = none;
  for (const std::vector<TensorRange>& one : of_thread) {
    for (size_t part = 0; part < all.size(); ++part) all[part].include(one[part]);
  }
  return all;
}

/// Packs the codes of an int8 method.
class CodePacker {
 public:
  CodePacker(const PackInput& input, LinearParts& parts)
      : input_(input),
        reader_(input),
        tensor_wise_(has_tensor_wise_weights(parts.method)),
        zeropoint_(is_zeropoint(parts.method)),
        k_(ops::padded(input.source.inputs, ops::kInt8KStep)),
        n_(panels_of(input.source) * kColumns),
        rows_(zeropoint_ ? input.cpu.team().size() * kColumns * k_ : 0),
        codes_(n_ * k_),
        column_sums_(n_),
        column_scales_(n_),
        column_zeros_(zeropoint_ ? n_ : 0) {}

  void pack(LinearParts& parts) {
    if (tensor_wise_) tensors_ = tensor_ranges(input_);
    reader_.for_each(
        [&](const PanelRows& panel) { zeropoint_ ? pack_zeropoint(panel) : pack_absmax(panel); });
    parts.codes = tensor::Shared<int8_t>(std::move(codes_));
    parts.column_sums = tensor::Shared<int32_t>(std::move(column_sums_));
    parts.column_scales = tensor::Shared<float>(std::move(column_scales_));
    if (zeropoint_) parts.column_zeros = tensor::Shared<int32_t>(std::move(column_zeros_));
  }

 private:
  void pack_absmax(const PanelRows& panel) {
    float* scales = column_scales_.data() + panel.first;
    for (int64_t i = 0; i < panel.stored.count; ++i) {
      scales[i] = tensor_wise_ ? tensor_of(panel.first + i).max_magnitude : panel.row_max[i];
    }
    input_.kernels.pack_int8({.stored = panel.stored,
                              .row_max = scales,
                              .panel = codes_.data() + panel.first * k_,
                              .column_sums = column_sums_.data() + panel.first});
  }

  void pack_zeropoint(const PanelRows& panel) {
    int8_t* codes = rows_.data() + panel.thread * kColumns * k_;  // [16][k_], before packing
    const int64_t inputs = input_.source.inputs;
    const float* rows = reader_.floats(panel);
    for (int64_t i = 0; i < panel.stored.count; ++i) {
      const float* row = rows + i * inputs;
      const quant::ZeropointParams params =
          (tensor_wise_ ? tensor_of(panel.first + i).range : range_of(row, inputs)).params();
      quantize_zeropoint_row(row, inputs, params, codes + i * k_);
      column_scales_[panel.first + i] = params.half_range;
      column_zeros_[panel.first + i] = params.zero;
    }
    ops::pack_int8_panels(codes, k_, panel.stored.count, inputs, codes_.data() + panel.first * k_,
                          column_sums_.data() + panel.first);
  }

  const TensorRange& tensor_of(int64_t row) const { return tensors_[part_of(input_.source, row)]; }

  const PackInput& input_;
  PanelReader reader_;
  bool tensor_wise_;
  bool zeropoint_;
  int64_t k_;
  int64_t n_;
  std::vector<TensorRange> tensors_;
  tensor::Array<int8_t> rows_;
  tensor::Array<int8_t> codes_;
  tensor::Array<int32_t> column_sums_;
  tensor::Array<float> column_scales_;
  tensor::Array<int32_t> column_zeros_;
};

/// Packs every column. Returns nothing when a weight does not fit.
std::optional<tensor::Shared<uint16_t>> pack_all(const PackInput& input, ops::SixteenBit type) {
  const int64_t k = input.source.inputs;
  const int64_t panel_size = ops::padded(k, ops::kMatmul16KStep) * kColumns;
  PanelReader reader(input);
  tensor::Array<uint16_t> panels(panels_of(input.source) * panel_size);
  tensor::Array<uint16_t> rounded(input.cpu.team().size() * kColumns * k);
  std::atomic<bool> fits{true};
  reader.for_each([&](const PanelRows& panel) {
    ops::StoredRows stored = panel.stored;
    if (stored.type != dtype_of(type)) {
      uint16_t* bits = rounded.data() + panel.thread * kColumns * k;
      if (!input.kernels.narrow_row({.type = dtype_of(type),
                                     .k = stored.count * k,
                                     .row = reader.floats(panel),
                                     .out = bits})) {
        fits.store(false, std::memory_order_relaxed);
      }
      stored.type = dtype_of(type);
      for (int64_t i = 0; i < stored.count; ++i) {
        stored.rows[i] = reinterpret_cast<const std::byte*>(bits + i * k);
      }
    }
    input.kernels.pack16({.stored = stored, .panel = panels.data() + panel.panel * panel_size});
  });
  if (!fits.load(std::memory_order_relaxed)) return std::nullopt;
  return tensor::Shared<uint16_t>(std::move(panels));
}

/// Copies the given elements of a row.
template <typename T>
void pick_columns(const std::byte* row, std::span<const int32_t> columns, T* out) {
  for (int32_t column : columns) {
    std::memcpy(out++, row + static_cast<int64_t>(sizeof(T)) * column, sizeof(T));
  }
}

/// Packs some columns. Returns nothing when a weight does not fit.
std::optional<tensor::Shared<uint16_t>> pack_columns(const PackInput& input,
                                                     std::span<const int32_t> columns,
                                                     ops::SixteenBit type) {
  const int64_t k = std::ssize(columns);
  const int64_t panel_size = ops::padded(k, ops::kMatmul16KStep) * kColumns;
  const int threads = input.cpu.team().size();
  PanelReader reader(input);
  tensor::Array<uint16_t> panels(panels_of(input.source) * panel_size);
  tensor::Array<uint16_t> rounded(threads * kColumns * k);
  tensor::Array<float> picked(threads * kColumns * k);
  std::atomic<bool> fits{true};
  reader.for_each_unchecked([&](const PanelRows& panel) {
    const ops::StoredRows& stored = panel.stored;
    uint16_t* bits = rounded.data() + panel.thread * kColumns * k;
    float* values = picked.data() + panel.thread * kColumns * k;
    if (stored.type == dtype_of(type)) {
      for (int64_t i = 0; i < stored.count; ++i) {
        pick_columns(stored.rows[i], columns, bits + i * k);
      }
    } else {
      const float* rows = reader.floats(panel);
      for (int64_t i = 0; i < stored.count; ++i) {
        pick_columns(reinterpret_cast<const std::byte*>(rows + i * input.source.inputs), columns,
                     values + i * k);
      }
      if (!input.kernels.narrow_row(
              {.type = dtype_of(type), .k = stored.count * k, .row = values, .out = bits})) {
        fits.store(false, std::memory_order_relaxed);
      }
    }
    ops::pack_panels16(bits, k, stored.count, k, panels.data() + panel.panel * panel_size);
  });
  if (!fits.load(std::memory_order_relaxed)) return std::nullopt;
  return tensor::Shared<uint16_t>(std::move(panels));
}

}  // namespace

void pack_int8(const PackInput& input, LinearParts& parts) {
  if (input.source.inputs > ops::kInt8MaxK) {
    fail(
        "{}: {} inputs are more than an exact int32 sum of products allows ({}); use --method "
        "bf16, fp16 or fp32",
        input.name, input.source.inputs, ops::kInt8MaxK);
  }
  CodePacker(input, parts).pack(parts);
}

bool pack_sixteen_bit(const PackInput& input, ops::SixteenBit type, LinearParts& parts) {
  std::optional<tensor::Shared<uint16_t>> panels = pack_all(input, type);
  if (!panels) return false;
  parts.panels16 = std::move(*panels);
  parts.sixteen_bit = type;
  return true;
}

void pack_kept_columns(const PackInput& input, std::span<const int32_t> columns,
                       LinearParts& parts) {
  tensor::Array<int32_t> kept(std::ssize(columns));
  std::copy(columns.begin(), columns.end(), kept.begin());
  parts.kept_columns = tensor::Shared<int32_t>(std::move(kept));
  parts.kept_panels = {};
  if (columns.empty()) return;
  parts.sixteen_bit = input.source.sixteen_bit;
  std::optional<tensor::Shared<uint16_t>> panels = pack_columns(input, columns, parts.sixteen_bit);
  if (!panels) {
    parts.sixteen_bit = ops::SixteenBit::bf16;
    panels = pack_columns(input, columns, parts.sixteen_bit);
    OCTET_CHECK(panels.has_value());  // packing admitted no weight beyond bf16
  }
  parts.kept_panels = std::move(*panels);
}

void pack_thirty_two_bit(const PackInput& input, LinearParts& parts) {
  const int64_t panel_size = kColumns * input.source.inputs;
  tensor::Array<float> panels(panels_of(input.source) * panel_size);
  PanelReader reader(input);
  reader.for_each([&](const PanelRows& panel) {
    ops::pack_panels32(reader.floats(panel), input.source.inputs, panel.stored.count,
                       input.source.inputs, panels.data() + panel.panel * panel_size);
  });
  parts.panels32 = tensor::Shared<float>(std::move(panels));
}

}  // namespace octet::linear
