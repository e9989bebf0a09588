//===- DotCostTest.cpp - In which form a core computes a dot --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/DotCost.h"

#include "gtest/gtest.h"

using namespace attn;

namespace {

/// Keys of 128 channels: a column lies along the depth.
DotProblem scores(bool pairs) {
  DotProblem problem;
  problem.columns = 64;
  problem.depth = 128;
  problem.columnsLieAlongDepth = true;
  problem.converts = !pairs;
  problem.multipliesPairs = pairs;
  return problem;
}

DotProblem values(bool pairs) {
  DotProblem problem = scores(pairs);
  problem.columns = 128;
  problem.depth = 64;
  problem.columnsLieAlongDepth = false;
  return problem;
}

TEST(DotCost, AMatrixUnitTakesAllRowsThatFitItsTiles) {
  DotProblem problem = scores(true);
  EXPECT_EQ(chooseManyRows(problem), DotForm::packed);
  problem.hasMatrixUnit = true;
  EXPECT_EQ(chooseManyRows(problem), DotForm::tiles);
  // Few rows are turned instead of columns that lie along the depth; others
  // are packed whatever the rows are.
  FewRows few = chooseFewRows(problem, 120, 4);
  EXPECT_EQ(few.form, DotForm::turnedTiles);
  EXPECT_EQ(few.rows, 48);
  EXPECT_EQ(chooseFewRows(problem, 8, 4).rows, 8);
  DotProblem shallow = problem;
  shallow.depth = 32;
  EXPECT_EQ(chooseFewRows(shallow, 120, 4).rows, 16);
  DotProblem weighted = values(true);
  weighted.hasMatrixUnit = true;
  EXPECT_EQ(chooseManyRows(weighted), DotForm::tiles);
  EXPECT_EQ(chooseFewRows(weighted, 120, 4).rows, 0);
  for (auto [columns, depth] : {std::pair{56, 128}, std::pair{64, 112}}) {
    problem.columns = columns;
    problem.depth = depth;
    EXPECT_EQ(chooseManyRows(problem), DotForm::packed);
    EXPECT_GT(chooseFewRows(problem, 120, 4).rows, 0);
  }
  DotProblem f32 = scores(false);
  f32.hasMatrixUnit = true;
  EXPECT_EQ(chooseManyRows(f32), DotForm::packed);
}

TEST(DotCost, FewRowsAreNotWorthPacking) {
  for (bool pairs : {false, true}) {
    FewRows few = chooseFewRows(scores(pairs), 120, 4);
    EXPECT_EQ(few.form, DotForm::rowLanes);
    EXPECT_GE(few.rows, 8);
    EXPECT_LT(few.rows, 64);
    few = chooseFewRows(values(pairs), 120, 4);
    EXPECT_EQ(few.form, DotForm::direct);
    EXPECT_GE(few.rows, 8);
    EXPECT_LT(few.rows, 64);
  }
}

TEST(DotCost, MorePackedThanRowsAllow) {
  // Packing is paid once: from some count of rows on it is the cheapest.
  for (const DotProblem &problem : {scores(true), values(false)}) {
    DotForm few = chooseFewRows(problem, 120, 4).form;
    EXPECT_LT(getDotCost(problem, DotForm::packed, 120),
              getDotCost(problem, few, 120));
    EXPECT_GT(getDotCost(problem, DotForm::packed, 8),
              getDotCost(problem, few, 8));
  }
}

TEST(DotCost, NoMoreRowsThanThereAre) {
  EXPECT_LE(chooseFewRows(scores(true), 4, 4).rows, 4);
  EXPECT_LE(chooseFewRows(scores(true), 3, 3).rows, 3);
}

TEST(DotCost, PairsCostHalf) {
  double half = getDotCost(scores(true), DotForm::rowLanes, 8);
  DotProblem f32 = scores(false);
  f32.converts = false;
  EXPECT_DOUBLE_EQ(2 * half, getDotCost(f32, DotForm::rowLanes, 8));
}

TEST(DotCost, SizesMustDivideIntoBlocks) {
  DotProblem odd = scores(false);
  odd.columns = 20;
  EXPECT_EQ(chooseFewRows(odd, 120, 4).rows, 0);
  odd = scores(true);
  odd.depth = 127;
  EXPECT_EQ(chooseFewRows(odd, 120, 4).rows, 0);
  odd = values(true);
  odd.columns = 80; // two registers are 32 columns
  EXPECT_EQ(chooseFewRows(odd, 120, 4).rows, 0);
}

TEST(DotCost, BlocksFitTheRegisters) {
  for (int64_t registers : {16, 32}) {
    DotProblem problem = scores(true);
    problem.registers = registers;
    EXPECT_LT(getRowLanesColumns(problem) + 2, registers);
    EXPECT_LT(2 * getDirectRows(problem) + 4, registers);
  }
  DotProblem narrow = scores(false);
  narrow.lanes = 4;
  EXPECT_EQ(getRowLanes(narrow), 4);
}

} // namespace
