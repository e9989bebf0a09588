//===- NormalForm.h - The one normal form of index expressions -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// AffineExpr depends on the order in which it was built. Every expression of
// the dialect (maps, sets, addresses) is brought to one form, by the parser and
// by every builder; round trips are exact only because of it. The form is a sum
// of coefficient * atom in the order: dims, divisions that hold a dim, symbols,
// divisions of symbols only, constant.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_IR_NORMALFORM_H
#define ATTN_DIALECT_ATTN_IR_NORMALFORM_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/IntegerSet.h"

namespace attn {

/// The normal form of `expr`. Null if a coefficient does not fit 64 bits.
AffineExpr normalize(AffineExpr expr);
/// Every result (constraint) in normal form; idempotent. The input must be
/// pure affine and without overflow (`checkAffine` returned an empty string).
AffineMap normalize(AffineMap map);
IntegerSet normalize(IntegerSet set);

/// Empty if `expr` is pure affine, has positive constant divisors and
/// coefficients that fit 64 bits; else what is wrong, as a verifier message
/// without the "op " in front, with names from `dims` and `symbols`.
std::string checkAffine(AffineExpr expr, ArrayRef<StringRef> dims,
                        ArrayRef<StringRef> symbols);

/// Prints `expr` with names; the inverse of parsing it with the same names.
void printNamed(AffineExpr expr, ArrayRef<StringRef> dims,
                ArrayRef<StringRef> symbols, raw_ostream &os);

} // namespace attn

#endif // ATTN_DIALECT_ATTN_IR_NORMALFORM_H
