// Spellings that the safetensors reader and writer must agree on.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "tensor/dtype.h"

namespace octet::checkpoint {

inline constexpr std::string_view kMetadataKey = "__metadata__";
inline constexpr std::string_view kPadPrefix = "__pad.";

inline constexpr std::array<std::pair<std::string_view, tensor::DType>, 12> kSafetensorsTypes = {{
    {"F64", tensor::DType::f64},
    {"F32", tensor::DType::f32},
    {"F16", tensor::DType::f16},
    {"BF16", tensor::DType::bf16},
    {"F8_E4M3", tensor::DType::f8_e4m3},
    {"F8_E5M2", tensor::DType::f8_e5m2},
    {"I64", tensor::DType::i64},
    {"I32", tensor::DType::i32},
    {"I16", tensor::DType::i16},
    {"I8", tensor::DType::i8},
    {"U8", tensor::DType::u8},
    {"BOOL", tensor::DType::boolean},
}};

}  // namespace octet::checkpoint
