//===- RankSpace.h - Extents and bound ranks of a cascade ----- -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a cascade says about its ranks as a whole: how long each one is, and
// which ones a fold has bound to one coordinate at a given op.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_IR_RANKSPACE_H
#define ATTN_DIALECT_ATTN_IR_RANKSPACE_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace attn {

/// One place that tells the extent of a rank: an index value (of a cascade or
/// a fold), or an axis of a tensor that a bare rank indexes.
struct RankExtent {
  int64_t rank = -1;
  /// Static size, or ShapedType::kDynamic.
  int64_t size = ShapedType::kDynamic;
  /// The index value, or the tensor. Null: nothing gives this rank an extent.
  Value source;
  /// Axis of the tensor; -1 for an index value.
  int64_t axis = -1;
  /// The op that names the rank.
  Operation *user = nullptr;

  explicit operator bool() const { return static_cast<bool>(source); }
};

/// Every place that gives or must agree with an extent: given extents first,
/// then ops in order. Computed tensors (results of einsums and folds, states)
/// are listed only where their size is static: a dynamic one follows from the
/// others. The cascade's attributes must be valid.
SmallVector<RankExtent> getExtentUses(CascadeOp cascade);

/// One entry per rank: a static size if any place has one, else the first
/// place; presence operands count only if nothing else has the rank.
SmallVector<RankExtent> getRankExtents(CascadeOp cascade);

/// Ranks that the folds around `op` (within its cascade) have bound. A fold
/// does not bind its rank for itself, but for what stands in its regions.
llvm::SmallBitVector getBoundRanks(Operation *op);

/// Ranks that any map, set or clause of `op` names.
llvm::SmallBitVector getUsedRanks(EinsumOp op);

} // namespace attn

#endif // ATTN_DIALECT_ATTN_IR_RANKSPACE_H
