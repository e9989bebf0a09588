//===- ProductOperandTest.cpp - Blocks that wgmma reads -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Layout/ProductOperand.h"

#include "gtest/gtest.h"

using namespace attn;

namespace {

/// Where the hardware looks for an element of 16 bits, `k` of those of a step,
/// as the figures of the PTX manual have it [9.7.15.5.1.2].
int64_t locate(const ProductOperand &operand, int64_t begin, bool sumsRows,
               int64_t other, int64_t k) {
  const int64_t perChunk = 8; // elements of 16 bytes
  int64_t lead = operand.getLead(), stride = operand.getStride();
  int64_t chunks = 1; // of a row of a panel
  switch (operand.getSwizzleMode()) {
  case 1:
    chunks = 8;
    break;
  case 2:
    chunks = 4;
    break;
  case 3:
    chunks = 2;
    break;
  }
  int64_t at;
  if (!sumsRows) {
    at = other % 8 * 16 * chunks + other / 8 * stride + k % perChunk * 2;
    at += k / perChunk * (chunks == 1 ? lead : 16);
  } else if (chunks == 1) {
    at = other % perChunk * 2 + other / perChunk * stride + k % 8 * 16 +
         k / 8 * lead;
  } else {
    at = other % perChunk * 2 + other / perChunk % chunks * 16 +
         other / (perChunk * chunks) * lead + k % 8 * 16 * chunks +
         k / 8 * stride;
  }
  at += begin;
  return at ^ (at >> 7 & (chunks - 1)) << 4;
}

TEST(ProductOperandTest, TheHardwareLooksWhereTheLayoutPutsElements) {
  for (int64_t rows : {16, 64, 128}) {
    for (int64_t columns : {16, 32, 64, 80, 96, 128, 144, 192, 256}) {
      SharedLayout layout = *SharedLayout::get(rows, columns * 2);
      for (bool sumsRows : {false, true}) {
        ProductOperand operand(layout, sumsRows);
        int64_t sums = sumsRows ? rows : columns;
        int64_t others = sumsRows ? columns : rows;
        for (int64_t k = 0; k < sums; ++k) {
          int64_t begin = operand.getBegin(k / 16 * 16);
          for (int64_t other = 0; other < others; ++other) {
            int64_t row = sumsRows ? k : other, column = sumsRows ? other : k;
            ASSERT_EQ(locate(operand, begin, sumsRows, other, k % 16),
                      layout.getOffset(row, column * 2))
                << rows << " x " << columns << ": " << row << ", " << column;
          }
        }
      }
    }
  }
}

TEST(ProductOperandTest, WrittenOutDescriptors) {
  // 128 keys of 128 channels of 16 bits: two panels of 128 bytes.
  SharedLayout block = *SharedLayout::get(128, 256);
  EXPECT_EQ(ProductOperand(block, false).getBits(),
            (1ull << 62) | (1024ull >> 4) << 32 | (16384ull >> 4) << 16);
  EXPECT_EQ(ProductOperand(block, true).getBits(),
            (1ull << 62) | (1024ull >> 4) << 32 | (16384ull >> 4) << 16);
  EXPECT_EQ(ProductOperand(block, false).getBegin(80), 16384 + 32);
  EXPECT_EQ(ProductOperand(block, true).getBegin(80), 80 * 128);
  // 72 channels have no swizzle: both distances change places.
  SharedLayout plain = *SharedLayout::get(64, 144);
  EXPECT_EQ(ProductOperand(plain, false).getBits(),
            (128ull >> 4) << 32 | (1024ull >> 4) << 16);
  EXPECT_EQ(ProductOperand(plain, true).getBits(),
            (1024ull >> 4) << 32 | (128ull >> 4) << 16);
  // Addresses have 18 bits.
  EXPECT_EQ(ProductOperand::encode(0x40000 + 1024), 64u);
}

} // namespace
