//===- ScalarKernels.h - Scalar operations on runs of points ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One function per scalar operation, applied to `n` points at once. This part
// knows no MLIR, so that it compiles fast with full optimisation. Integers are
// kept sign-extended to 64 bits, i1 as 0 or 1; `width` is that of the result,
// or of the operands for comparisons and conversions from integers.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_REFERENCE_SCALARKERNELS_H
#define ATTN_LIB_REFERENCE_SCALARKERNELS_H

#include <cstdint>

namespace attn::reference {

union Word {
  double f;
  int64_t i;
};

/// dst[0..n) from up to three operands. A division by zero of integers gives 0
/// and sets `*trap`.
using Kernel = void (*)(Word *dst, const Word *a, const Word *b, const Word *c,
                        int64_t n, unsigned width, bool *trap);

/// The kernel of an operation by its name ("arith.addf"; comparisons with
/// their predicate, "arith.cmpf oeq"), or null.
Kernel findKernel(const char *name);

/// accumulator[i * step] = accumulator op values[i]; step 0 reduces.
void accumulateAdd(double *accumulator, int64_t step, const double *values,
                   int64_t n);
void accumulateMul(double *accumulator, int64_t step, const double *values,
                   int64_t n);
/// NaN if either is.
void accumulateMax(double *accumulator, int64_t step, const double *values,
                   int64_t n);
void accumulateMin(double *accumulator, int64_t step, const double *values,
                   int64_t n);
void store(double *target, int64_t step, const double *values, int64_t n);
/// out[i] = a[i] * b[i]
void multiply(double *out, const double *a, const double *b, int64_t n);

} // namespace attn::reference

#endif // ATTN_LIB_REFERENCE_SCALARKERNELS_H
