// The numbers of element types that the GGUF reader and writer must agree on.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "tensor/dtype.h"

namespace octet::checkpoint {

inline constexpr uint64_t kGgufDefaultAlignment = 32;

inline constexpr std::array<std::pair<uint32_t, tensor::DType>, 19> kGgufTypes = {{
    {0, tensor::DType::f32},     {1, tensor::DType::f16},   {2, tensor::DType::q4_0},
    {3, tensor::DType::q4_1},    {6, tensor::DType::q5_0},  {7, tensor::DType::q5_1},
    {8, tensor::DType::q8_0},    {10, tensor::DType::q2_k}, {11, tensor::DType::q3_k},
    {12, tensor::DType::q4_k},   {13, tensor::DType::q5_k}, {14, tensor::DType::q6_k},
    {20, tensor::DType::iq4_nl}, {24, tensor::DType::i8},   {25, tensor::DType::i16},
    {26, tensor::DType::i32},    {27, tensor::DType::i64},  {28, tensor::DType::f64},
    {30, tensor::DType::bf16},
}};

}  // namespace octet::checkpoint
