//===- ProblemTest.cpp - What rows see between bounds of lengths ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../src/abi/Problem.h"

#include <gtest/gtest.h>

using namespace attnrt;

/// A window of 4 up to the length in scalar 0; rows of segment 1 see nothing at
/// lengths below 3.
static void window(const attnrt_args *args, const int32_t *seg,
                   const int32_t *coord, int32_t *lo, int32_t *hi, int64_t n) {
  int32_t length = int32_t(args->scalars[0]);
  for (int64_t i = 0; i < n; ++i) {
    bool isEmpty = seg[i] == 1 && length < 3;
    lo[i] = isEmpty ? 0 : std::max(0, length - 4) + coord[i];
    hi[i] = isEmpty ? 0 : length + coord[i];
  }
}

TEST(Problem, HullsOfAllCorners) {
  const uint64_t high = 9, middle = 5, low = 2;
  auto ask = [](std::vector<const uint64_t *> lengths) {
    std::vector<attnrt_args> corners;
    for (const uint64_t *length : lengths) {
      corners.push_back(attnrt_args{});
      corners.back().scalars = length;
    }
    PlannedLaunch launch;
    EXPECT_TRUE(poseFold(launch, {2, 2, 1, 1, 20}, window, corners));
    EXPECT_EQ(4, launch.problem.row_count);
    EXPECT_EQ(corners.size() > 1, launch.problem.sure_lo != nullptr);
    if (corners.size() == 3) { // at 2, 5 and 9; nothing is sure of segment 1
      EXPECT_EQ((std::vector<int32_t>{5, 6, 5, 6}), launch.sureLow);
      EXPECT_EQ((std::vector<int32_t>{2, 3, 0, 0}), launch.sureHigh);
    }
    return std::pair(launch.low, launch.high);
  };
  using Rows = std::vector<int32_t>;
  EXPECT_EQ(std::pair(Rows({5, 6, 5, 6}), Rows({9, 10, 9, 10})), ask({&high}));
  // From the lower end at the smallest length to the upper end at the largest;
  // where the smallest sees nothing it says nothing.
  auto both = std::pair(Rows({0, 1, 5, 6}), Rows({9, 10, 9, 10}));
  EXPECT_EQ(both, ask({&high, &low}));
  EXPECT_EQ(both, ask({&low, &high})); // in any order
  EXPECT_EQ(std::pair(Rows({0, 1, 1, 2}), Rows({9, 10, 9, 10})),
            ask({&middle, &low, &high}));
}

TEST(Problem, NothingToCompute) {
  PlannedLaunch launch;
  std::vector<attnrt_args> corners(1);
  EXPECT_FALSE(poseFold(launch, {0, 2, 1, 1, 20}, window, corners));
  EXPECT_FALSE(poseFold(launch, {2, 0, 1, 1, 20}, window, corners));
  EXPECT_FALSE(posePoints(launch, 0));
  EXPECT_THROW(poseFold(launch, {1 << 20, 1 << 20, 1, 1, 20}, window, corners),
               Failure);
  EXPECT_THROW(poseFold(launch, {1, 1, 1 << 17, 1, 20}, window, corners),
               Failure);
}
