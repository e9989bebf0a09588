//===- SharedLayout.h - A block of a matrix in shared memory ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows of a block lie in panels of at most 128 bytes, one panel after the
// other; inside a panel row follows row. So that eight rows at one column,
// which one matrix load wants at once, are in different banks, the place of
// each 16 bytes in its line of 128 is changed by the number of the line:
//
//     address ^= (address / 128 mod span / 16) * 16
//
// That is what tensor maps and the descriptors of wgmma call 32, 64 and 128
// byte swizzle [PTX ISA 5.5.7, 9.7.15.5.1], so one block can be written by
// cp.async or by TMA and read by ldmatrix or wgmma. It holds where a buffer is
// aligned to getAlignment().
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LAYOUT_SHAREDLAYOUT_H
#define ATTN_LAYOUT_SHAREDLAYOUT_H

#include "attn/Support/LLVM.h"
#include <cstdint>
#include <optional>

namespace attn {

class SharedLayout {
public:
  static constexpr int64_t kChunkBytes = 16;

  /// The widest panels that rows of `rowBytes` divide into. None unless
  /// rowBytes is a multiple of 16, and rows one of 8.
  static std::optional<SharedLayout> get(int64_t rows, int64_t rowBytes);

  int64_t getRows() const { return rows; }
  int64_t getRowBytes() const { return rowBytes; }
  /// Bytes of a row in one panel, which is the span of the swizzle: 128, 64, 32
  /// or, without one, 16.
  int64_t getSpan() const { return span; }
  int64_t getPanelBytes() const { return rows * span; }
  int64_t getBytes() const { return rows * rowBytes; }
  /// Of the buffer's first byte.
  int64_t getAlignment() const { return span * 8; }

  /// From the buffer's first byte.
  int64_t getOffset(int64_t row, int64_t byte) const;
  /// The bits that the row of a chunk changes in its offset: getOffset(row,
  /// byte) is the plain offset, exclusive-or this.
  int64_t getSwizzle(int64_t row) const;

private:
  SharedLayout(int64_t rows, int64_t rowBytes, int64_t span)
      : rows(rows), rowBytes(rowBytes), span(span) {}

  int64_t rows, rowBytes, span;
};

} // namespace attn

#endif // ATTN_LAYOUT_SHAREDLAYOUT_H
