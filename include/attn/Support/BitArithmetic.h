//===- BitArithmetic.h - Floating-point formats by integer arithmetic -----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_BITARITHMETIC_H
#define ATTN_SUPPORT_BITARITHMETIC_H

#include "attn/Support/LLVM.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace attn {

/// Builds 32-bit arithmetic on scalars, or on vectors of the shape of `shape`.
struct Bits {
  ImplicitLocOpBuilder b;
  Type shape;

  Type like(Type element) {
    auto vec = dyn_cast<VectorType>(shape);
    return vec ? Type(vec.clone(element)) : element;
  }
  Value splat(TypedAttr attr) {
    if (auto vec = dyn_cast<VectorType>(like(attr.getType()))) {
      attr = DenseElementsAttr::get(vec, Attribute(attr));
    }
    return arith::ConstantOp::create(b, attr);
  }
  Value i(uint32_t v) { return splat(b.getI32IntegerAttr(v)); }
  Value f(double v) { return splat(b.getF32FloatAttr(v)); }
  Value toInt(Value v) {
    return arith::BitcastOp::create(b, like(b.getI32Type()), v);
  }
  Value toFloat(Value v) {
    return arith::BitcastOp::create(b, like(b.getF32Type()), v);
  }
  Value mask(Value v, uint32_t m) { return arith::AndIOp::create(b, v, i(m)); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value left(Value x, uint32_t n) { return arith::ShLIOp::create(b, x, i(n)); }
  Value right(Value x, uint32_t n) {
    return arith::ShRUIOp::create(b, x, i(n));
  }
  Value either(Value x, Value y) { return arith::OrIOp::create(b, x, y); }
  Value cmp(arith::CmpIPredicate p, Value x, uint32_t y) {
    return arith::CmpIOp::create(b, p, x, i(y));
  }
  Value select(Value c, Value x, Value y) {
    return arith::SelectOp::create(b, c, x, y);
  }
};

/// f32 rounded to a type of 8 bits, to nearest with ties to even; `e.shape` is
/// f32 or a vector of it. What is too large becomes infinity, or NaN where
/// there is none (f8E4M3FN): a program that wants the largest number says so
/// itself.
Value truncateToFloat8(Bits &e, Value value, FloatType type);

} // namespace attn

#endif // ATTN_SUPPORT_BITARITHMETIC_H
