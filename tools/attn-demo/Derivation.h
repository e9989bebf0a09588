//===- Derivation.h - What the compiler made of the cascade ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_DEMO_DERIVATION_H
#define ATTN_TOOLS_ATTN_DEMO_DERIVATION_H

#include "attn/Support/LLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <string>

namespace attn {

struct Derivation {
  /// Passes over the folded rank, as written and as derived.
  int64_t passesWritten = 0, passesDerived = 0;
  /// The fold: its rank, and of each component of the state the reduction and
  /// the law by which it moves with the ones before it; step and merge are made
  /// from these. "over m, state z1 = max; z2 = add (* exp(z1 - z1'))". Empty
  /// without a fold.
  std::string fold;
  /// Query rows of a tile; 0 if none were chosen.
  int64_t tileRows = 0;
};

/// Derives a copy of `entry` as a compile for this machine does.
FailureOr<Derivation> deriveCopy(func::FuncOp entry);

} // namespace attn

#endif // ATTN_TOOLS_ATTN_DEMO_DERIVATION_H
