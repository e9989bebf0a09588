//===- FragmentLayoutTest.cpp - Which thread holds which element ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Layout/FragmentLayout.h"

#include "gtest/gtest.h"
#include <array>
#include <map>

using namespace attn;
using Coord = FragmentLayout::Coord;

namespace {

FragmentLayout acc(int64_t rows, int64_t columns, int64_t rowWarps,
                   int64_t columnWarps = 1) {
  return *FragmentLayout::accumulator(rows, columns, rowWarps, columnWarps);
}

/// How often each coordinate of the block is held.
std::map<Coord, int> count(const FragmentLayout &layout) {
  std::map<Coord, int> result;
  for (int64_t warp = 0; warp < layout.getNumWarps(); ++warp) {
    for (int64_t lane = 0; lane < 32; ++lane) {
      for (int64_t i = 0; i < layout.getNumRegisters(); ++i) {
        ++result[layout.locate(warp, lane, i)];
      }
    }
  }
  return result;
}

TEST(FragmentLayoutTest, AccumulatorsAreThoseOfTheManual) {
  FragmentLayout layout = acc(64, 40, 4);
  ASSERT_EQ(layout.getNumRegisters(), 20);
  ASSERT_EQ(layout.getNumWarps(), 4);
  for (int64_t w = 0; w < 4; ++w) {
    for (int64_t l = 0; l < 32; ++l) {
      for (int64_t i = 0; i < 20; ++i) {
        Coord expected = {16 * w + l / 4 + 8 * (i / 2 % 2),
                          8 * (i / 4) + 2 * (l % 4) + i % 2};
        EXPECT_EQ(layout.locate(w, l, i), expected);
      }
    }
  }
}

TEST(FragmentLayoutTest, EveryElementIsHeldOnce) {
  for (auto [rows, columns, w0, w1] : {std::array<int64_t, 4>{16, 8, 1, 1},
                                       {128, 176, 8, 1},
                                       {128, 64, 4, 1},
                                       {64, 576, 4, 2},
                                       {32, 80, 1, 2}}) {
    FragmentLayout layout = acc(rows, columns, w0, w1);
    EXPECT_EQ(layout.getShape(), Coord({rows, columns}));
    auto held = count(layout);
    EXPECT_EQ(int64_t(held.size()), rows * columns);
    for (const auto &[coord, times] : held) {
      EXPECT_EQ(times, 1);
    }
  }
  EXPECT_FALSE(FragmentLayout::accumulator(24, 8, 1, 1));
  EXPECT_FALSE(FragmentLayout::accumulator(32, 8, 4, 1));
  EXPECT_FALSE(FragmentLayout::accumulator(32, 12, 1, 1));
}

TEST(FragmentLayoutTest, AccumulatorIsTheLeftOperand) {
  // A of m16n8k16 [PTX ISA, figure of the 16-bit A fragment]: row g for a0, a1,
  // a4, a5, else g + 8; column 2t + (i & 1), and 8 more from a4 on.
  FragmentLayout layout = acc(16, 16, 1);
  for (int64_t l = 0; l < 32; ++l) {
    for (int64_t i = 0; i < 8; ++i) {
      bool isUpper = i == 0 || i == 1 || i == 4 || i == 5;
      Coord expected = {l / 4 + (isUpper ? 0 : 8),
                        l % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
      EXPECT_EQ(layout.locate(0, l, i), expected);
    }
  }
}

TEST(FragmentLayoutTest, RightOperandsAreThoseOfTheManual) {
  FragmentLayout layout = *FragmentLayout::rightOperand(32, 24, 4, 1);
  ASSERT_EQ(layout.getNumRegisters(), 4 * 2 * 3);
  for (int64_t l = 0; l < 32; ++l) {
    for (int64_t i = 0; i < 24; ++i) {
      // b0, b1: rows 2t, 2t + 1; b2, b3: 8 more; then the next 16 of k, then
      // the next 8 columns.
      Coord expected = {l % 4 * 2 + i % 2 + 8 * (i / 2 % 2) + 16 * (i / 4 % 2),
                        l / 4 + 8 * (i / 8)};
      EXPECT_EQ(layout.locate(3, l, i), expected);
    }
  }
  for (const auto &[coord, times] : count(layout)) {
    EXPECT_EQ(times, 4); // by every warp
  }
}

TEST(FragmentLayoutTest, SlicesSpreadBackWithoutAnyThreadAskingAnother) {
  FragmentLayout block = acc(128, 48, 4);
  FragmentLayout perRow = block.dropAxis(1), perColumn = block.dropAxis(0);
  EXPECT_EQ(perRow.getNumRegisters(), 4);
  EXPECT_EQ(perColumn.getNumRegisters(), 12);
  EXPECT_EQ(perRow.getShape(), Coord({128}));
  EXPECT_EQ(perColumn.getShape(), Coord({48}));
  auto rows = perRow.gather(block, {0});
  auto columns = perColumn.gather(block, {1});
  ASSERT_TRUE(rows && columns);
  for (int64_t i = 0; i < block.getNumRegisters(); ++i) {
    // Elements go through the columns of a block of 16 rows first.
    EXPECT_EQ((*rows)[i], i % 4 / 2 + i / 24 * 2);
    EXPECT_EQ((*columns)[i], i % 24 / 4 * 2 + i % 2);
    for (auto [w, l] : {std::pair<int64_t, int64_t>{0, 0}, {3, 17}, {2, 31}}) {
      EXPECT_EQ(perRow.locate(w, l, (*rows)[i])[0], block.locate(w, l, i)[0]);
      EXPECT_EQ(perColumn.locate(w, l, (*columns)[i])[0],
                block.locate(w, l, i)[1]);
    }
  }
  // Rows of one layout are no columns of another, nor is a slice of other
  // warps.
  EXPECT_FALSE(perRow.gather(block, {1}));
  EXPECT_FALSE(acc(128, 48, 8).dropAxis(1).gather(block, {0}));
}

TEST(FragmentLayoutTest, ReductionsSayWhatToCombineAndWithWhom) {
  FragmentLayout block = acc(64, 32, 4);
  auto groups = block.groupsAlong(1);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0], (llvm::SmallVector<int64_t>{0, 1, 4, 5, 8, 9, 12, 13}));
  EXPECT_EQ(groups[1],
            (llvm::SmallVector<int64_t>{2, 3, 6, 7, 10, 11, 14, 15}));
  FragmentLayout partial = block.dropAxis(1, true);
  EXPECT_TRUE(partial.isPartial());
  EXPECT_FALSE(partial.isPartialOverWarps());
  EXPECT_EQ(*partial.getPartialLaneMasks(), (llvm::SmallVector<int64_t>{1, 2}));
  EXPECT_EQ(partial.complete(), block.dropAxis(1));
  EXPECT_NE(partial, block.dropAxis(1));
  // Parts of a sum spread to nothing.
  EXPECT_FALSE(partial.gather(block, {0}));
  // Down the columns: 8 lanes of one column, and the warps.
  FragmentLayout down = block.dropAxis(0, true);
  EXPECT_EQ(*down.getPartialLaneMasks(),
            (llvm::SmallVector<int64_t>{4, 8, 16}));
  EXPECT_TRUE(down.isPartialOverWarps());
  // Columns over two warps: the sum of a row is in two warps as well.
  EXPECT_TRUE(acc(64, 32, 4, 2).dropAxis(1, true).isPartialOverWarps());
}

TEST(FragmentLayoutTest, ConversionsInsideAThread) {
  // Another number of columns of the same warps: the same rows.
  EXPECT_EQ(acc(64, 32, 4).dropAxis(1), acc(64, 128, 4).dropAxis(1));
  // A block is itself.
  auto same = acc(64, 32, 4).gather(acc(64, 32, 4));
  ASSERT_TRUE(same);
  for (int64_t i = 0; i < int64_t(same->size()); ++i) {
    EXPECT_EQ((*same)[i], i);
  }
  // Each warp alone holds a block of 16 rows, or four of them share 64.
  EXPECT_FALSE(acc(64, 32, 1).gather(acc(64, 32, 4)));
  // A is no B.
  EXPECT_FALSE(
      FragmentLayout::rightOperand(16, 16, 1, 1)->gather(acc(16, 16, 1)));
}

TEST(FragmentLayoutTest, LanewiseGoesAround) {
  FragmentLayout layout = FragmentLayout::lanewise(70, 2);
  EXPECT_EQ(layout.getNumRegisters(), 3);
  EXPECT_EQ(layout.locate(1, 5, 2), Coord({69}));
}

} // namespace
