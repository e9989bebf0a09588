//===- DotPrecision.h - What the elements of a dot are worth ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile.dot is written on f32 values. Units that multiply 16-bit floats and
// add in f32 may be given them where no operand is known to 24 bits: the
// operands in memory have 16 bits, and what functions make of them (weights) is
// worth no more. All targets decide that here.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_TILE_IR_DOTPRECISION_H
#define ATTN_DIALECT_TILE_IR_DOTPRECISION_H

#include "attn/Dialect/Tile/IR/Tile.h"

namespace attn::tile {

/// The type of 16 bits that both operands of `dot` may be taken in: that of the
/// right operand in memory, else of the left one, else f16. Null: an operand is
/// read from memory as f32 or wider, so both are multiplied in f32.
Type getNarrowType(DotOp dot);

/// `value` without an extension from `narrow`, which a product of that type
/// does itself.
Value stripExtension(Value value, Type narrow);

} // namespace attn::tile

#endif // ATTN_DIALECT_TILE_IR_DOTPRECISION_H
