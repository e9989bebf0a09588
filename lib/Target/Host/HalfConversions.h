//===- HalfConversions.h - f16 without instructions for it ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_HOST_HALFCONVERSIONS_H
#define ATTN_LIB_TARGET_HOST_HALFCONVERSIONS_H

#include "mlir/IR/PatternMatch.h"

namespace attn {

/// f16 <-> f32 (arith.extf, arith.truncf; scalar or vector) in integer
/// arithmetic, rounding to nearest even: without F16C LLVM calls the compiler's
/// run-time library.
void populateHalfConversionPatterns(mlir::RewritePatternSet &patterns);

} // namespace attn

#endif // ATTN_LIB_TARGET_HOST_HALFCONVERSIONS_H
