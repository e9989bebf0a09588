//===- TileProblem.h - What a cascade asks of a tile ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_TILEPROBLEM_H
#define ATTN_ANALYSIS_TILEPROBLEM_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/TargetModel/TileCost.h"

namespace attn {

/// The columns of a tile when `rank` is folded: the rank, the ranks with which
/// it makes one coordinate (`m1 * 64 + m0`) and those that are reduced together
/// with it.
llvm::SmallBitVector getColumns(CascadeOp cascade, int64_t rank);

/// The tile problem of folding `rank`: the rank of the cascade's fold, or one
/// that is to be partitioned and folded. With a fold the columns are those of
/// its tile (`fixedCols`).
///
/// A dot is an einsum that reads two or more
/// tensors of floats and adds over a rank. One whose result carries columns
/// makes scores: what it contracts over are channels, and the ranks of its
/// result that no operand with columns has are rows. One whose result carries
/// none makes values: its channels are the ranks of its result that are no rows
/// and that only one of its tensors has.
TileProblem getTileProblem(CascadeOp cascade, int64_t rank);

} // namespace attn

#endif // ATTN_ANALYSIS_TILEPROBLEM_H
