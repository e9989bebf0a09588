//===- DotPrecision.cpp - What the elements of a dot are worth ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/Tile/IR/DotPrecision.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace attn;
using namespace attn::tile;

/// What is known of the values of an operand from what arithmetic makes them
/// of.
namespace {
struct Precision {
  /// A block of f32 or wider floats in memory.
  bool isWide = false;
  /// The first 16-bit float in memory.
  Type narrow;
};
} // namespace

static void findPrecision(Value value, Precision &found) {
  Operation *op = value.getDefiningOp();
  auto type = dyn_cast<VectorType>(value.getType());
  if (!op || !type) {
    return;
  }
  if (isa<LoadOp, GatherOp>(op)) {
    Type element = type.getElementType();
    if ((element.isF16() || element.isBF16()) && !found.narrow) {
      found.narrow = element;
    }
    found.isWide |= type.getRank() == 2 && isa<FloatType>(element) &&
                    element.getIntOrFloatBitWidth() >= 32;
    return;
  }
  // Functions round to what a weight is worth: 16 bits do for their results.
  if (isa<arith::ArithDialect>(op->getDialect()) || isa<ExpandOp>(op)) {
    for (Value operand : op->getOperands()) {
      findPrecision(operand, found);
    }
  }
}

Type tile::getNarrowType(DotOp dot) {
  Precision left, right;
  findPrecision(dot.getA(), left);
  findPrecision(dot.getB(), right);
  if (left.isWide || right.isWide) {
    return {};
  }
  for (const Precision &known : {right, left}) {
    if (known.narrow) {
      return known.narrow;
    }
  }
  return Float16Type::get(dot.getContext());
}

Value tile::stripExtension(Value value, Type narrow) {
  auto extension = value.getDefiningOp<arith::ExtFOp>();
  return extension && getElementTypeOrSelf(extension.getIn()) == narrow
             ? extension.getIn()
             : value;
}
