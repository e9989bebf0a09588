//===- TileToVector.h - Tile kernels to loops over registers ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_TILETOVECTOR_H
#define ATTN_CONVERSION_TILETOVECTOR_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/PatternMatch.h"

namespace attn {

/// What the generated loops must know of the vector unit.
struct HostVectorTarget {
  int64_t lanes = 16;     // f32 lanes of a register, a power of two
  int64_t registers = 32; // architectural vector registers
  bool dotsBF16 = false;  // multiplies pairs of bf16, adds in f32 (vdpbf16ps)
  bool tilesBF16 = false; // a matrix unit does so too (AMX); with dotsBF16
};

/// Patterns that expand math ops (scalar or 1-D vector, f32) into arithmetic
/// without a call. exp and exp2: relative error about 2e-7 over the normal
/// range, 0 below it, +inf above, NaN kept. Other functions use upstream's
/// approximations, wrapped so that a NaN stays a NaN.
void populateMathToPolynomialPatterns(RewritePatternSet &patterns);

} // namespace attn

#endif // ATTN_CONVERSION_TILETOVECTOR_H
