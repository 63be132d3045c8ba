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

}  // namespace
}  // namespace octet::linear
