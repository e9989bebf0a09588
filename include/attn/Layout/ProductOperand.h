//===- ProductOperand.h - A block that wgmma reads --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// wgmma takes an operand in shared memory by a descriptor of 64 bits: where it
// begins, the span of the swizzle, and two distances [PTX ISA 9.7.15.5.1.2].
// All of it follows from the layout of the block and from whether the products
// sum over its columns or its rows.
//
// With the sum over columns (K-major) a group of 8 rows is one unit, and
// `stride` leads to the next group; without a swizzle `lead` leads to the next
// 16 bytes of the rows. With the sum over rows (MN-major) a panel of 8 rows is
// the unit, `stride` leads to the next 8 rows and `lead` to the next panel;
// without a swizzle both change places.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LAYOUT_PRODUCTOPERAND_H
#define ATTN_LAYOUT_PRODUCTOPERAND_H

#include "attn/Layout/SharedLayout.h"

namespace attn {

class ProductOperand {
public:
  /// `sumsRows`: products sum over the rows of the block, else its columns.
  ProductOperand(const SharedLayout &layout, bool sumsRows)
      : layout(layout), sumsRows(sumsRows) {}

  /// Bytes; multiples of 16.
  int64_t getLead() const;
  int64_t getStride() const;
  /// What the descriptor calls the swizzle: 0 for none, 1, 2, 3 for 128, 64, 32
  /// bytes.
  uint64_t getSwizzleMode() const;
  /// The descriptor without the address.
  uint64_t getBits() const;
  /// An address or a distance as the descriptor has it.
  static uint64_t encode(int64_t bytes);

  /// From the block's first byte to where 16 elements of 16 bits to sum begin,
  /// those from `at` on; `at` is a multiple of 16.
  int64_t getBegin(int64_t at) const;

private:
  SharedLayout layout;
  bool sumsRows;
};

} // namespace attn

#endif // ATTN_LAYOUT_PRODUCTOPERAND_H
