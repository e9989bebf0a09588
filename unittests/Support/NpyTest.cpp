//===- NpyTest.cpp - Files of NumPy arrays --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/Npy.h"

#include "gtest/gtest.h"
#include <random>

using namespace attn;

TEST(Npy, RoundTrips) {
  for (DType dtype :
       {DType::F64, DType::F32, DType::F16, DType::I64, DType::I32, DType::I16,
        DType::U16, DType::I8, DType::U8, DType::I1}) {
    for (const std::vector<int64_t> &shape :
         std::vector<std::vector<int64_t>>{{}, {3}, {2, 0, 4}, {2, 3, 4}}) {
      HostArray array = HostArray::zeros(dtype, shape);
      for (int64_t i = 0; i < array.numElements(); ++i) {
        array.setDouble(i, double(i));
      }
      std::string error, file = formatNpy(array);
      EXPECT_EQ(file.find('\n') % 64, 63u);
      FailureOr<HostArray> read = parseNpy(file, error);
      ASSERT_TRUE(succeeded(read)) << error;
      EXPECT_EQ(read->dtype(), dtype);
      EXPECT_EQ(read->shape(), ArrayRef<int64_t>(shape));
      for (int64_t i = 0; i < array.numElements(); ++i) {
        EXPECT_EQ(read->getDouble(i), array.getDouble(i));
      }
    }
  }
}

TEST(Npy, BFloatAndPackedTravelAsBits) {
  std::string error;
  HostArray brain = HostArray::fromDoubles(DType::BF16, {2}, {1.5, -2});
  FailureOr<HostArray> bits = parseNpy(formatNpy(brain), error);
  ASSERT_TRUE(succeeded(bits)) << error;
  EXPECT_EQ(bits->dtype(), DType::U16);
  EXPECT_EQ(bits->reinterpret(DType::BF16).getDouble(1), -2);

  HostArray packed =
      HostArray::zeros(DType::U8, {2, 2}).reinterpret(DType::I4, 3);
  for (int64_t i = 0; i < 3; ++i) {
    packed.setInt(i, i - 2);
    packed.setInt(4 + i, i + 5);
  }
  bits = parseNpy(formatNpy(packed), error);
  ASSERT_TRUE(succeeded(bits)) << error;
  EXPECT_EQ(bits->shape(), ArrayRef<int64_t>({2, 2}));
  HostArray again = bits->reinterpret(DType::I4, 3);
  EXPECT_EQ(again.at({0, 0}), -2);
  EXPECT_EQ(again.at({0, 2}), 0);
  EXPECT_EQ(again.at({1, 2}), 7);
}

TEST(Npy, NoBytesEndTheProgram) {
  HostArray array = HostArray::zeros(DType::F32, {4, 4});
  std::string good = formatNpy(array), error;
  std::mt19937 random(3);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string file = good;
    for (int k = random() % 4; k >= 0; --k) {
      // Mostly in the text of the header.
      size_t at = random() % (random() % 4 ? 80 : file.size());
      const char *likely = "{}()',:<>0123456789fiubTrueFals \n\xff";
      file[at] = random() % 2 ? likely[random() % 36] : char(random());
    }
    if (random() % 8 == 0) {
      file.resize(random() % (file.size() + 1));
    }
    error.clear();
    FailureOr<HostArray> read = parseNpy(file, error);
    refused += failed(read);
    EXPECT_EQ(failed(read), !error.empty());
  }
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 20000);
}
