// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Forward attention in one pass over the keys, after FlashAttention-2 (Dao,
// arXiv 2307.08691): 64 query rows per CTA, 16 per warp, tiles of 64 keys that
// are copied asynchronously into one of two buffers while the other is used.
// Scores and weights stay in registers: two accumulators of a score tile are
// one operand of the product with the values.
//
// A row of bf16 is chunks of 16 bytes; chunk c of row r lies at c ^ (r % 8), so
// that the 8 rows of an ldmatrix meet all banks.
//
// CHANNELS is the size of a head: 64, or 128 for the benchmark.

#include "softmax.cuh"

#include <cuda_bf16.h>
#include <stdint.h>

#ifndef CHANNELS
#define CHANNELS 64
#endif

namespace {

constexpr int kTile = 64;              // query rows of a CTA, keys of a tile
constexpr int kChannels = CHANNELS;    // of a head
constexpr int kChunks = kChannels / 8; // of a row
constexpr int kSteps = kChannels / 16; // of the products along channels
constexpr int kTileBytes = kTile * kChannels * 2;

__device__ uint32_t chunkAt(uint32_t tile, int row, int chunk) {
  return tile + row * kChannels * 2 + ((chunk ^ (row & 7)) << 4);
}

/// Rows behind the last one become zero.
__device__ void copyTile(uint32_t tile, const __nv_bfloat16 *from, int first,
                         int rows) {
  for (int i = threadIdx.x; i < kTile * kChunks; i += 128) {
    int row = i / kChunks, chunk = i % kChunks;
    bool isIn = first + row < rows;
    const __nv_bfloat16 *at =
        from + (isIn ? first + row : 0) * kChannels + chunk * 8;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                     chunkAt(tile, row, chunk)),
                 "l"(at), "r"(isIn ? 16 : 0)
                 : "memory");
  }
}

__device__ void loadMatrices(uint32_t (&r)[4], uint32_t at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, "
               "[%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}

__device__ void loadTransposed(uint32_t (&r)[4], uint32_t at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, "
               "%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}

__device__ void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                         uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, "
               "%2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

} // namespace

/// q, k, v: [head][token][channel]; o the same in f32. Grid: (tiles of rows,
/// heads); five tiles of dynamic shared memory, 40 KB for 64 channels.
extern "C" __global__ void __launch_bounds__(128)
    flash(const __nv_bfloat16 *q, const __nv_bfloat16 *k,
          const __nv_bfloat16 *v, float *o, int length, float scale,
          int isCausal) {
  extern __shared__ __align__(128) unsigned char memory[];
  uint32_t tileQ = uint32_t(__cvta_generic_to_shared(memory));
  uint32_t tileK = tileQ + kTileBytes, tileV = tileK + 2 * kTileBytes;
  int64_t head = int64_t(blockIdx.y) * length * kChannels;
  int firstRow = blockIdx.x * kTile;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int numTiles = (length + kTile - 1) / kTile;
  int numTilesSeen = blockIdx.x + 1;
  if (isCausal && numTilesSeen < numTiles) {
    numTiles = numTilesSeen;
  }
  copyTile(tileQ, q + head, firstRow, length);
  copyTile(tileK, k + head, 0, length);
  copyTile(tileV, v + head, 0, length);
  asm volatile("cp.async.commit_group;" ::: "memory");

  float out[2 * kSteps][4] = {}, most[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  uint32_t aq[kSteps][4];
  float scale2 = scale * 1.44269504f;
  for (int j = 0; j < numTiles; ++j) {
    int buffer = j % 2, other = 1 - buffer;
    if (j + 1 < numTiles) {
      copyTile(tileK + other * kTileBytes, k + head, (j + 1) * kTile, length);
      copyTile(tileV + other * kTileBytes, v + head, (j + 1) * kTile, length);
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();
    if (j == 0) {
#pragma unroll
      for (int kk = 0; kk < kSteps; ++kk) {
        loadMatrices(aq[kk],
                     chunkAt(tileQ, warp * 16 + lane % 16, kk * 2 + lane / 16));
      }
    }
    float s[8][4] = {};
#pragma unroll
    for (int n = 0; n < 4; ++n) {
#pragma unroll
      for (int kk = 0; kk < kSteps; ++kk) {
        uint32_t b[4];
        int row = n * 16 + lane % 8 + 8 * (lane / 16);
        loadMatrices(b, chunkAt(tileK + buffer * kTileBytes, row,
                                kk * 2 + lane / 8 % 2));
        multiply(s[2 * n], aq[kk], b[0], b[1]);
        multiply(s[2 * n + 1], aq[kk], b[2], b[3]);
      }
    }
    float tileMost[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        int row = firstRow + warp * 16 + lane / 4 + 8 * (i / 2);
        int col = j * kTile + n * 8 + lane % 4 * 2 + i % 2;
        bool isIn = col < length && (!isCausal || col <= row);
        s[n][i] = isIn ? s[n][i] * scale2 : -INFINITY;
        tileMost[i / 2] = larger(tileMost[i / 2], s[n][i]);
      }
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float now = larger(most[h], largestOfRow(tileMost[h]));
      // Without a key so far there is nothing to correct.
      float from = now == -INFINITY ? 0 : now;
      float correction = exp2Approx(most[h] - from);
      most[h] = now;
      sum[h] *= correction;
#pragma unroll
      for (int n = 0; n < 8; ++n) {
#pragma unroll
        for (int i = 2 * h; i < 2 * h + 2; ++i) {
          s[n][i] = exp2Approx(s[n][i] - from);
          sum[h] += s[n][i];
        }
      }
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
        out[n][2 * h] *= correction;
        out[n][2 * h + 1] *= correction;
      }
    }
#pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
      uint32_t p[4] = {pack(s[2 * kk][0], s[2 * kk][1]),
                       pack(s[2 * kk][2], s[2 * kk][3]),
                       pack(s[2 * kk + 1][0], s[2 * kk + 1][1]),
                       pack(s[2 * kk + 1][2], s[2 * kk + 1][3])};
#pragma unroll
      for (int n = 0; n < kSteps; ++n) {
        uint32_t b[4];
        loadTransposed(b, chunkAt(tileV + buffer * kTileBytes,
                                  kk * 16 + lane % 16, n * 2 + lane / 16));
        multiply(out[2 * n], p, b[0], b[1]);
        multiply(out[2 * n + 1], p, b[2], b[3]);
      }
    }
    // The next turn writes the buffer that was read here.
    __syncthreads();
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float all = sumOfRow(sum[h]);
    int row = firstRow + warp * 16 + lane / 4 + 8 * h;
    if (row < length) {
      float factor = all > 0 ? 1 / all : 0;
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
        float *at = o + head + int64_t(row) * kChannels + n * 8 + lane % 4 * 2;
        at[0] = out[n][2 * h] * factor;
        at[1] = out[n][2 * h + 1] * factor;
      }
    }
  }
}
