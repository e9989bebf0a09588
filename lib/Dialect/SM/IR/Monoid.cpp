//===- Monoid.cpp - What combines parts -----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/SM/IR/Monoid.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace attn;
using namespace attn::sm;

Value sm::combine(ImplicitLocOpBuilder &b, Kind kind, Value x, Value y) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(x.getType()));
  switch (kind) {
  case Kind::add:
    return isFloat ? arith::AddFOp::create(b, x, y).getResult()
                   : arith::AddIOp::create(b, x, y).getResult();
  case Kind::mul:
    return isFloat ? arith::MulFOp::create(b, x, y).getResult()
                   : arith::MulIOp::create(b, x, y).getResult();
  case Kind::maximum:
    return isFloat ? arith::MaximumFOp::create(b, x, y).getResult()
                   : arith::MaxSIOp::create(b, x, y).getResult();
  case Kind::minimum:
    return isFloat ? arith::MinimumFOp::create(b, x, y).getResult()
                   : arith::MinSIOp::create(b, x, y).getResult();
  }
  llvm_unreachable("a kind");
}

static APFloat getUnitValue(Kind kind, const llvm::fltSemantics &semantics) {
  switch (kind) {
  case Kind::add:
    return APFloat::getZero(semantics);
  case Kind::mul:
    return APFloat::getOne(semantics);
  case Kind::maximum:
    return APFloat::getInf(semantics, /*Negative=*/true);
  case Kind::minimum:
    return APFloat::getInf(semantics);
  }
  llvm_unreachable("a kind");
}

TypedAttr sm::getUnit(Kind kind, FloatType type) {
  return FloatAttr::get(type, getUnitValue(kind, type.getFloatSemantics()));
}

bool sm::isUnit(Value value, Kind kind) {
  SplatElementsAttr splat;
  if (!matchPattern(value, m_Constant(&splat)) ||
      !isa<FloatType>(splat.getElementType())) {
    return false;
  }
  APFloat is = splat.getSplatValue<APFloat>();
  // Both zeros add nothing.
  return is.compare(getUnitValue(kind, is.getSemantics())) == APFloat::cmpEqual;
}
