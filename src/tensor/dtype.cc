// Element types a checkpoint may store.
#include "tensor/dtype.h"

#include <array>

namespace octet::tensor {

const DTypeInfo& info(DType dtype) {
  static constexpr std::array<DTypeInfo, 23> table = {{
      {"f64", 1, 8},      {"f32", 1, 4},      {"f16", 1, 2},      {"bf16", 1, 2},
      {"f8_e4m3", 1, 1},  {"f8_e5m2", 1, 1},  {"i64", 1, 8},      {"i32", 1, 4},
      {"i16", 1, 2},      {"i8", 1, 1},       {"u8", 1, 1},       {"bool", 1, 1},
      {"q4_0", 32, 18},   {"q4_1", 32, 20},   {"q5_0", 32, 22},   {"q5_1", 32, 24},
      {"q8_0", 32, 34},   {"q2_k", 256, 84},  {"q3_k", 256, 110}, {"q4_k", 256, 144},
      {"q5_k", 256, 176}, {"q6_k", 256, 210}, {"iq4_nl", 32, 18},
  }};
  return table[static_cast<size_t>(dtype)];
}

bool is_floating(DType dtype) {
  return dtype <= DType::f8_e5m2 || dtype >= DType::q4_0;
}

}  // namespace octet::tensor
