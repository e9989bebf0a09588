//===- Monoid.h - What combines parts -------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_SM_IR_MONOID_H
#define ATTN_DIALECT_SM_IR_MONOID_H

#include "attn/Dialect/SM/IR/SM.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace attn::sm {

/// x and y combined, element by element: floats, or signed integers. `maximum`
/// and `minimum` of floats hand on a NaN.
Value combine(ImplicitLocOpBuilder &b, Kind kind, Value x, Value y);

/// What adds nothing, as a float of this type.
TypedAttr getUnit(Kind kind, FloatType type);

/// Whether a value is a constant with the unit in every element: then it adds
/// nothing, in however many parts it is.
bool isUnit(Value value, Kind kind);

} // namespace attn::sm

#endif // ATTN_DIALECT_SM_IR_MONOID_H
