//===- Products.cpp - Matrix products and what they multiply --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The matrix unit multiplies 16-bit floats. A right operand that is read from
// memory as it is comes straight from shared memory; any other one (codes with
// scales, 8-bit floats, f32) is computed in registers, in the layout that the
// instruction wants it in. Operands of f32 in memory are sums of three bf16
// each, whose products are added up from the smallest on.
//
//===----------------------------------------------------------------------===//
#include "KernelConversion.h"

#include "attn/Dialect/Tile/IR/DotPrecision.h"

using namespace attn;

/// The block in memory that an operand is, as it is.
static tile::LoadOp getLoad(Value operand, Type narrow) {
  operand = tile::stripExtension(operand, narrow);
  auto type = dyn_cast<VectorType>(operand.getType());
  bool fits = type && type.getRank() == 2 && type.getElementType() == narrow;
  return fits ? operand.getDefiningOp<tile::LoadOp>() : tile::LoadOp();
}

Value KernelConversion::operand(Value value, Attribute wanted, int64_t summed,
                                Type narrow) {
  value = tile::stripExtension(value, narrow);
  auto type = cast<VectorType>(value.getType());
  // What is computed for an accumulator cannot be computed elsewhere.
  bool isLoad = value.getDefiningOp<tile::LoadOp>();
  bool isComputed = isa<sm::LhsAttr>(wanted) && !isLoad;
  // Rows that no registers are left for are read again for each tile.
  auto load = value.getDefiningOp<tile::LoadOp>();
  if (load && !keepsRows && isa<sm::AccAttr, sm::LhsAttr>(wanted) &&
      type.getElementType() == narrow && getMover(load)) {
    Value block = buffer(load);
    return failed ? value
                  : sm::LoadSharedOp::create(b, getType(type, wanted), block)
                        .getResult();
  }
  Value result = fragment(value, isComputed ? layout : wanted);
  if (failed) {
    return value;
  }
  auto resultType = cast<RankedTensorType>(result.getType());
  if (narrow && resultType.getElementType() != narrow) {
    result = arith::TruncFOp::create(b, resultType.clone(narrow), result);
  }
  if (isComputed) {
    result = convert(result, wanted, type);
  }
  // Loads read 0 there.
  Type element = getElementTypeOrSelf(result.getType());
  return failed || isLoad
             ? result
             : fillPadding(result, type, summed, b.getFloatAttr(element, 0.0));
}

/// x = parts[0] + parts[1] + parts[2], up to the precision of f32.
static SmallVector<Value> split(ImplicitLocOpBuilder &b, Value x) {
  auto type = cast<RankedTensorType>(x.getType());
  RankedTensorType narrow = type.clone(b.getBF16Type());
  SmallVector<Value> parts;
  for (int64_t i = 0; i < 3; ++i) {
    parts.push_back(arith::TruncFOp::create(b, narrow, x));
    if (i < 2) {
      Value known = arith::ExtFOp::create(b, type, parts.back());
      x = arith::SubFOp::create(b, x, known);
    }
  }
  return parts;
}

Value KernelConversion::wideDot(tile::DotOp op, Value left, Value right,
                                Value acc) {
  SmallVector<Value> a = split(b, left), c = split(b, right);
  // What is left out is below the last bit of f32.
  constexpr std::pair<int, int> products[] = {{2, 0}, {1, 1}, {0, 2},
                                              {1, 0}, {0, 1}, {0, 0}};
  for (auto [i, j] : products) {
    acc = sm::GemmOp::create(b, acc.getType(), a[i], c[j], acc,
                             op.getTransposeB(), /*column=*/0);
  }
  return acc;
}

Value KernelConversion::dot(tile::DotOp op, Attribute layout) {
  Type element = cast<VectorType>(op.getResult().getType()).getElementType();
  if (!element.isF32() || op.getTransposeA()) {
    fail(op, "expects a product of f32 whose left operand is not transposed");
    return op.getResult();
  }
  RankedTensorType type = getType(op.getResult().getType(), layout);
  MLIRContext *context = b.getContext();
  Attribute leftLayout = layout;
  if (columnWarps > 1) {
    leftLayout = sm::LhsAttr::get(context, rowWarps, columnWarps);
  }
  Type narrow = tile::getNarrowType(op);
  Value left = operand(op.getA(), leftLayout, /*summed=*/1, narrow);
  Value acc = op.getAcc()
                  ? fragment(op.getAcc(), layout)
                  : arith::ConstantOp::create(b, type, b.getZeroAttr(type));
  if (failed) {
    return op.getResult();
  }
  tile::LoadOp block = narrow ? getLoad(op.getB(), narrow) : tile::LoadOp();
  if (block && getMover(block)) {
    Value right = buffer(block);
    return failed ? op.getResult()
                  : sm::GemmOp::create(b, type, left, right, acc,
                                       op.getTransposeB(), /*column=*/0)
                        .getResult();
  }
  auto rightLayout =
      sm::RhsAttr::get(context, rowWarps, columnWarps, op.getTransposeB());
  Value right =
      operand(op.getB(), rightLayout, op.getTransposeB() ? 1 : 0, narrow);
  if (failed) {
    return op.getResult();
  }
  if (!narrow) {
    return wideDot(op, left, right, acc);
  }
  return sm::GemmOp::create(b, type, left, right, acc, op.getTransposeB(),
                            /*column=*/0);
}
