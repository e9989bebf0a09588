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

/// What `root` is made of. A value that many others are made of is looked at
/// once.
static Precision findPrecision(Value root) {
  Precision found;
  SmallVector<Value> left{root};
  DenseSet<Value> seen;
  while (!left.empty()) {
    Value value = left.pop_back_val();
    Operation *op = value.getDefiningOp();
    auto type = dyn_cast<VectorType>(value.getType());
    if (!op || !type || !seen.insert(value).second) {
      continue;
    }
    if (isa<LoadOp, GatherOp>(op)) {
      Type element = type.getElementType();
      if ((element.isF16() || element.isBF16()) && !found.narrow) {
        found.narrow = element;
      }
      found.isWide |= type.getRank() == 2 && isa<FloatType>(element) &&
                      element.getIntOrFloatBitWidth() >= 32;
      continue;
    }
    // Functions round to what a weight is worth: 16 bits do for their results.
    if (isa<arith::ArithDialect>(op->getDialect()) || isa<ExpandOp>(op)) {
      for (Value operand : llvm::reverse(op->getOperands())) {
        left.push_back(operand);
      }
    }
  }
  return found;
}

Type tile::getNarrowType(DotOp dot) {
  Precision left = findPrecision(dot.getA());
  Precision right = findPrecision(dot.getB());
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
