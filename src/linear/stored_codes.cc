// Packing int8 weights that are stored as such, without quantising them again.
#include "linear/stored_codes.h"

#include <algorithm>

#include "base/error.h"

namespace octet::linear {

LinearParts pack_stored_codes(device::Cpu& cpu, const CodeSource& source, std::string_view name) {
  OCTET_CHECK(source.outputs > 0 && source.inputs > 0 && source.scales.size() == source.outputs);
  if (source.inputs > ops::kInt8MaxK) {
    fail("{}: {} inputs are more than an exact int32 sum of products allows ({})", name,
         source.inputs, ops::kInt8MaxK);
  }
  constexpr int64_t kColumns = ops::kPanelColumns;
  const int64_t n = ops::padded(source.outputs, kColumns);
  const int64_t k = ops::padded(source.inputs, ops::kInt8KStep);
  tensor::Array<int8_t> codes(n * k);
  tensor::Array<int32_t> sums(n);
  tensor::Array<float> scales(n);
  for (int64_t i = 0; i < source.outputs; ++i) {
    if (!(source.scales[i] >= 0 && source.scales[i] <= kLargestActivation)) {
      fail("{}: the scale of row {} is {}; the checkpoint is damaged", name, i, source.scales[i]);
    }
    scales[i] = source.scales[i];
  }
  const int64_t panel_size = kColumns * source.inputs;
  tensor::Array<int8_t> rows(cpu.team().size() * panel_size);
  cpu.team().for_each(n / kColumns, [&](int64_t panel, int thread) {
    const int64_t first = panel * kColumns;
    const int64_t count = std::min(kColumns, source.outputs - first);
    int8_t* const stored = rows.data() + thread * panel_size;
    source.read_rows(first, count, stored);
    if (std::find(stored, stored + count * source.inputs, int8_t{-128}) !=
        stored + count * source.inputs) {
      fail("{}: a code is -128, which is no absmax quantisation; the checkpoint is damaged", name);
    }
    ops::pack_int8_panels(stored, source.inputs, count, source.inputs, codes.data() + first * k,
                          sums.data() + first);
  });
  LinearParts parts;
  parts.outputs = source.outputs;
  parts.inputs = source.inputs;
  parts.codes = tensor::Shared<int8_t>(std::move(codes));
  parts.column_sums = tensor::Shared<int32_t>(std::move(sums));
  parts.column_scales = tensor::Shared<float>(std::move(scales));
  return parts;
}

}  // namespace octet::linear
