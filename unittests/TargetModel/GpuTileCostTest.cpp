//===- GpuTileCostTest.cpp - Which tile a fold has on a GPU ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/TileHint.h"

#include "gtest/gtest.h"
#include <cmath>

using namespace attn;

namespace {

TileProblem problemOf(int64_t rows, int64_t scoreChannels,
                      int64_t valueChannels, bool masked = true) {
  TileProblem problem;
  problem.packedRows = rows;
  problem.scoreChannels = scoreChannels;
  problem.valueChannels = valueChannels;
  problem.masked = masked;
  return problem;
}

/// Not at namespace scope: the table of chips is made when the program starts
/// too.
const GpuTargetModel &getModel() {
  static const GpuTargetModel model = *getGpuTargetModel("sm_80");
  return model;
}

TEST(GpuTileCostTest, WarpsGoOverRowsFirst) {
  EXPECT_EQ((GpuTile{64, 64, 4, 2}).getRowWarps(), 4);
  EXPECT_EQ((GpuTile{64, 64, 4, 2}).getColumnWarps(), 1);
  EXPECT_EQ((GpuTile{16, 64, 4, 2}).getRowWarps(), 1);
  EXPECT_EQ((GpuTile{16, 64, 4, 2}).getColumnWarps(), 4);
  EXPECT_EQ((GpuTile{32, 64, 8, 2}).getRowWarps(), 2);
  EXPECT_EQ((GpuTile{32, 64, 8, 2}).getColumnWarps(), 4);
  // Three blocks of 16 rows and four warps: three of them.
  EXPECT_EQ((GpuTile{48, 64, 4, 2}).getRowWarps(), 3);
}

TEST(GpuTileCostTest, NeedsAreWhatBlocksTake) {
  TileProblem problem = problemOf(0, 128, 64, /*masked=*/false);
  CtaNeeds needs = getNeeds(getModel(), problem, {64, 32, 4, 2});
  EXPECT_EQ(needs.threads, 128u);
  // Two places of 32 keys and values, and 64 rows, at 16 bits.
  int64_t blocks = (2 * 32 * (128 + 64) + 64 * 128) * 2;
  EXPECT_GE(needs.sharedBytes, blocks);
  EXPECT_LE(needs.sharedBytes, blocks * 9 / 8);
  // 16 rows of a warp: 64 values and 32 scores in f32, 128 channels in f16.
  unsigned matrices = 16 * (64 + 32) / 32 + 16 * 128 / 64;
  EXPECT_GT(needs.registersPerThread, matrices);
  // A mask takes more; warps beside each other share what one would hold.
  EXPECT_GT(getNeeds(getModel(), problemOf(0, 128, 64), {64, 32, 4, 2})
                .registersPerThread,
            needs.registersPerThread);
  EXPECT_LT(getNeeds(getModel(), problem, {64, 32, 8, 2}).registersPerThread,
            needs.registersPerThread);
}

TEST(GpuTileCostTest, RowsThatFitNoRegistersAreReadAgain) {
  TileProblem wide = problemOf(0, 256, 256);
  EXPECT_FALSE(keepsRows(getModel(), wide, {64, 32, 4, 2}));
  EXPECT_TRUE(keepsRows(getModel(), problemOf(0, 64, 64), {64, 32, 4, 2}));
}

TEST(GpuTileCostTest, WhatPointsReadTakesRegisters) {
  TileProblem problem = problemOf(0, 128, 128), reads = problem;
  reads.pointReads = 2;
  for (GpuTile tile : {GpuTile{64, 64, 4, 2}, GpuTile{16, 64, 4, 2}}) {
    EXPECT_GT(getNeeds(getModel(), reads, tile).registersPerThread,
              getNeeds(getModel(), problem, tile).registersPerThread);
  }
}

TEST(GpuTileCostTest, ChosenTilesFitTheirChip) {
  for (const char *chip : {"sm_80", "sm_86", "sm_89", "sm_90", "sm_120"}) {
    GpuTargetModel model = *getGpuTargetModel(chip);
    for (int64_t rows : {0, 1, 4, 16, 20, 64, 200}) {
      for (int64_t channels : {16, 64, 128, 192, 256}) {
        TileProblem problem = problemOf(rows, channels, channels);
        auto tile = chooseTile(model, problem);
        ASSERT_TRUE(tile) << chip << " " << rows << " " << channels;
        EXPECT_EQ(model.checkCta(getNeeds(model, problem, *tile)), "");
        EXPECT_EQ(tile->rows % kGpuRowStep, 0);
        EXPECT_EQ(tile->cols % kGpuColumnStep, 0);
      }
    }
  }
}

TEST(GpuTileCostTest, FewRowsAreOneBlock) {
  GpuTargetModel model = *getGpuTargetModel("sm_90");
  auto tile = chooseTile(model, problemOf(8, 128, 128));
  ASSERT_TRUE(tile);
  EXPECT_EQ(tile->rows, 16);
  // One warp of 16 rows would leave the SM idle.
  EXPECT_GT(tile->warps, 1);
  // Memory is what there is to wait for: more than one tile is on its way.
  EXPECT_GT(tile->stages, 1);
}

TEST(GpuTileCostTest, WarpsBesideEachOtherRoundUpWhatTheyShare) {
  EXPECT_EQ((GpuTile{64, 64, 4, 2}).getStep(), 16);
  EXPECT_EQ((GpuTile{16, 64, 3, 2}).getStep(), 48);
  EXPECT_EQ((GpuTile{16, 64, 8, 2}).getStep(), 64);
  // 16 keys take the room of 64 where eight warps share them.
  TileProblem problem = problemOf(16, 64, 64);
  EXPECT_EQ(getNeeds(getModel(), problem, {16, 16, 8, 2}).sharedBytes,
            getNeeds(getModel(), problem, {16, 64, 8, 2}).sharedBytes);
}

TEST(GpuTileCostTest, NoProductsHaveACostToo) {
  GpuTargetModel model = *getGpuTargetModel("sm_80");
  auto tile = chooseTile(model, problemOf(0, 0, 0));
  ASSERT_TRUE(tile);
  EXPECT_TRUE(std::isfinite(getTileCost(model, problemOf(0, 0, 0), *tile)));
}

TEST(GpuTileCostTest, WhatIsGivenStays) {
  GpuTargetModel model = *getGpuTargetModel("sm_80");
  auto tile = chooseTile(model, problemOf(0, 64, 64), {32, 48, 2, 3});
  ASSERT_TRUE(tile);
  EXPECT_EQ(tile->rows, 32);
  EXPECT_EQ(tile->cols, 48);
  EXPECT_EQ(tile->warps, 2);
  EXPECT_EQ(tile->stages, 3);
}

TEST(GpuTileCostTest, TilesDivideTheBlocksThatColumnsAreSelectedIn) {
  GpuTargetModel model = *getGpuTargetModel("sm_80");
  for (int64_t block : {16, 48, 64, 24}) {
    TileProblem problem = problemOf(0, 64, 64);
    problem.columnBlock = block;
    auto tile = chooseTile(model, problem);
    ASSERT_TRUE(tile) << block;
    EXPECT_EQ(block % tile->cols, 0) << block << " " << tile->cols;
  }
}

TEST(GpuTileCostTest, NothingFitsIsNoTile) {
  GpuTargetModel model = *getGpuTargetModel("sm_86");
  EXPECT_FALSE(chooseTile(model, problemOf(0, 4096, 4096)));
  EXPECT_TRUE(
      std::isinf(getTileCost(model, problemOf(0, 4096, 4096), {64, 64, 4, 2})));
}

TEST(GpuTileCostTest, ChannelsAreRoundedUpToWhatWarpsShare) {
  GpuTargetModel model = *getGpuTargetModel("sm_80");
  // Four warps beside each other have blocks of 32 channels.
  GpuTile tile{16, 64, 4, 2};
  CtaNeeds few = getNeeds(model, problemOf(16, 72, 72), tile);
  CtaNeeds many = getNeeds(model, problemOf(16, 96, 96), tile);
  EXPECT_EQ(few.registersPerThread, many.registersPerThread);
  EXPECT_EQ(few.sharedBytes, many.sharedBytes);
}

TEST(GpuTileCostTest, WhatIsSuggestedFits) {
  GpuTargetModel model = *getGpuTargetModel("sm_86");
  TileProblem problem = problemOf(64, 64, 64);
  // Places are given up first, what all others follow from last.
  EXPECT_EQ(suggestTile(model, problem, {64, 64, 4, 8}), "'stages' of 2");
  EXPECT_EQ(suggestTile(model, problem, {64, 1024, 4, 8}).substr(0, 6),
            "'tile'");
  EXPECT_EQ(suggestTile(model, problemOf(0, 4096, 4096), {64, 64, 4, 2}), "");
}

TEST(GpuTileCostTest, ColumnsThatManyItemsShareComeFromCache) {
  GpuTargetModel model = *getGpuTargetModel("sm_90");
  GpuTile tile{16, 64, 4, 3};
  double alone = getTileCost(model, problemOf(16, 128, 128), tile);
  double shared = getTileCost(model, problemOf(16 * 16, 128, 128), tile);
  EXPECT_LT(shared, alone);
}

} // namespace
