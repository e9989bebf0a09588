// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a softmax over the rows of an accumulator needs, without a library.

#ifndef PTXSIM_TEST_KERNELS_SOFTMAX_CUH
#define PTXSIM_TEST_KERNELS_SOFTMAX_CUH

#include <stdint.h>

namespace {

/// For fmaxf clang would need a library.
__device__ float larger(float x, float y) {
  float z;
  asm("max.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y));
  return z;
}

__device__ float exp2Approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ uint32_t pack(float low, float high) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

/// Over the four lanes that share a row.
__device__ float largestOfRow(float x) {
  x = larger(x, __shfl_xor_sync(~0u, x, 1));
  return larger(x, __shfl_xor_sync(~0u, x, 2));
}

__device__ float sumOfRow(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}

} // namespace

#endif // PTXSIM_TEST_KERNELS_SOFTMAX_CUH
