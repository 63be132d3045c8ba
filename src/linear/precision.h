// Which arithmetic a model's linear layers use: the methods of Table 1 and the 16/32-bit ones.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "linear/layer_kind.h"

namespace octet::linear {

/// Names on the command line are these with hyphens. fp32 and the eight from absmax on are the rows
/// of LLM.int8()'s Table 1.
enum class Method : uint8_t {
  fp32,
  fp16,
  bf16,
  absmax,
  zeropoint,
  absmax_rowwise,
  absmax_vectorwise,
  zeropoint_vectorwise,
  absmax_rowwise_decomp,
  llm_int8,
  llm_int8_zeropoint,
};

/// How outlier features are found and kept in 16 bits (methods with decomposition only).
/// kept: columns found by a search at load stay 16-bit; other elements that reach the threshold get
///       an extra int8 row (8-bit activations) or simply fit (16-bit activations).
/// batch: the paper's meaning: a column is an outlier when any row of the call reaches α.
/// token: each row's own elements ≥ α, against int8 weights.
enum class OutlierMode : uint8_t { kept, batch, token };

std::span<const Method> all_methods();
std::string_view name(Method method);
std::optional<Method> parse_method(std::string_view text);
std::string_view name(OutlierMode mode);
std::optional<OutlierMode> parse_outlier_mode(std::string_view text);

/// True for the methods that quantise to int8.
bool is_int8(Method method);
/// True for the int8 methods with zero points; the others are symmetrical (absmax).
bool is_zeropoint(Method method);
/// True when one scale serves the whole weight matrix, instead of one per output column.
bool has_tensor_wise_weights(Method method);
/// True when one scale serves all rows of a call, instead of one per row.
bool has_tensor_wise_activations(Method method);
/// True for the methods with mixed-precision decomposition (Sec. 3.2).
bool has_decomposition(Method method);
/// True when a row's result may depend on the other rows of its call (tensor-wise activations,
/// `batch`): those rows must be given to the layer one sequence at a time.
bool depends_on_call(Method method, OutlierMode outliers);

/// α of the kinds of layers that have one of their own, by LayerKind.
using KindThresholds = std::array<std::optional<float>, kLayerKinds.size()>;

struct Precision {
  Method method = Method::llm_int8;
  float threshold = 6.0f;  ///< α; 0 turns decomposition off
  OutlierMode outliers = OutlierMode::kept;
  int activation_bits = 16;  ///< 8 or 16; 16 only with llm_int8
  /// Layers that stay 16-bit: bfloat16 planes their activations are split into. 2 carries 16 bits
  /// of mantissa; 1 is what `--method bf16` means.
  int sixteen_bit_planes = 2;
  /// Of a whole model's layers, instead of `threshold`.
  KindThresholds kind_thresholds = {};
};

/// What a layer of that kind is packed for: `threshold` is its own.
Precision precision_of_kind(const Precision& precision, LayerKind kind);
/// "6" or "6,down=20,qkv=0": the thresholds as --threshold takes them.
std::string thresholds_text(const Precision& precision);
/// True when a layer of some kind, or another layer, keeps_columns().
bool keeps_columns_of_some_kind(const Precision& precision);

/// True when this precision takes outlier features out of the int8 product.
bool decomposes(const Precision& precision);
/// True when it does so with columns found at load, which Linear::keep_columns packs.
bool keeps_columns(const Precision& precision);

}  // namespace octet::linear
