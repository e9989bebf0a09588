//===- AffineSum.h - Checked sums of affine terms ------------- -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sum of coefficient * atom under construction. An atom is a dim, a symbol,
// or a division (floordiv, ceildiv, mod) whose own operand is in normal form.
// All arithmetic is checked: MLIR's affine builders wrap silently.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_DIALECT_ATTN_IR_AFFINESUM_H
#define ATTN_LIB_DIALECT_ATTN_IR_AFFINESUM_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/ADT/SmallVector.h"

namespace attn {

class AffineSum {
public:
  explicit AffineSum(MLIRContext *context) : context(context) {}

  /// Adds factor * expr.
  void add(AffineExpr expr, int64_t factor = 1);
  void addConstant(int64_t value);

  /// True once a coefficient or the constant left the range of 64 bits (the
  /// smallest value counts as outside: it has no negation).
  bool overflowed() const { return overflow; }
  /// Which coefficient overflowed, as a message.
  std::string describeOverflow(ArrayRef<StringRef> dims,
                               ArrayRef<StringRef> symbols) const;

  /// expr in normal form; null, and this sum overflowed, where a coefficient of
  /// it does.
  AffineExpr normalize(AffineExpr expr);

  /// The sum with its terms in the order of the normal form; null after an
  /// overflow. MLIR may simplify while it is built, so that it need not be in
  /// normal form itself; `normalize` repeats until it is.
  AffineExpr build();

private:
  void addAtom(AffineExpr atom, int64_t factor);
  void setOverflow(AffineExpr atom);

  MLIRContext *context;
  SmallVector<std::pair<AffineExpr, int64_t>> terms;
  int64_t constant = 0;
  bool overflow = false;
  AffineExpr culprit; // atom whose coefficient overflowed; null: the constant
};

} // namespace attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_AFFINESUM_H
