// Element types a checkpoint may store.
#pragma once

#include <cstdint>
#include <string_view>

namespace octet::tensor {

enum class DType : uint8_t {
  f64,
  f32,
  f16,
  bf16,
  f8_e4m3,
  f8_e5m2,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  // GGUF block formats: a row is a whole number of blocks.
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
};

/// How a type is stored: `block_bytes` bytes hold `block_elements` elements (1 for plain types).
struct DTypeInfo {
  std::string_view name;
  int64_t block_elements;
  int64_t block_bytes;
};

const DTypeInfo& info(DType dtype);
inline std::string_view name(DType dtype) {
  return info(dtype).name;
}

/// True for the types whose values can be read as float one by one or block by block.
bool is_floating(DType dtype);

}  // namespace octet::tensor
