// The kernels a linear layer calls, chosen once when it is packed.
#pragma once

#include "device/cpu_features.h"
#include "ops/epilogue/epilogue.h"
#include "ops/int8_matmul/int8_matmul.h"
#include "ops/matmul16/matmul16.h"
#include "ops/matmul32/matmul32.h"
#include "ops/pack_weights/pack_weights.h"
#include "ops/quantize_rows/quantize_rows.h"

namespace octet::linear {

struct Kernels {
  ops::Int8MatmulFunction* int8_matmul = nullptr;
  ops::EpilogueFunction* epilogue = nullptr;
  ops::RowMaximaFunction* row_maxima = nullptr;
  ops::QuantizeRowFunction* quantize_row = nullptr;
  ops::Matmul16Function* matmul16 = nullptr;
  ops::SplitPlanesFunction* split_planes = nullptr;
  ops::Matmul32Function* matmul32 = nullptr;
  // Packing.
  ops::StoredMaximaFunction* stored_maxima = nullptr;
  ops::PackInt8Function* pack_int8 = nullptr;
  ops::Pack16Function* pack16 = nullptr;
  ops::WidenRowFunction* widen_row = nullptr;
  ops::NarrowRowFunction* narrow_row = nullptr;

  /// The best ones for `features`.
  static Kernels choose(const device::CpuFeatures& features);
};

}  // namespace octet::linear
