//===- Transforms.h - Rewrites of an attn.cascade ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rewrites that turn a textbook cascade into one pass, as functions on one
// cascade. Each works in place: the CascadeOp stays, its einsums are replaced.
// A rewrite that is not possible leaves the cascade as it was and, where a user
// would ask why, emits a remark. The mathematics is in attn/Einsum/Law.h.
//
// Order: splitSums, deferFactors, partitionRank, makeFold. Ranks are given by
// number. After partitionRank the rank m has become m (the tile count, m1) and
// m + 1 (the coordinate in the tile, m0); higher ranks move up by one.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_TRANSFORMS_H
#define ATTN_DIALECT_ATTN_TRANSFORMS_TRANSFORMS_H

#include "attn/Analysis/IoModel.h"
#include "attn/Dialect/Attn/IR/Attn.h"

namespace attn {

/// S: the sum of (f - g) becomes the difference of two sums where f and g move
/// by different corrections. Repeats until nothing changes. Failure: nothing to
/// split.
LogicalResult splitSums(CascadeOp cascade, int64_t rank);

/// D: a factor that no point of the rank enters moves behind a sum, a summand
/// behind a maximum or minimum. Repeats until nothing changes. A sum that is 0
/// stays 0 (a row without a point), whatever the factor. Failure: nothing to
/// move.
LogicalResult deferFactors(CascadeOp cascade, int64_t rank);

/// m = m1 * tile + m0. Points past the extent are made absent unless `tile`
/// divides it. Failure: a result carries the rank, its extent is not known, a
/// symbol is indexed by it, a computed tensor is read at a compound coordinate
/// of it, or a selection of it has blocks that `tile` does not divide.
LogicalResult partitionRank(CascadeOp cascade, int64_t rank, int64_t tile);

/// O: all reductions over the rank (and the ranks reduced with it) become one
/// attn.fold with a step and a derived merge. Failure: a reduction has no law,
/// or the rank has no extent.
FailureOr<FoldOp> makeFold(CascadeOp cascade, int64_t rank);

/// One line per rank that is reduced: passes, barriers, streamed inputs.
void printPasses(CascadeOp cascade, raw_ostream &os);

/// Formulas of what is read and written and, if `bindings` has a number for
/// each free name, bytes beside their lower bounds. Fails with an error on the
/// cascade if it cannot be modelled.
LogicalResult printIo(CascadeOp cascade, const IoBindings &bindings,
                      const IoSettings &settings, raw_ostream &os);

} // namespace attn

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_TRANSFORMS_H
