// What a model and its steps take on a GPU, told from its description: the one place that knows,
// for those who allocate and those who plan.
#pragma once

#include <cstdint>
#include <span>

#include "linear/gpu_size.h"
#include "model/model.h"
#include "model/size.h"

namespace octet::model {

/// What the buffers of a step depend on.
struct StepExtent {
  int64_t rows = 0;
  int64_t slices = 0;
  int64_t logit_rows = 0;
  int64_t page_stride = 1;  ///< pages of a sequence as long as the context
  int64_t tiles = 0;        ///< of attention
  /// Parts of 256 positions that attention works on side by side, a power of two; 0: rows are not
  /// single ones of a decoder.
  int64_t splits = 0;
  int64_t rotary_positions = 0;  ///< whose angles are needed
  bool single_rows = false;      ///< every slice is one row
  bool sources = false;          ///< slices attend to an encoder's output
};
/// `logit_rows`, `context`: as in Step.
StepExtent extent_of(const Architecture& architecture, std::span<const Slice> slices,
                     int64_t logit_rows, int64_t context, Stack stack);

/// Where a step's data lie, in words of 4 bytes.
struct StepLayout {
  explicit StepLayout(const StepExtent& extent);

  int64_t tokens = 0;
  int64_t slice;
  int64_t position;
  int64_t logit_rows;
  int64_t first_row;
  int64_t slice_rows;
  int64_t source_positions;
  int64_t tiles;
  int64_t pages;
  int64_t source_pages;
  int64_t size;
};

/// Elements of the arrays of a GpuScratch that a step uses, 4 bytes each.
struct GpuStepSizes {
  int64_t hidden = 0;
  int64_t normed = 0;
  int64_t qkv = 0;
  int64_t attention = 0;
  int64_t up = 0;
  int64_t embedded = 0;
  int64_t gathered = 0;
  int64_t logits = 0;
  int64_t partial = 0;
  int64_t attention_counters = 0;
  int64_t rotary = 0;  ///< of cosines, and as many of sines
  int64_t step = 0;

  int64_t bytes() const;
  /// Buffers serve all steps: each array grows to the largest.
  void include(const GpuStepSizes& other);
};
/// `embeds`: the step begins with its tokens' embeddings rather than with a hidden state.
GpuStepSizes gpu_step_sizes(const Architecture& architecture, const StepExtent& extent,
                            bool embeds);

/// The arrays of the linear layers' workspace that a step uses. The GPU has the layers from
/// `first_layer` on (counted as in ModelShape) and the head.
linear::GpuCallSizes gpu_call_sizes(const ModelShape& shape, const StepExtent& extent,
                                    int activation_bits, int64_t first_layer);

/// Bytes of a GpuScratch that are there before any step.
int64_t gpu_fixed_bytes(const Architecture& architecture);

/// The weights in a GPU's layout; total() is GpuWeights::bytes() of a whole model.
ModelBytes gpu_packed_bytes(const ModelShape& shape);

}  // namespace octet::model
