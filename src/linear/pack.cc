// Quantising and packing weights, a panel of 16 output columns at a time.
#include "linear/pack.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include "linear/zeropoint.h"

namespace octet::linear {

namespace {

constexpr int64_t kColumns = ops::kPanelColumns;

/// The rows of W behind one panel, checked to be finite.
struct PanelRows {
  int64_t panel;
  int64_t first;
  int64_t count;         ///< up to 16
  const float* rows;     ///< [count][inputs]
  const float* row_max;  ///< [count] largest magnitudes
  int thread;
};

int64_t panels_of(const WeightSource& source) {
  return ops::padded(source.outputs, kColumns) / kColumns;
}

/// Reads the weights panel by panel on all threads.
void read_panels(const PackInput& input, device::FunctionRef<void(const PanelRows&)> function) {
  const WeightSource& source = input.source;
  const int64_t panel_size = kColumns * source.inputs;
  tensor::Array<float> rows(input.cpu.team().size() * panel_size);
  input.cpu.team().for_each(panels_of(source), [&](int64_t panel, int thread) {
    const int64_t first = panel * kColumns;
    const int64_t count = std::min(kColumns, source.outputs - first);
    float* panel_rows = rows.data() + thread * panel_size;
    source.read_rows(first, count, panel_rows);
    float row_max[kColumns] = {};
    input.kernels.row_maxima({.x = panel_rows,
                              .x_stride = source.inputs,
                              .rows = count,
                              .columns = source.inputs,
                              .row_max = row_max});
    for (int64_t i = 0; i < count; ++i) {
      if (!(row_max[i] <= kLargestActivation)) {
        fail(
            "{}: row {} of the weights holds infinity, NaN or a value beyond 2^126; the "
            "checkpoint is damaged",
            input.name, first + i);
      }
    }
    function({panel, first, count, panel_rows, row_max, thread});
  });
}

/// The largest magnitude and the range of all weights.
struct TensorRange {
  float max_magnitude = 0;
  ValueRange range;
};

TensorRange tensor_range(const PackInput& input) {
  std::vector<TensorRange> of_thread(static_cast<size_t>(input.cpu.team().size()));
  read_panels(input, [&](const PanelRows& panel) {
    TensorRange& mine = of_thread[static_cast<size_t>(panel.thread)];
    for (int64_t i = 0; i < panel.count; ++i) {
      mine.max_magnitude = std::max(mine.max_magnitude, panel.row_max[i]);
    }
    mine.range.include(range_of(panel.rows, panel.count * input.source.inputs));
  });
  TensorRange all;
  for (const TensorRange& one : of_thread) {
    all.max_magnitude = std::max(all.max_magnitude, one.max_magnitude);
    all.range.include(one.range);
  }
  return all;
}

/// Codes of the rows of one panel, before they are packed: [16][inputs padded to 64].
class CodePacker {
 public:
  CodePacker(const PackInput& input, LinearParts& parts)
      : input_(input),
        tensor_wise_(has_tensor_wise_weights(parts.method)),
        zeropoint_(is_zeropoint(parts.method)),
        k_(ops::padded(input.source.inputs, ops::kInt8KStep)),
        n_(panels_of(input.source) * kColumns),
        rows_(input.cpu.team().size() * kColumns * k_),
        codes_(n_ * k_),
        column_sums_(n_),
        column_scales_(n_),
        column_zeros_(zeropoint_ ? n_ : 0) {}

  void pack(LinearParts& parts) {
    if (tensor_wise_) tensor_ = tensor_range(input_);
    read_panels(input_, [&](const PanelRows& panel) { pack_panel(panel); });
    parts.codes = tensor::Shared<int8_t>(std::move(codes_));
    parts.column_sums = tensor::Shared<int32_t>(std::move(column_sums_));
    parts.column_scales = tensor::Shared<float>(std::move(column_scales_));
    if (zeropoint_) parts.column_zeros = tensor::Shared<int32_t>(std::move(column_zeros_));
  }

 private:
  void pack_panel(const PanelRows& panel) {
    int8_t* codes = rows_.data() + panel.thread * kColumns * k_;
    const int64_t inputs = input_.source.inputs;
    for (int64_t i = 0; i < panel.count; ++i) {
      const float* row = panel.rows + i * inputs;
      const int64_t n = panel.first + i;
      if (zeropoint_) {
        const quant::ZeropointParams params =
            (tensor_wise_ ? tensor_.range : range_of(row, inputs)).params();
        quantize_zeropoint_row(row, inputs, params, codes + i * k_);
        column_scales_[n] = params.half_range;
        column_zeros_[n] = params.zero;
      } else {
        const float c = tensor_wise_ ? tensor_.max_magnitude : panel.row_max[i];
        input_.kernels.quantize_row({.x = row,
                                     .columns = inputs,
                                     .padded_columns = k_,
                                     .row_max = c,
                                     .codes = codes + i * k_});
        column_scales_[n] = c;
      }
    }
    ops::pack_int8_panels(codes, k_, panel.count, inputs, codes_.data() + panel.first * k_,
                          column_sums_.data() + panel.first);
  }

  const PackInput& input_;
  bool tensor_wise_;
  bool zeropoint_;
  int64_t k_;
  int64_t n_;
  TensorRange tensor_;
  tensor::Array<int8_t> rows_;
  tensor::Array<int8_t> codes_;
  tensor::Array<int32_t> column_sums_;
  tensor::Array<float> column_scales_;
  tensor::Array<int32_t> column_zeros_;
};

/// Packs the given columns (empty: all) of every row. Returns nothing when a weight does not fit.
std::optional<tensor::Shared<uint16_t>> pack_columns(const PackInput& input, ops::SixteenBit type,
                                                     const std::span<const int32_t>* columns) {
  const int64_t k = columns ? std::ssize(*columns) : input.source.inputs;
  const int64_t panel_size = ops::padded(k, ops::kMatmul16KStep) * kColumns;
  const int threads = input.cpu.team().size();
  tensor::Array<uint16_t> panels(panels_of(input.source) * panel_size);
  tensor::Array<uint16_t> rounded(threads * kColumns * k);
  tensor::Array<float> picked(columns ? threads * kColumns * k : 0);
  std::atomic<bool> fits{true};
  read_panels(input, [&](const PanelRows& panel) {
    const float* rows = panel.rows;
    if (columns != nullptr) {
      float* to = picked.data() + panel.thread * kColumns * k;
      rows = to;
      for (int64_t i = 0; i < panel.count; ++i) {
        for (int32_t column : *columns) *to++ = panel.rows[i * input.source.inputs + column];
      }
    }
    uint16_t* bits = rounded.data() + panel.thread * kColumns * k;
    if (!round_to_sixteen_bit(rows, panel.count * k, type, bits)) {
      fits.store(false, std::memory_order_relaxed);
    }
    ops::pack_panels16(bits, k, panel.count, k, panels.data() + panel.panel * panel_size);
  });
  if (!fits.load(std::memory_order_relaxed)) return std::nullopt;
  return tensor::Shared<uint16_t>(std::move(panels));
}

/// The f16 bits of a finite value without a branch, so that a loop over it becomes vector code.
uint16_t f16_bits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
  // One unit in the last place of 0.5 is 2^-24, f16's smallest step: adding 0.5 rounds to it.
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t rounded = magnitude < 0x38800000u ? subnormal : normal;
  return static_cast<uint16_t>(((bits >> 16) & 0x8000u) | rounded);
}

}  // namespace

bool round_to_sixteen_bit(const float* values, int64_t count, ops::SixteenBit type, uint16_t* out) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t magnitude = std::bit_cast<uint32_t>(values[i]) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  if (type == ops::SixteenBit::f16) {
    if (largest >= 0x477ff000u) return false;  // 65520 rounds to infinity
    for (int64_t i = 0; i < count; ++i) out[i] = f16_bits(values[i]);
    return true;
  }
  if (largest >= 0x7f7f8000u) return false;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    out[i] = static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
  return true;
}

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
  std::optional<tensor::Shared<uint16_t>> panels = pack_columns(input, type, nullptr);
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
  std::optional<tensor::Shared<uint16_t>> panels = pack_columns(input, parts.sixteen_bit, &columns);
  if (!panels) {
    parts.sixteen_bit = ops::SixteenBit::bf16;
    panels = pack_columns(input, parts.sixteen_bit, &columns);
    OCTET_CHECK(panels.has_value());  // read_panels admits no weight beyond bf16
  }
  parts.kept_panels = std::move(*panels);
}

void pack_thirty_two_bit(const PackInput& input, LinearParts& parts) {
  const int64_t panel_size = kColumns * input.source.inputs;
  tensor::Array<float> panels(panels_of(input.source) * panel_size);
  read_panels(input, [&](const PanelRows& panel) {
    ops::pack_panels32(panel.rows, input.source.inputs, panel.count, input.source.inputs,
                       panels.data() + panel.panel * panel_size);
  });
  parts.panels32 = tensor::Shared<float>(std::move(panels));
}

}  // namespace octet::linear
