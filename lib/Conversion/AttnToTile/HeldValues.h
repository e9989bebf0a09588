//===- HeldValues.h - Values of a cascade that lie in memory --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What one launch computes for others is held in a workspace. That is cheap for
// statistics of rows, and ruin for scores: a product of lengths that no tensor
// of the user has.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_HELDVALUES_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_HELDVALUES_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace attn {

/// A warning with the size of the workspace for `value`, which has the axes of
/// `map`, if its dynamic ranks stand together in no operand and no result of
/// the cascade.
void warnIfLarge(CascadeOp cascade, Value value, AffineMap map);

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_HELDVALUES_H
