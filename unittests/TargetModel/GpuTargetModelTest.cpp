//===- GpuTargetModelTest.cpp - Models of GPUs ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/GpuTargetModel.h"

#include "gtest/gtest.h"

using namespace attn;

namespace {

TEST(GpuTargetModelTest, NamedModelsAreValid) {
  for (const char *chip : {"sm_80", "sm_86", "sm_89", "sm_90", "sm_120"}) {
    auto model = getGpuTargetModel(chip);
    ASSERT_TRUE(model) << chip;
    EXPECT_EQ(model->validate(), "") << chip;
    EXPECT_EQ(model->chip, chip);
    EXPECT_EQ(model->asyncMmaMacsPerCycle, 0) << chip;
  }
  EXPECT_FALSE(getGpuTargetModel("sm_75"));
  EXPECT_FALSE(getGpuTargetModel("sm_8"));
  EXPECT_FALSE(getGpuTargetModel("a"));
  EXPECT_FALSE(getGpuTargetModel(""));
  EXPECT_EQ(listGpuTargetModels(), "sm_80, sm_86, sm_89, sm_90, sm_120");
}

TEST(GpuTargetModelTest, OnlyTheVariantHasAsynchronousProducts) {
  auto model = getGpuTargetModel("sm_90a");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->chip, "sm_90");
  EXPECT_GT(model->asyncMmaMacsPerCycle, model->mmaMacsPerCycle);
}

TEST(GpuTargetModelTest, RatesComeOutAsTheDataSheetsHaveThem) {
  auto teraFlops = [](const GpuTargetModel &m, double macs) {
    return 2e-3 * macs * m.numSMs * m.clockGHz;
  };
  auto a100 = *getGpuTargetModel("sm_80");
  EXPECT_NEAR(teraFlops(a100, a100.mmaMacsPerCycle), 312, 3);
  EXPECT_NEAR(a100.memoryBytesPerCycle * a100.numSMs * a100.clockGHz, 2039, 1);
  auto h200 = *getGpuTargetModel("sm_90a");
  EXPECT_NEAR(teraFlops(h200, h200.asyncMmaMacsPerCycle), 989, 5);
  auto l40s = *getGpuTargetModel("sm_89");
  EXPECT_NEAR(teraFlops(l40s, l40s.mmaMacsPerCycle), 362, 5);
}

TEST(GpuTargetModelTest, CtaLimitsAreExact) {
  auto model = *getGpuTargetModel("sm_86");
  EXPECT_EQ(model.checkCta({128, 255, 101376}), "");
  EXPECT_EQ(model.checkCta({128, 255, 101377}),
            "expects at most 101376 bytes of shared memory per CTA on sm_86, "
            "but got 101377");
  EXPECT_EQ(model.checkCta({1056, 32, 0}),
            "expects at most 1024 threads per CTA on sm_86, but got 1056");
  EXPECT_EQ(model.checkCta({128, 256, 0}),
            "expects at most 255 registers per thread on sm_86, but got 256");
  EXPECT_EQ(model.checkCta({512, 129, 0}),
            "expects at most 128 registers per thread in a CTA of this size on "
            "sm_86, but got 129");
}

TEST(GpuTargetModelTest, OccupancyIsWhatTheScarcestResourceAllows) {
  auto model = *getGpuTargetModel("sm_80");
  // 16 warps by registers: 128 registers for 512 threads.
  EXPECT_EQ(model.getResidentCtas({128, 128, 0}), 4u);
  // A register more is given as eight.
  EXPECT_EQ(model.getResidentCtas({128, 129, 0}), 3u);
  // The kilobyte that each CTA takes besides: two of 81 KB fit, two of 82 not.
  EXPECT_EQ(model.getResidentCtas({128, 32, 81 * 1024}), 2u);
  EXPECT_EQ(model.getResidentCtas({128, 32, 81 * 1024 + 1}), 1u);
  EXPECT_EQ(model.getResidentCtas({1024, 32, 0}), 2u);
  EXPECT_EQ(model.getResidentCtas({32, 16, 0}), 32u);
  EXPECT_EQ(model.getResidentCtas({128, 32, 164 * 1024}), 0u);
  EXPECT_EQ(getGpuTargetModel("sm_86")->getResidentCtas({1024, 32, 0}), 1u);
}

TEST(GpuTargetModelTest, BudgetIsTheInverseOfOccupancy) {
  auto model = *getGpuTargetModel("sm_90");
  EXPECT_EQ(model.getRegisterBudget(128, 1), 255u);
  EXPECT_EQ(model.getRegisterBudget(128, 3), 168u);
  EXPECT_EQ(model.getRegisterBudget(384, 1), 168u);
  EXPECT_EQ(model.getRegisterBudget(1024, 3), 0u);
  for (unsigned ctas = 2; ctas <= 8; ++ctas) {
    unsigned budget = model.getRegisterBudget(128, ctas);
    EXPECT_EQ(model.getResidentCtas({128, budget, 0}), ctas);
    EXPECT_LT(model.getResidentCtas({128, budget + 1, 0}), ctas);
  }
}

TEST(GpuTargetModelTest, ValidateNamesTheValue) {
  auto model = *getGpuTargetModel("sm_80");
  model.sharedBytesPerSM = 1024;
  EXPECT_EQ(model.validate(), "expects shared memory for at least one CTA on "
                              "an SM, but got 1024");
  model = *getGpuTargetModel("sm_80");
  model.numSMs = 0;
  EXPECT_EQ(model.validate(), "expects at least one SM, but got 0");
  model = *getGpuTargetModel("sm_80");
  model.memoryBytesPerCycle = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(model.validate(), "");
}

} // namespace
