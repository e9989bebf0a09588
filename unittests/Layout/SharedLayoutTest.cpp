//===- SharedLayoutTest.cpp - Blocks of matrices in shared memory ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Layout/SharedLayout.h"

#include "gtest/gtest.h"
#include <set>

using namespace attn;

namespace {

TEST(SharedLayoutTest, PanelsAreTheWidestThatDivideARow) {
  EXPECT_EQ(SharedLayout::get(64, 256)->getSpan(), 128); // 128 channels, f16
  EXPECT_EQ(SharedLayout::get(64, 128)->getSpan(), 128);
  EXPECT_EQ(SharedLayout::get(64, 192)->getSpan(), 64); // 96 channels
  EXPECT_EQ(SharedLayout::get(64, 160)->getSpan(), 32); // 80 channels
  EXPECT_EQ(SharedLayout::get(64, 144)->getSpan(), 16); // 72 channels
  EXPECT_FALSE(SharedLayout::get(64, 136));
  EXPECT_FALSE(SharedLayout::get(12, 128));
}

TEST(SharedLayoutTest, WrittenOutLines) {
  // Chunks of rows 0..7 in lines of eight, as the figures of the three
  // swizzles show them: at place c of line l lies chunk c ^ l.
  SharedLayout wide = *SharedLayout::get(8, 128);
  EXPECT_EQ(wide.getOffset(0, 0), 0);
  EXPECT_EQ(wide.getOffset(1, 0), 128 + 16);
  EXPECT_EQ(wide.getOffset(1, 16), 128);
  EXPECT_EQ(wide.getOffset(7, 48), 7 * 128 + (3 ^ 7) * 16);
  SharedLayout half = *SharedLayout::get(8, 64);
  EXPECT_EQ(half.getOffset(1, 0), 64); // still line 0
  EXPECT_EQ(half.getOffset(2, 0), 128 + 16);
  EXPECT_EQ(half.getOffset(7, 48), 3 * 128 + (7 ^ 3) * 16);
  SharedLayout quarter = *SharedLayout::get(8, 32);
  EXPECT_EQ(quarter.getOffset(3, 16), 96 + 16);
  EXPECT_EQ(quarter.getOffset(4, 0), 128 + 16);
  // The second panel.
  EXPECT_EQ(SharedLayout::get(64, 256)->getOffset(1, 128 + 32),
            64 * 128 + 128 + (2 ^ 1) * 16);
}

TEST(SharedLayoutTest, EveryByteHasItsPlaceAndEightRowsHaveTheirBanks) {
  for (int64_t rowBytes : {32, 64, 96, 128, 160, 192, 256, 384, 1152}) {
    SharedLayout layout = *SharedLayout::get(24, rowBytes);
    std::set<int64_t> places;
    for (int64_t row = 0; row < 24; ++row) {
      for (int64_t byte = 0; byte < rowBytes; ++byte) {
        int64_t at = layout.getOffset(row, byte);
        EXPECT_EQ(at % 16, byte % 16);
        EXPECT_LT(at, layout.getBytes());
        places.insert(at);
      }
    }
    EXPECT_EQ(int64_t(places.size()), 24 * rowBytes) << rowBytes;
    // What one matrix of ldmatrix wants: 8 rows of 16 bytes.
    for (int64_t row = 0; row < 24; row += 8) {
      for (int64_t byte = 0; byte < rowBytes; byte += 16) {
        std::set<int64_t> banks;
        for (int64_t i = 0; i < 8; ++i) {
          banks.insert(layout.getOffset(row + i, byte) / 16 % 8);
        }
        EXPECT_EQ(banks.size(), 8u) << rowBytes << " " << row << " " << byte;
      }
    }
  }
}

} // namespace
