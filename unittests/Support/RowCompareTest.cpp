//===- RowCompareTest.cpp - Comparison row by row -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/RowCompare.h"

#include "gtest/gtest.h"
#include <cmath>

using namespace attn;

static RowComparison compare(ArrayRef<double> got, ArrayRef<double> expected,
                             double rtol) {
  auto array = [](ArrayRef<double> values) {
    int64_t rows = values.size() / 2;
    return HostArray::fromDoubles(DType::F64, {rows, 2}, values);
  };
  return compareRows(array(got), array(expected), rtol);
}

TEST(RowCompare, EachRowHasItsOwnScale) {
  RowComparison result =
      compare({1000, 2000, 1.01, 2}, {1000, 2000, 1, 2}, 1e-3);
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.badRows, 1);
  EXPECT_NEAR(result.maxRowError, 0.005, 1e-12);
  EXPECT_TRUE(compare({1000, 2000, 1.01, 2}, {1000, 2000, 1, 2}, 6e-3).ok);
  // The same error in the large row.
  EXPECT_TRUE(compare({1000.01, 2000, 1, 2}, {1000, 2000, 1, 2}, 1e-3).ok);
}

TEST(RowCompare, ZeroRowsAreExact) {
  EXPECT_TRUE(compare({0, -0.0}, {0, 0}, 0).ok);
  EXPECT_FALSE(compare({0, 1e-300}, {0, 0}, 1e9).ok);
}

TEST(RowCompare, NaNIsAlwaysAFailure) {
  EXPECT_FALSE(compare({NAN, 1}, {1, 1}, 1e9).ok);
  EXPECT_FALSE(compare({1, 1}, {NAN, 1}, 1e9).ok);
  EXPECT_FALSE(compare({NAN, 1}, {NAN, 1}, 1e9).ok);
}

TEST(RowCompare, InfinitiesAreExact) {
  EXPECT_TRUE(compare({-INFINITY, 1}, {-INFINITY, 1}, 0).ok);
  EXPECT_FALSE(compare({INFINITY, 1}, {-INFINITY, 1}, 1e9).ok);
  EXPECT_FALSE(compare({-1e300, 1}, {-INFINITY, 1}, 1e9).ok);
  EXPECT_FALSE(compare({-INFINITY, 1}, {-1, 1}, 1e9).ok);
  // An infinity does not make its row's other elements loose.
  EXPECT_FALSE(compare({INFINITY, 2}, {INFINITY, 1}, 1e-3).ok);
}

TEST(RowCompare, ShapesAndTypes) {
  HostArray half = HostArray::fromDoubles(DType::F16, {2}, {1, 2});
  HostArray wide = HostArray::fromDoubles(DType::F64, {2}, {1, 2});
  EXPECT_TRUE(compareRows(half, wide, 0).ok);
  EXPECT_FALSE(compareRows(half, HostArray::zeros(DType::F64, {2, 1}), 1).ok);
  EXPECT_TRUE(compareRows(HostArray::scalar(DType::F32, 3),
                          HostArray::scalar(DType::F64, 3), 0)
                  .ok);
  EXPECT_TRUE(compareRows(HostArray::zeros(DType::F32, {3, 0}),
                          HostArray::zeros(DType::F64, {3, 0}), 0)
                  .ok);
}
