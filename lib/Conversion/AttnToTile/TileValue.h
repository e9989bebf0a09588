//===- TileValue.h - Values with named axes, and arithmetic on them ---===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// While a kernel is written, a value is known with the axes it varies along:
// the packed query rows, or a rank of the cascade that lies inside the tile. A
// value without axes is a scalar. Operations join the axes of their operands;
// nothing is spread further than it must be, so row statistics stay 1-D.
//
// Integers that come from coordinates are `index` as scalars and i32 in
// vectors: no lane computes in 64 bits.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_TILEVALUE_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_TILEVALUE_H

#include "attn/Support/LLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/IntegerSet.h"

namespace attn {

/// The axis of the packed rows. Other axes are rank numbers.
constexpr int64_t kRowAxis = -1;

struct TileValue {
  Value value;
  /// Axes of the vector in order; empty for a scalar. kRowAxis is first.
  SmallVector<int64_t, 3> axes;

  explicit operator bool() const { return static_cast<bool>(value); }
  bool isScalar() const { return axes.empty(); }
  Type elementType() const { return getElementTypeOrSelf(value.getType()); }
  bool has(int64_t axis) const { return llvm::is_contained(axes, axis); }
};

inline Value constantIndex(OpBuilder &b, Location loc, int64_t v) {
  return arith::ConstantIndexOp::create(b, loc, v);
}

/// Writes arithmetic on tile values; knows the size of every axis.
class TileBuilder {
public:
  TileBuilder(OpBuilder &b, Location loc, DenseMap<int64_t, int64_t> &sizes)
      : b(b), loc(loc), sizes(sizes) {}

  OpBuilder &b;
  Location loc;

  int64_t size(int64_t axis) const { return sizes.lookup(axis); }
  VectorType vectorType(ArrayRef<int64_t> axes, Type element) const;
  /// Union of axes: kRowAxis first, then in order of appearance.
  static SmallVector<int64_t, 3> join(ArrayRef<TileValue> values);

  /// `v` on exactly `axes` (a superset of its own), as a vector; a scalar stays
  /// one when `axes` is empty.
  TileValue spread(TileValue v, ArrayRef<int64_t> axes);
  /// The value `splat` (a float or integer attribute) on `axes`.
  TileValue constant(TypedAttr splat, ArrayRef<int64_t> axes);
  TileValue index(int64_t v);

  /// An elementwise op by name on joined axes; `result` is its element type
  /// (that of the first operand if null), attributes are passed on.
  TileValue op(StringRef name, ArrayRef<TileValue> operands, Type result = {},
               ArrayRef<NamedAttribute> attributes = {});
  TileValue addi(TileValue x, TileValue y) {
    return integer("arith.addi", x, y);
  }
  TileValue subi(TileValue x, TileValue y) {
    return integer("arith.subi", x, y);
  }
  TileValue muli(TileValue x, TileValue y) {
    return integer("arith.muli", x, y);
  }
  TileValue floordiv(TileValue x, int64_t c);
  TileValue mod(TileValue x, int64_t c);
  TileValue andi(TileValue x, TileValue y) { return op("arith.andi", {x, y}); }
  TileValue ori(TileValue x, TileValue y) { return op("arith.ori", {x, y}); }
  TileValue cmpi(arith::CmpIPredicate p, TileValue x, TileValue y);
  TileValue select(TileValue c, TileValue x, TileValue y);
  /// Integer operands brought to one element type (index for scalars, i32 as
  /// soon as one of them is a vector).
  TileValue integer(StringRef name, TileValue x, TileValue y);
  /// As an integer of this width or index.
  TileValue cast(TileValue v, Type element);

  /// An affine expression over values; null if it has a form that cannot be
  /// written (checked expressions always can).
  TileValue affine(AffineExpr e, ArrayRef<TileValue> dims,
                   ArrayRef<TileValue> symbols);

private:
  DenseMap<int64_t, int64_t> &sizes;
};

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_TILEVALUE_H
