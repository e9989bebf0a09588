//===- TensorMapTest.cpp - What the driver is told of a tensor ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnrt/tensor_map.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

/// A pool of 50 pages of 16 tokens, 4 heads of 128 channels, in bf16, and boxes
/// of half of the channels of a page and head.
struct Given {
  attnrt_map_recipe recipe = {ATTNRT_BF16, 128, {1, 16, 1, 64, 0, 0}};
  attnrt_tensor tensor = {};

  Given() {
    tensor.data = reinterpret_cast<void *>(0x7f0000001000);
    tensor.rank = 4;
    int64_t shape[] = {50, 16, 4, 128};
    int64_t stride[] = {16384, 512, 128, 1};
    std::memcpy(tensor.shape, shape, sizeof(shape));
    std::memcpy(tensor.stride, stride, sizeof(stride));
  }
};

template <class T> std::vector<T> listOf(const T *values, size_t count) {
  return {values, values + count};
}

} // namespace

TEST(TensorMap, SaysWhatTheDriverIsTold) {
  Given given;
  attnrt_map map;
  ASSERT_EQ(ATTNRT_OK, attnrt_describe_map(&given.recipe, &given.tensor, &map));
  EXPECT_EQ(9, map.type); // CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
  EXPECT_EQ(4u, map.rank);
  EXPECT_EQ(0x7f0000001000u, map.base);
  EXPECT_EQ((std::vector<uint64_t>{128, 4, 16, 50, 1}), listOf(map.dim, 5));
  EXPECT_EQ((std::vector<uint64_t>{256, 1024, 32768, 0}),
            listOf(map.stride, 4));
  EXPECT_EQ((std::vector<uint32_t>{64, 1, 16, 1, 1}), listOf(map.box, 5));
  EXPECT_EQ((std::vector<uint32_t>{1, 1, 1, 1, 1}), listOf(map.step, 5));
  EXPECT_EQ(0, map.interleave); // CU_TENSOR_MAP_INTERLEAVE_NONE
  EXPECT_EQ(3, map.swizzle);    // CU_TENSOR_MAP_SWIZZLE_128B
  EXPECT_EQ(2, map.promotion);  // CU_TENSOR_MAP_L2_PROMOTION_L2_128B
  EXPECT_EQ(0, map.fill);       // CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE
}

TEST(TensorMap, HasOtherElementsAndSpans) {
  struct {
    uint32_t dtype, swizzle, box;
    int32_t type, code, promotion;
  } cases[] = {{ATTNRT_F16, 64, 32, 6, 2, 1},
               {ATTNRT_F16, 32, 16, 6, 1, 0},
               {ATTNRT_F8E4M3FN, 128, 128, 0, 3, 2},
               {ATTNRT_F8E5M2, 16, 16, 0, 0, 0}};
  for (const auto &c : cases) {
    Given given;
    given.recipe = {c.dtype, c.swizzle, {1, 16, 1, c.box, 0, 0}};
    attnrt_map map;
    ASSERT_EQ(ATTNRT_OK,
              attnrt_describe_map(&given.recipe, &given.tensor, &map))
        << attnrt_last_message();
    EXPECT_EQ(c.type, map.type);
    EXPECT_EQ(c.code, map.swizzle);
    EXPECT_EQ(c.promotion, map.promotion);
    EXPECT_EQ(c.type ? 256u : 128u, map.stride[0]);
  }
}

TEST(TensorMap, AxesOfOneElementHaveAnyStride) {
  Given given;
  for (int axis : {0, 1, 2}) {
    given.tensor.shape[axis] = 1;
    given.tensor.stride[axis] = axis == 1   ? -7
                                : axis == 0 ? 1
                                            : int64_t(1) << 50;
  }
  attnrt_map map;
  ASSERT_EQ(ATTNRT_OK, attnrt_describe_map(&given.recipe, &given.tensor, &map))
      << attnrt_last_message();
  EXPECT_EQ((std::vector<uint64_t>{128, 1, 1, 1, 1}), listOf(map.dim, 5));
  EXPECT_EQ((std::vector<uint64_t>{256, 256, 256, 0}), listOf(map.stride, 4));
  given.tensor.shape[3] = 1;
  given.tensor.stride[3] = 7;
  ASSERT_EQ(ATTNRT_OK, attnrt_describe_map(&given.recipe, &given.tensor, &map))
      << attnrt_last_message();
  EXPECT_EQ((std::vector<uint64_t>{16, 16, 16, 0}), listOf(map.stride, 4));
}

TEST(TensorMap, RefusesWhatTheDriverWould) {
  auto expectRefused = [](const std::function<void(Given &)> &change,
                          const std::string &message) {
    Given given;
    change(given);
    attnrt_map map;
    std::memset(&map, 0x5a, sizeof(map));
    attnrt_map before = map;
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_describe_map(&given.recipe, &given.tensor, &map));
    EXPECT_EQ(message, attnrt_last_message());
    EXPECT_EQ(0, std::memcmp(&before, &map, sizeof(map)));
  };
  expectRefused(
      [](Given &g) { g.recipe.dtype = ATTNRT_F32; },
      "expects elements of 8 or 16 bits in a tensor map, but got dtype 2");
  expectRefused([](Given &g) { g.recipe.swizzle = 48; },
                "expects a swizzle of 16, 32, 64 or 128 bytes, but got 48");
  expectRefused([](Given &g) { g.tensor.rank = 6; },
                "expects a tensor of 1 to 5 axes for a tensor map, but got 6");
  expectRefused([](Given &g) { g.tensor.data = reinterpret_cast<void *>(24); },
                "expects a tensor at a multiple of 16 bytes for a tensor map, "
                "but got address 0x18");
  expectRefused([](Given &g) { g.tensor.shape[0] = 0; },
                "expects 1 to 2^32 elements along axis 0 of a tensor map, but "
                "got 0");
  expectRefused([](Given &g) { g.recipe.box[1] = 257; },
                "expects a box of 1 to 256 elements along axis 1, but got 257");
  expectRefused([](Given &g) { g.tensor.stride[3] = 2; },
                "expects elements of the last axis side by side, but got a "
                "stride of 2");
  expectRefused([](Given &g) { g.tensor.stride[1] = 516; },
                "expects a stride of a multiple of 16 bytes below 2^40 along "
                "axis 1, but got 516 elements of 2 bytes");
  expectRefused([](Given &g) { g.tensor.stride[0] = -16384; },
                "expects a stride of a multiple of 16 bytes below 2^40 along "
                "axis 0, but got -16384 elements of 2 bytes");
  expectRefused([](Given &g) { g.recipe.box[3] = 72; },
                "expects a multiple of 16 bytes, at most 128, along the last "
                "axis of a box, but got 144");
  expectRefused([](Given &g) { g.recipe.box[3] = 60; },
                "expects a multiple of 16 bytes, at most 128, along the last "
                "axis of a box, but got 120");
  Given given;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_describe_map(&given.recipe, &given.tensor, nullptr));
}
