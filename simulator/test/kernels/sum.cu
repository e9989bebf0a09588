// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// c = a + b, and the sum of a by one CTA, with and without the barrier that it
// needs.

extern "C" __global__ void vadd(const float *a, const float *b, float *c,
                                int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    c[i] = a[i] + b[i];
  }
}

template <bool hasBarrier>
__device__ void sum(const float *a, float *out, int n) {
  __shared__ float part[8];
  float s = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    s += a[i];
  }
  for (int d = 16; d > 0; d /= 2) {
    s += __shfl_xor_sync(~0u, s, d);
  }
  if (threadIdx.x % 32 == 0) {
    part[threadIdx.x / 32] = s;
  }
  if (hasBarrier) {
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    float t = 0;
    for (int i = 0; i < blockDim.x / 32; ++i) {
      t += part[i];
    }
    *out = t;
  }
}

extern "C" __global__ void reduce(const float *a, float *out, int n) {
  sum<true>(a, out, n);
}

extern "C" __global__ void reduce_race(const float *a, float *out, int n) {
  sum<false>(a, out, n);
}
