//===- HostArrayTest.cpp - Plain arrays -----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/HostArray.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace attn;

TEST(HostArray, KeepsWhatATypeCanHold) {
  struct {
    DType dtype;
    double given, kept;
  } cases[] = {{DType::F64, 0.1, 0.1},    {DType::F32, 0.1, 0.1f},
               {DType::F16, 2049, 2048},  {DType::BF16, 257, 256},
               {DType::F8E4M3FN, 17, 16}, {DType::F8E5M2, 9, 8},
               {DType::I64, -7, -7},      {DType::I32, -2e9, -2e9},
               {DType::I16, -3, -3},      {DType::U16, 65535, 65535},
               {DType::I8, -128, -128},   {DType::U8, 255, 255},
               {DType::I4, -8, -8},       {DType::I1, 5, 1}};
  for (auto [dtype, given, kept] : cases) {
    HostArray array = HostArray::zeros(dtype, {3});
    array.setDouble(1, given);
    EXPECT_EQ(array.getDouble(0), 0) << dtypeName(dtype).str();
    EXPECT_EQ(array.getDouble(1), kept) << dtypeName(dtype).str();
    EXPECT_EQ(array.getDouble(2), 0) << dtypeName(dtype).str();
  }
}

TEST(HostArray, LargeIntegersAreExact) {
  HostArray array = HostArray::zeros(DType::I64, {1});
  array.setInt(0, (int64_t(1) << 62) + 1);
  EXPECT_EQ(array.getInt(0), (int64_t(1) << 62) + 1);
  array.setDouble(0, NAN);
  EXPECT_EQ(array.getInt(0), 0);
}

TEST(HostArray, PackedRowsStartAtBytes) {
  HostArray bytes = HostArray::zeros(DType::U8, {2, 2});
  const int values[] = {0x21, 0xf3, 0x54, 0x06};
  for (int i = 0; i < 4; ++i) {
    bytes.setInt(i, values[i]);
  }
  HostArray odd = bytes.reinterpret(DType::I4, 3);
  EXPECT_EQ(odd.shape(), ArrayRef<int64_t>({2, 3}));
  EXPECT_EQ(odd.at({0, 0}), 1);
  EXPECT_EQ(odd.at({0, 2}), 3);
  EXPECT_EQ(odd.at({1, 0}), 4);
  EXPECT_EQ(odd.at({1, 2}), 6);
  EXPECT_EQ(bytes.reinterpret(DType::I4).at({0, 3}), -1);
}

TEST(HostArray, StridesAndCopies) {
  HostArray array =
      HostArray::fromDoubles(DType::F16, {2, 3}, {0, 1, 2, 3, 4, 5});
  HostArray turned = array.withLayout({3, 2}, {1, 3});
  EXPECT_FALSE(turned.isRowMajor());
  EXPECT_EQ(turned.at({2, 1}), 5);
  HostArray copy = *turned.copyAs(DType::F32);
  EXPECT_TRUE(copy.isRowMajor());
  EXPECT_EQ(copy.getDouble(1), 3);
  EXPECT_EQ(copy.getDouble(4), 2);
  // A copy has its own bytes; a HostArray copied as a value has not.
  array.setDouble(3, 9);
  EXPECT_EQ(turned.at({0, 1}), 9);
  EXPECT_EQ(copy.getDouble(1), 3);
}

TEST(HostArray, LoadsRunsAndScatteredElements) {
  HostArray array =
      HostArray::fromDoubles(DType::BF16, {6}, {0, 1, 2, 3, 4, 5});
  double out[3];
  loadDoubles(array.dtype(), array.data(), 5, -2, 3, out);
  EXPECT_EQ(ArrayRef<double>(out), ArrayRef<double>({5, 3, 1}));
  int64_t at[] = {4, 0, 4};
  gatherDoubles(array.dtype(), array.data(), at, 3, out);
  EXPECT_EQ(ArrayRef<double>(out), ArrayRef<double>({4, 0, 4}));
}

TEST(HostArray, RefusesImpossibleShapes) {
  EXPECT_FALSE(HostArray::create(DType::F64, {-1}).has_value());
  EXPECT_FALSE(
      HostArray::create(DType::I8, {int64_t(1) << 40, int64_t(1) << 40})
          .has_value());
  // A zero anywhere is no overflow.
  std::optional<HostArray> empty =
      HostArray::create(DType::F64, {int64_t(1) << 40, int64_t(1) << 40, 0});
  ASSERT_TRUE(empty.has_value());
  EXPECT_EQ(empty->numElements(), 0);
  EXPECT_EQ(empty->copyAs(DType::F32)->numElements(), 0);
}

TEST(HostArray, TypesOfMlir) {
  MLIRContext context;
  Builder builder(&context);
  EXPECT_EQ(dtypeOf(builder.getBF16Type()), DType::BF16);
  EXPECT_EQ(dtypeOf(builder.getIndexType()), DType::I64);
  EXPECT_EQ(dtypeOf(builder.getIntegerType(4)), DType::I4);
  EXPECT_EQ(dtypeOf(builder.getI1Type()), DType::I1);
  EXPECT_EQ(dtypeOf(builder.getIntegerType(7)), std::nullopt);
  EXPECT_EQ(dtypeOf(builder.getNoneType()), std::nullopt);
}
