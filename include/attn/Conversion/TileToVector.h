//===- TileToVector.h - Tile kernels to loops over registers ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_TILETOVECTOR_H
#define ATTN_CONVERSION_TILETOVECTOR_H

#include "attn/Support/LLVM.h"
#include "attn/TargetModel/VectorUnit.h"
#include "mlir/IR/PatternMatch.h"

namespace attn {

/// Patterns that expand math ops (scalar or 1-D vector, f32) into arithmetic
/// without a call. exp and exp2: relative error about 2e-7 over the normal
/// range, 0 below it (or a denormal number, where the unit scales and does not
/// flush them), +inf above, NaN kept; with `afn` 3e-6. Other functions use
/// upstream's approximations, wrapped so that a NaN stays a NaN.
void populateMathToPolynomialPatterns(RewritePatternSet &patterns,
                                      const VectorUnit &unit);

} // namespace attn

#endif // ATTN_CONVERSION_TILETOVECTOR_H
