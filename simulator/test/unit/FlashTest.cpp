//===- FlashTest.cpp - Whole attention kernels ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// test/kernels/flash.cu: cp.async, ldmatrix, mma.sync; flash_hopper.cu: TMA,
// mbarriers, wgmma. They must be right and clean under every schedule and
// completion. What breaks them is found by the mutation suite, test/mutation.
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::mutation;

namespace {

std::string textOf(const char *file) {
  return readOrStop(std::string(PTXSIM_KERNELS) + "/" + file);
}

class FlashTest : public ::testing::TestWithParam<const char *> {};

TEST_P(FlashTest, IsRightAndCleanUnderAllSchedules) {
  for (bool isCausal : {false, true}) {
    AttentionProblem problem(2, 150, 64, isCausal);
    for (const Options &options : allOrders()) {
      Outcome outcome = runFlash(problem, textOf(GetParam()), options);
      ASSERT_EQ(outcome.error, "");
      EXPECT_TRUE(outcome.findings.empty())
          << outcome.findings[0].format(GetParam());
      EXPECT_LE(outcome.worstRow, kAttentionTolerance);
    }
  }
}

TEST_P(FlashTest, RowsAreFoundToBeWrong) {
  // What is compared would show a kernel that forgets one key.
  AttentionProblem problem(2, 150, 64, false);
  problem.k[size_t(5 * problem.channels)] ^= 0x8000;
  Outcome outcome = runFlash(problem, textOf(GetParam()), Options());
  EXPECT_GT(outcome.worstRow, kAttentionTolerance);
}

INSTANTIATE_TEST_SUITE_P(Compilers, FlashTest,
                         ::testing::Values("flash.ptx", "flash_clang.ptx"),
                         [](const auto &info) {
                           return std::string(info.index ? "clang" : "nvcc");
                         });

class FlashHopperTest : public ::testing::TestWithParam<const char *> {};

TEST_P(FlashHopperTest, IsRightAndCleanUnderAllSchedules) {
  // The last rows of a head lie in a box with those of nobody.
  for (bool isCausal : {false, true}) {
    AttentionProblem problem(2, isCausal ? 200 : 330, 128, isCausal);
    for (const Options &options : allOrders()) {
      if (options.completion != Completion::Random && !isCausal) {
        continue;
      }
      Outcome outcome = runFlashHopper(problem, textOf(GetParam()), options);
      ASSERT_EQ(outcome.error, "");
      EXPECT_TRUE(outcome.findings.empty())
          << outcome.findings[0].format(GetParam());
      EXPECT_LE(outcome.worstRow, kAttentionTolerance);
    }
  }
}

TEST_P(FlashHopperTest, RowsAreFoundToBeWrong) {
  AttentionProblem problem(1, 150, 128, false);
  problem.k[size_t(5 * problem.channels)] ^= 0x8000;
  Outcome outcome = runFlashHopper(problem, textOf(GetParam()), Options());
  EXPECT_GT(outcome.worstRow, kAttentionTolerance);
}

INSTANTIATE_TEST_SUITE_P(Compilers, FlashHopperTest,
                         ::testing::Values("flash_hopper.ptx",
                                           "flash_hopper_clang.ptx"),
                         [](const auto &info) {
                           return std::string(info.index ? "clang" : "nvcc");
                         });

} // namespace
