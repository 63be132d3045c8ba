// Names of methods and outlier modes, and what they imply.
#include "linear/precision.h"

#include <gtest/gtest.h>

namespace octet::linear {
namespace {

TEST(Precision, EveryNameIsParsedBack) {
  EXPECT_EQ(all_methods().size(), 11u);
  for (Method method : all_methods()) EXPECT_EQ(parse_method(name(method)), method);
  for (OutlierMode mode : {OutlierMode::kept, OutlierMode::batch, OutlierMode::token}) {
    EXPECT_EQ(parse_outlier_mode(name(mode)), mode);
  }
  EXPECT_EQ(name(Method::absmax_rowwise_decomp), "absmax-rowwise-decomp");
  EXPECT_FALSE(parse_method("int4").has_value());
  EXPECT_FALSE(parse_outlier_mode("").has_value());
}

TEST(Precision, OnlyTensorWiseMethodsAndBatchDependOnTheCall) {
  for (Method method : all_methods()) {
    const bool tensor_wise = method == Method::absmax || method == Method::zeropoint;
    EXPECT_EQ(depends_on_call(method, OutlierMode::kept), tensor_wise);
    EXPECT_EQ(depends_on_call(method, OutlierMode::batch),
              tensor_wise || has_decomposition(method));
  }
  EXPECT_TRUE(keeps_columns({}));
  EXPECT_FALSE(keeps_columns({.threshold = 0}));
  EXPECT_FALSE(keeps_columns({.method = Method::absmax_vectorwise}));
}

TEST(KindThresholds, ReplaceTheThresholdOfTheirKindOnly) {
  Precision precision;
  EXPECT_EQ(thresholds_text(precision), "6");
  precision.kind_thresholds[static_cast<size_t>(LayerKind::down)] = 20.5f;
  precision.kind_thresholds[static_cast<size_t>(LayerKind::qkv)] = 0.0f;
  EXPECT_EQ(thresholds_text(precision), "6,qkv=0,down=20.5");
  EXPECT_EQ(precision_of_kind(precision, LayerKind::down).threshold, 20.5f);
  EXPECT_EQ(precision_of_kind(precision, LayerKind::up).threshold, 6);
  EXPECT_FALSE(keeps_columns(precision_of_kind(precision, LayerKind::qkv)));
  for (const LayerKind kind : kLayerKinds) EXPECT_EQ(parse_layer_kind(name(kind)), kind);
  EXPECT_FALSE(parse_layer_kind("gate").has_value());
}

TEST(KindThresholds, KeepColumnsOfSomeKindWhenTheOthersKeepNone) {
  Precision precision;
  precision.threshold = 0;
  EXPECT_FALSE(keeps_columns_of_some_kind(precision));
  precision.kind_thresholds[static_cast<size_t>(LayerKind::up)] = 6.0f;
  EXPECT_TRUE(keeps_columns_of_some_kind(precision));
  precision.outliers = OutlierMode::token;
  EXPECT_FALSE(keeps_columns_of_some_kind(precision));
}

}  // namespace
}  // namespace octet::linear
