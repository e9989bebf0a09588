//===- RowCopyTest.cpp - Rows that threads copy to shared memory ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Layout/RowCopy.h"

#include "gtest/gtest.h"

using namespace attn;

/// `threads` of each of `columnWarps` of four warps share a row.
static FragmentLayout mover(int64_t rows, int64_t threads,
                            int64_t columnWarps) {
  int64_t perWarp = 32 / threads, rowWarps = 4 / columnWarps;
  return FragmentLayout(
      1, {{rows / (perWarp * rowWarps), 0, perWarp * rowWarps}},
      {{threads, Digit::kReplicated, 0}, {perWarp, 0, 1}},
      {{rowWarps, 0, perWarp}, {columnWarps, Digit::kReplicated, 0}});
}

static std::vector<int64_t> cost(int64_t rows, int64_t rowBytes,
                                 int64_t threads, int64_t columnWarps,
                                 int64_t pieceBytes) {
  RowCopyCost found =
      countRowCopy(mover(rows, threads, columnWarps),
                   *SharedLayout::get(rows, rowBytes), rowBytes, pieceBytes);
  return {found.rows, found.sectors, found.wavefronts};
}

TEST(RowCopy, NumbersThreadsOfARow) {
  FragmentLayout layout = mover(32, 2, 2);
  EXPECT_EQ(getReplica(layout, 0, 0), 0);
  EXPECT_EQ(getReplica(layout, 0, 1), 1);
  EXPECT_EQ(getReplica(layout, 1, 30), 0);
  // Warps 2 and 3 have the rows of 0 and 1 again.
  EXPECT_EQ(getReplica(layout, 2, 0), 2);
  EXPECT_EQ(getReplica(layout, 3, 31), 3);
}

TEST(RowCopy, CountsFullLines) {
  // 64 rows of 128 bytes: 4 sectors and a line each.
  EXPECT_EQ(cost(64, 128, 8, 1, 16), (std::vector<int64_t>{16, 256, 64}));
  // Two rows at a time meet in the banks: the swizzle is made for whole lines.
  EXPECT_EQ(cost(64, 128, 4, 1, 16), (std::vector<int64_t>{8, 256, 128}));
  // A piece at a time asks for each sector twice.
  EXPECT_EQ(cost(128, 128, 1, 1, 16)[1], 1024);
}

TEST(RowCopy, CountsRowsOfFewPieces) {
  // 32 rows of 6 pieces in panels of 32 bytes.
  EXPECT_EQ(cost(32, 96, 8, 1, 16), (std::vector<int64_t>{8, 96, 96}));
  EXPECT_EQ(cost(32, 96, 2, 2, 16), (std::vector<int64_t>{4, 96, 24}));
  // 16 rows of one piece: most threads have nothing to do. Neighbours share
  // sectors.
  EXPECT_EQ(cost(16, 16, 2, 4, 16), (std::vector<int64_t>{4, 8, 4}));
  // Rows of 48 bytes: one that is asked for in two parts has a sector twice.
  EXPECT_EQ(cost(32, 48, 4, 1, 16)[1], 48);
  EXPECT_EQ(cost(32, 48, 2, 2, 16)[1], 80);
}
