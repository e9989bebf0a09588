//===- Float8Conversions.h - What 8-bit floats mean -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_HOST_FLOAT8CONVERSIONS_H
#define ATTN_LIB_TARGET_HOST_FLOAT8CONVERSIONS_H

#include "mlir/IR/PatternMatch.h"

namespace attn {

/// f8E4M3FN and f8E5M2 to f32 and f16 (arith.extf; scalar or vector): LLVM has
/// no types for them, only their bytes.
void populateFloat8ConversionPatterns(mlir::RewritePatternSet &patterns);

} // namespace attn

#endif // ATTN_LIB_TARGET_HOST_FLOAT8CONVERSIONS_H
