//===- TileValue.cpp - Values with named axes, and arithmetic on them -===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TileValue.h"

#include "attn/Dialect/Tile/IR/Tile.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace attn;

VectorType TileBuilder::vectorType(ArrayRef<int64_t> axes, Type element) const {
  SmallVector<int64_t> shape;
  for (int64_t axis : axes) {
    assert(sizes.count(axis) && "axis without a size");
    shape.push_back(size(axis));
  }
  return VectorType::get(shape, element);
}

SmallVector<int64_t, 3> TileBuilder::join(ArrayRef<TileValue> values) {
  SmallVector<int64_t, 3> axes;
  if (llvm::any_of(values,
                   [](const TileValue &v) { return v.has(kRowAxis); })) {
    axes.push_back(kRowAxis);
  }
  for (const TileValue &v : values) {
    for (int64_t axis : v.axes) {
      if (!llvm::is_contained(axes, axis)) {
        axes.push_back(axis);
      }
    }
  }
  return axes;
}

TileValue TileBuilder::spread(TileValue v, ArrayRef<int64_t> axes) {
  if (ArrayRef<int64_t>(v.axes) == axes) {
    return v;
  }
  if (v.isScalar()) {
    if (v.value.getType().isIndex()) {
      v.value = arith::IndexCastOp::create(b, loc, b.getI32Type(), v.value);
    }
    VectorType type = vectorType(axes, v.value.getType());
    return {vector::BroadcastOp::create(b, loc, type, v.value),
            SmallVector<int64_t, 3>(axes)};
  }
  SmallVector<int64_t> dims;
  for (int64_t axis : v.axes) {
    dims.push_back(llvm::find(axes, axis) - axes.begin());
  }
  return {tile::ExpandOp::create(b, loc, vectorType(axes, v.elementType()),
                                 v.value, dims),
          SmallVector<int64_t, 3>(axes)};
}

TileValue TileBuilder::constant(TypedAttr splat, ArrayRef<int64_t> axes) {
  if (axes.empty()) {
    return {arith::ConstantOp::create(b, loc, splat), {}};
  }
  auto dense = DenseElementsAttr::get(vectorType(axes, splat.getType()),
                                      Attribute(splat));
  return {arith::ConstantOp::create(b, loc, dense),
          SmallVector<int64_t, 3>(axes)};
}

TileValue TileBuilder::index(int64_t v) {
  return {arith::ConstantIndexOp::create(b, loc, v), {}};
}

TileValue TileBuilder::op(StringRef name, ArrayRef<TileValue> operands,
                          Type result, ArrayRef<NamedAttribute> attributes) {
  SmallVector<int64_t, 3> axes = join(operands);
  OperationState state(loc, name);
  for (const TileValue &v : operands) {
    state.addOperands(spread(v, axes).value);
  }
  Type element = result ? result : operands[0].elementType();
  state.addTypes(axes.empty() ? element : Type(vectorType(axes, element)));
  state.addAttributes(attributes);
  return {b.create(state)->getResult(0), axes};
}

TileValue TileBuilder::cast(TileValue v, Type element) {
  Type from = v.elementType();
  if (!v.isScalar() && element.isIndex()) {
    element = b.getI32Type(); // a vector keeps i32
  }
  if (from == element) {
    return v;
  }
  if (from.isIndex() || element.isIndex()) {
    return op("arith.index_cast", {v}, element);
  }
  bool wider = from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth();
  return op(wider ? "arith.extsi" : "arith.trunci", {v}, element);
}

TileValue TileBuilder::integer(StringRef name, TileValue x, TileValue y) {
  Type type = b.getI32Type();
  if (x.isScalar() && y.isScalar()) {
    type = b.getIndexType();
  }
  return op(name, {cast(x, type), cast(y, type)});
}

TileValue TileBuilder::floordiv(TileValue x, int64_t c) {
  if (c == 1) {
    return x;
  }
  // A shift floors, for negative coordinates too, and needs no division.
  if (llvm::isPowerOf2_64(c)) {
    return integer("arith.shrsi", x, index(llvm::Log2_64(c)));
  }
  return integer("arith.floordivsi", x, index(c));
}

TileValue TileBuilder::mod(TileValue x, int64_t c) {
  if (llvm::isPowerOf2_64(c)) {
    return integer("arith.andi", x, index(c - 1));
  }
  return subi(x, muli(floordiv(x, c), index(c)));
}

TileValue TileBuilder::cmpi(arith::CmpIPredicate p, TileValue x, TileValue y) {
  Type type = x.isScalar() && y.isScalar() ? Type(b.getIndexType())
                                           : Type(b.getI32Type());
  return op("arith.cmpi", {cast(x, type), cast(y, type)}, b.getI1Type(),
            b.getNamedAttr("predicate",
                           arith::CmpIPredicateAttr::get(b.getContext(), p)));
}

TileValue TileBuilder::select(TileValue c, TileValue x, TileValue y) {
  SmallVector<int64_t, 3> axes = join({c, x, y});
  return {arith::SelectOp::create(b, loc, spread(c, axes).value,
                                  spread(x, axes).value, spread(y, axes).value),
          axes};
}

TileValue TileBuilder::affine(AffineExpr e, ArrayRef<TileValue> dims,
                              ArrayRef<TileValue> symbols) {
  if (auto d = dyn_cast<AffineDimExpr>(e)) {
    return d.getPosition() < dims.size() ? dims[d.getPosition()] : TileValue();
  }
  if (auto s = dyn_cast<AffineSymbolExpr>(e)) {
    return s.getPosition() < symbols.size() ? symbols[s.getPosition()]
                                            : TileValue();
  }
  if (auto c = dyn_cast<AffineConstantExpr>(e)) {
    return index(c.getValue());
  }
  auto binary = ::llvm::cast<AffineBinaryOpExpr>(e);
  TileValue x = affine(binary.getLHS(), dims, symbols);
  if (!x) {
    return {};
  }
  auto c = dyn_cast<AffineConstantExpr>(binary.getRHS());
  switch (e.getKind()) {
  case AffineExprKind::Add: {
    if (c && c.getValue() == 0) {
      return x;
    }
    TileValue y = affine(binary.getRHS(), dims, symbols);
    return y ? addi(x, y) : y;
  }
  case AffineExprKind::Mul:
    return c ? muli(x, index(c.getValue())) : TileValue();
  case AffineExprKind::Mod:
    return c ? mod(x, c.getValue()) : TileValue();
  case AffineExprKind::FloorDiv:
    return c ? floordiv(x, c.getValue()) : TileValue();
  case AffineExprKind::CeilDiv:
    return c ? floordiv(addi(x, index(c.getValue() - 1)), c.getValue())
             : TileValue();
  default:
    return {};
  }
}
