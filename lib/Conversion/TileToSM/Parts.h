//===- Parts.h - Sums that threads hold parts of ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reduction over the columns of a block is over threads. What a state carries
// from tile to tile need not be combined over them in each: where the new state
// is the old one times what all threads know, plus such parts, the parts can be
// carried, and be combined once behind the loop. That is linearity in the
// monoid, which is looked for here op by op; what the state means plays no
// role.
//
// It is optimistic: the carried value is taken to be parts, and has to turn out
// as parts again. What depends on the carried value through a region counts as
// known to all: it is made from the whole, in every tile.
//
// Factors are taken to be finite: infinity times a part that is 0 is NaN, which
// infinity times the whole need not be.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_TILETOSM_PARTS_H
#define ATTN_LIB_CONVERSION_TILETOSM_PARTS_H

#include "attn/Dialect/SM/IR/Monoid.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/SetVector.h"

namespace attn {

/// The monoids that both dialects have. None: sm cannot combine it.
std::optional<sm::Kind> getKind(vector::CombiningKind kind);

class PartsAnalysis {
public:
  /// `carried` is known in parts.
  PartsAnalysis(Value carried, sm::Kind kind);

  /// Whether `value` depends on what is carried.
  bool depends(Value value) const;
  /// Whether parts of `value` come from parts of its operands.
  bool canBeParts(Value value) const;
  /// The operand that all threads must know, of which parts are scaled or
  /// chosen; -1: there is none.
  int getFactor(Operation *op) const;

private:
  Value carried;
  sm::Kind kind;
  llvm::SetVector<Operation *> dependent;
};

} // namespace attn

#endif // ATTN_LIB_CONVERSION_TILETOSM_PARTS_H
