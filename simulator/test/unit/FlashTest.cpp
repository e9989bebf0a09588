//===- FlashTest.cpp - A whole attention kernel ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// test/kernels/flash.cu: cp.async, ldmatrix, mma.sync. It must be right and
// clean under every schedule and completion. What breaks it is found by the
// mutation suite, test/mutation.
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::mutation;

namespace {

std::string flash() {
  return readFile(std::string(PTXSIM_KERNELS) + "/flash.ptx");
}

TEST(FlashTest, IsRightAndCleanUnderAllSchedules) {
  for (bool isCausal : {false, true}) {
    AttentionProblem problem(2, 150, 64, isCausal);
    for (const Options &options : allOrders()) {
      Outcome outcome = runFlash(problem, flash(), options);
      ASSERT_EQ(outcome.error, "");
      EXPECT_TRUE(outcome.findings.empty())
          << outcome.findings[0].format("flash.ptx");
      EXPECT_LE(outcome.worstRow, kAttentionTolerance);
    }
  }
}

TEST(FlashTest, RowsAreFoundToBeWrong) {
  // What is compared would show a kernel that forgets one key.
  AttentionProblem problem(2, 150, 64, false);
  problem.k[size_t(5 * problem.channels)] ^= 0x8000;
  Outcome outcome = runFlash(problem, flash(), Options());
  EXPECT_GT(outcome.worstRow, kAttentionTolerance);
}

} // namespace
