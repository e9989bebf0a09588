//===- Checks.h - Checks shared by the verifiers of attn ------ -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each function emits the error of the constraint it checks; the numbers of
// the constraints stand at the calls, since they differ from op to op.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_DIALECT_ATTN_IR_CHECKS_H
#define ATTN_LIB_DIALECT_ATTN_IR_CHECKS_H

#include "Clauses.h"

namespace attn {

/// The names that the index expressions of an op refer to.
struct IndexSpace {
  ArrayRef<StringRef> dims;
  ArrayRef<StringRef> symbols;
  /// "rank" of a "cascade", or "axis" of an "operation".
  StringRef word, owner;
};

/// Names can be printed and read back: identifiers, no reserved word.
LogicalResult checkNamesReadable(Operation *op, ArrayAttr names,
                                 StringRef word);
/// No name occurs twice, nor in `taken`.
LogicalResult checkNamesDistinct(Operation *op, ArrayAttr names, StringRef word,
                                 ArrayRef<StringRef> taken);

/// `map` has the dims of the space and `numSymbols` symbols.
LogicalResult checkArity(Operation *op, const Twine &what, AffineMap map,
                         const IndexSpace &space, unsigned numSymbols = 0);
LogicalResult checkArity(Operation *op, ArrayAttr where,
                         const IndexSpace &space);
/// Pure affine, positive constant divisors, coefficients of 64 bits.
LogicalResult checkAffineExprs(Operation *op, ArrayRef<AffineExpr> exprs,
                               const IndexSpace &space);
LogicalResult checkNormalForm(Operation *op, ArrayRef<AffineExpr> exprs,
                              const IndexSpace &space);
/// All three on one map.
LogicalResult checkMap(Operation *op, const Twine &what, AffineMap map,
                       const IndexSpace &space, unsigned numSymbols = 0);
/// All three on a union.
LogicalResult checkUnion(Operation *op, ArrayAttr where,
                         const IndexSpace &space);

/// `map` yields one coordinate per axis of `type`; none for a scalar.
LogicalResult checkCoordinates(Operation *op, const Twine &what, AffineMap map,
                               Type type);
/// `map` names distinct ranks and nothing else.
LogicalResult checkProjectedPermutation(Operation *op, const Twine &what,
                                        AffineMap map);
/// One readable name and map per symbol; index or integer scalars, or integer
/// tensors and memrefs with one coordinate per axis.
LogicalResult checkSymbols(Operation *op, ValueRange symbols, ArrayAttr names,
                           ArrayAttr maps, const IndexSpace &space,
                           bool mayNest = false);

/// The terminator yields values of exactly `types`.
LogicalResult checkYield(Operation *op, Block &block, const Twine &what,
                         TypeRange types);

/// Reads of the memrefs among `operands`.
void addReadEffects(MutableArrayRef<OpOperand> operands,
                    SmallVectorImpl<MemoryEffects::EffectInstance> &effects);

} // namespace attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_CHECKS_H
