//===- AttnToTile.h - Cascades to kernels of work items --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_ATTNTOTILE_H
#define ATTN_CONVERSION_ATTNTOTILE_H

#include "attn/Support/LLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace attn {

/// Name of an attribute that numbers the views of a function, so that the
/// program made of it can refer to them (`keys` of tile.launch).
constexpr const char kViewNumber[] = "attn.number";

struct AttnToTileOptions {
  /// Most packed rows of an item; 0: as tiles(..) of the cascade says, else 64.
  int64_t rows = 0;
  /// Packed rows are a multiple of this, as matrix units want them; 0: whatever
  /// there is in steps of 8, or one row.
  int64_t rowStep = 0;
  /// Adds the host function @name.classes, which counts tiles by class.
  bool countTiles = false;
  /// Items may go on with the state of the worker's item before.
  bool resumes = false;
};

/// Replaces `func` by a tile.program and its kernels in the same module. On
/// failure a diagnostic was emitted and the module is to be thrown away.
LogicalResult convertAttnToTile(func::FuncOp func,
                                const AttnToTileOptions &options);

/// Whether the folds of `func` fit tile kernels; remarks say why not. A cascade
/// that does not fit runs as it was before it was folded.
bool canConvertFolds(func::FuncOp func);

} // namespace attn

#endif // ATTN_CONVERSION_ATTNTOTILE_H
