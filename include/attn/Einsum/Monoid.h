//===- Monoid.h - The commutative monoids of a reduction --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reduction joins values by an operation that has a unit and for which order
// and grouping do not matter. That is what lets a rank be cut into tiles,
// splits and ranges that are reduced apart and joined afterwards, an empty part
// included: it contributes the unit.
//
// Over the reals all four are commutative monoids. Two remarks on floats:
//  * `max` and `min` are IEEE 754-2019 maximum and minimum (arith.maximumf and
//    arith.minimumf): a NaN on either side gives NaN, and -0 < +0. With the
//    other convention (a NaN is skipped) a row with a NaN would depend on how
//    it was cut into tiles.
//  * `add` and `mul` are associative up to rounding only.
//
// Example: max over (3, -inf, 7) cut as (3), (), (-inf, 7) is
// max(max(3, -inf), 7) = 7, because the empty part gives -inf.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_EINSUM_MONOID_H
#define ATTN_EINSUM_MONOID_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/StringRef.h"

namespace attn::einsum {

enum class Monoid { Add, Mul, Max, Min };

/// The word of the textual form: add, mul, max, min.
StringRef getName(Monoid monoid);
/// The value over no point: 0, 1, -inf, +inf.
double getUnit(Monoid monoid);
/// `a` joined with `b`; NaN and signed zeros as said above.
double join(Monoid monoid, double a, double b);

} // namespace attn::einsum

#endif // ATTN_EINSUM_MONOID_H
