// Names and properties of the methods.
#include "linear/precision.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace octet::linear {

namespace {

constexpr std::array<std::pair<Method, std::string_view>, 11> kMethods = {{
    {Method::fp32, "fp32"},
    {Method::fp16, "fp16"},
    {Method::bf16, "bf16"},
    {Method::absmax, "absmax"},
    {Method::zeropoint, "zeropoint"},
    {Method::absmax_rowwise, "absmax-rowwise"},
    {Method::absmax_vectorwise, "absmax-vectorwise"},
    {Method::zeropoint_vectorwise, "zeropoint-vectorwise"},
    {Method::absmax_rowwise_decomp, "absmax-rowwise-decomp"},
    {Method::llm_int8, "llm-int8"},
    {Method::llm_int8_zeropoint, "llm-int8-zeropoint"},
}};

constexpr std::array<std::pair<OutlierMode, std::string_view>, 3> kOutlierModes = {{
    {OutlierMode::kept, "kept"},
    {OutlierMode::batch, "batch"},
    {OutlierMode::token, "token"},
}};

constexpr auto kMethodValues = [] {
  std::array<Method, kMethods.size()> values{};
  for (size_t i = 0; i < kMethods.size(); ++i) values[i] = kMethods[i].first;
  return values;
}();

}  // namespace

std::span<const Method> all_methods() {
  return kMethodValues;
}

std::string_view name(Method method) {
  return kMethods[static_cast<size_t>(method)].second;
}

std::optional<Method> parse_method(std::string_view text) {
  for (const auto& [method, method_name] : kMethods) {
    if (text == method_name) return method;
  }
  return std::nullopt;
}

std::string_view name(OutlierMode mode) {
  return kOutlierModes[static_cast<size_t>(mode)].second;
}

std::optional<OutlierMode> parse_outlier_mode(std::string_view text) {
  for (const auto& [mode, mode_name] : kOutlierModes) {
    if (text == mode_name) return mode;
  }
  return std::nullopt;
}

bool is_int8(Method method) {
  return method >= Method::absmax;
}

bool is_zeropoint(Method method) {
  return method == Method::zeropoint || method == Method::zeropoint_vectorwise ||
         method == Method::llm_int8_zeropoint;
}

bool has_tensor_wise_weights(Method method) {
  return method == Method::absmax || method == Method::zeropoint ||
         method == Method::absmax_rowwise || method == Method::absmax_rowwise_decomp;
}

bool has_tensor_wise_activations(Method method) {
  return method == Method::absmax || method == Method::zeropoint;
}

bool has_decomposition(Method method) {
  return method == Method::absmax_rowwise_decomp || method == Method::llm_int8 ||
         method == Method::llm_int8_zeropoint;
}

bool depends_on_call(Method method, OutlierMode outliers) {
  return has_tensor_wise_activations(method) ||
         (has_decomposition(method) && outliers == OutlierMode::batch);
}

bool decomposes(const Precision& precision) {
  return has_decomposition(precision.method) && precision.threshold > 0;
}

bool keeps_columns(const Precision& precision) {
  return decomposes(precision) && precision.outliers == OutlierMode::kept;
}

Precision precision_of_kind(const Precision& precision, LayerKind kind) {
  Precision of_kind = precision;
  of_kind.threshold =
      precision.kind_thresholds[static_cast<size_t>(kind)].value_or(precision.threshold);
  return of_kind;
}

std::string thresholds_text(const Precision& precision) {
  std::string text = fmt::format("{}", precision.threshold);
  for (const LayerKind kind : kLayerKinds) {
    const std::optional<float>& own = precision.kind_thresholds[static_cast<size_t>(kind)];
    if (own) text += fmt::format(",{}={}", name(kind), *own);
  }
  return text;
}

bool keeps_columns_of_some_kind(const Precision& precision) {
  return keeps_columns(precision) || std::ranges::any_of(kLayerKinds, [&](LayerKind kind) {
           return keeps_columns(precision_of_kind(precision, kind));
         });
}

}  // namespace octet::linear
