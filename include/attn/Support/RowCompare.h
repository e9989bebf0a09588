//===- RowCompare.h - Comparison of results row by row ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The tolerance of every check in the project. A row is everything but the
// last axis fixed (an array of rank 0 or 1 is one row). The error of a row is
// the largest |got - expected| over the row's own largest finite |expected|;
// relative to the whole array, a kernel that drops a page of a long request
// would pass. Exact: a row whose expectation is all 0 must be all 0, and an
// infinity must be the same infinity. A NaN on either side is a failure.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_ROWCOMPARE_H
#define ATTN_SUPPORT_ROWCOMPARE_H

#include "attn/Support/HostArray.h"

namespace attn {

struct RowComparison {
  /// All rows are within the tolerance.
  bool ok = true;
  /// Largest error of a row; infinity where an exact demand fails.
  double maxRowError = 0;
  /// Rows that fail, and one line on the first of them (empty if none).
  int64_t badRows = 0;
  std::string message;
};

/// Compares two arrays of the same shape; element types may differ. A mismatch
/// of shapes is a failed comparison.
RowComparison compareRows(const HostArray &got, const HostArray &expected,
                          double rtol);

} // namespace attn

#endif // ATTN_SUPPORT_ROWCOMPARE_H
