//===- Simplify.h - Patterns of sm-simplify ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_DIALECT_SM_TRANSFORMS_SIMPLIFY_H
#define ATTN_LIB_DIALECT_SM_TRANSFORMS_SIMPLIFY_H

#include "attn/Dialect/SM/IR/SM.h"
#include "mlir/IR/PatternMatch.h"

namespace attn::sm {

/// What is the same along an axis is computed once for it, and products add to
/// what they are added to (Arithmetic.cpp).
void populateArithmeticPatterns(RewritePatternSet &patterns);

/// What a mask hides decides nothing (SinkFlags.cpp).
void populateUseMaskedPatterns(RewritePatternSet &patterns);

/// Flags that a branch computes are used inside of it (SinkFlags.cpp).
void populateSinkFlagsPatterns(RewritePatternSet &patterns);

} // namespace attn::sm

#endif // ATTN_LIB_DIALECT_SM_TRANSFORMS_SIMPLIFY_H
