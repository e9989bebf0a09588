//===- RowCopy.h - Rows that threads copy to shared memory ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A layout of one axis says which threads copy which rows: those that hold the
// same row share its pieces, the first one the first piece and so on, and begin
// again where there are more pieces than threads. The last threads have nothing
// to do where the pieces do not divide among them.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LAYOUT_ROWCOPY_H
#define ATTN_LAYOUT_ROWCOPY_H

#include "attn/Layout/FragmentLayout.h"
#include "attn/Layout/SharedLayout.h"

namespace attn {

/// What global memory brings at least, from a multiple of it on.
constexpr int64_t kSectorBytes = 32;

/// The number of a thread among those that hold the same; the lanes of a warp
/// come before those of the next one.
int64_t getReplica(const FragmentLayout &layout, int64_t warp, int64_t lane);

/// What a copy of all rows asks for.
struct RowCopyCost {
  /// Rows that a warp must know where they begin, over all warps.
  int64_t rows = 0;
  /// Of global memory, each time that a warp asks for one, if rows lie one
  /// after the other.
  int64_t sectors = 0;
  /// Turns of the banks of shared memory, of 128 bytes at best.
  int64_t wavefronts = 0;

  /// Each takes about a cycle.
  int64_t getTotal() const { return rows + sectors + wavefronts; }
};

/// Of rows of `rowBytes` in global memory; what `to` has more is not read.
/// `pieceBytes`: 4, 8 or 16.
RowCopyCost countRowCopy(const FragmentLayout &layout, const SharedLayout &to,
                         int64_t rowBytes, int64_t pieceBytes);

} // namespace attn

#endif // ATTN_LAYOUT_ROWCOPY_H
