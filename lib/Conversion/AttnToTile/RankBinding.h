//===- RankBinding.h - What each rank of a fold becomes -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_RANKBINDING_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_RANKBINDING_H

#include "Program.h"
#include "attn/Analysis/Presence.h"

namespace attn {

/// The ranks of a cascade as the kernels of one fold see them.
///
/// A *parallel* rank stands in every state component. One that indexes every
/// matrix that the fold streams (K and V: an operand that carries the fold and
/// a rank which is not parallel) is bound to the work item: to its segment if
/// it looks up tables or lengths, else to its KV head. One that stands only in
/// streamed operands is an axis of the state (f of V where the state has
/// nothing else). The others are query rows: one of them runs along the Row
/// records, the rest (the heads of a group) are the minor part of a packed row.
/// All remaining ranks of the step are axes of the tile, of static size.
struct RankBinding {
  int64_t fold = -1;
  int64_t tile = 1; ///< ordinals per value of the fold rank
  SmallVector<int64_t> segments, heads, subs;
  int64_t row = -1; ///< -1: no rank, one row per segment
  SmallVector<int64_t> axes;
  /// Axes of the tile that the fold streams over together with its rank (m0
  /// beside m1, or m beside n): reductions over them meet the mask.
  SmallVector<int64_t> group;
  /// Whether an item may hold rows of several segments. Not where there is no
  /// rank of rows, and not where presence is looked up along the tile for all
  /// rows of a segment at once.
  bool shares = false;
};

/// Fails with a remark that says why the fold cannot be one kernel.
FailureOr<RankBinding> bindRanks(Program &program, CascadeOp cascade,
                                 FoldOp fold);

/// Decides `shares`, from the points of all einsums of the step.
void findSharing(RankBinding &binding, ArrayRef<Presence> points);

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_RANKBINDING_H
