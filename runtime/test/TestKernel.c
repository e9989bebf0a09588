/*===- TestKernel.c - Host code for bundles of the unit tests -------------===*
 *
 * Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 *===----------------------------------------------------------------------===*
 *
 * What the compiler would write for
 *
 *   w[b] = sum of x[b, m] over m < len[b]        a fold over tiles of 4 keys
 *   y[b] = FACTOR * scale * w[b]                 a stage
 *   z[b, 0..1] = 0                               a result that nobody writes
 *
 * Tensors: x, len, y, z, state, w. Cells: scale, B, B of len, tiles, 2.
 * C and C++; TestKernel.cu makes a GPU's kernels of it.
 *
 *===----------------------------------------------------------------------===*/
#include "attnrt/plan_format.h"

enum { X, LEN, Y, Z, STATE, W };

static float *at(const attnrt_args *args, int tensor, int64_t i, int64_t j) {
  const attnrt_tensor *t = &args->tensors[tensor];
  return (float *)t->data + i * t->stride[0] + j * t->stride[1];
}

static int32_t length(const attnrt_args *args, int64_t b) {
  const attnrt_tensor *t = &args->tensors[LEN];
  int64_t keys = args->tensors[X].shape[1];
  int32_t len = ((const int32_t *)t->data)[b * t->stride[0]];
  return len < keys ? len : (int32_t)keys;
}

void sums_extents(const attnrt_args *args, int64_t *extents) {
  extents[0] = args->tensors[X].shape[0];
  extents[1] = args->tensors[LEN].shape[0];
  extents[2] = 0;
  for (int64_t b = 0; b < extents[1]; ++b) {
    int64_t tiles = (length(args, b) + 3) / 4;
    extents[2] = extents[2] < tiles ? tiles : extents[2];
  }
  extents[3] = 2;
}

void sums_range(const attnrt_args *args, const int32_t *seg,
                const int32_t *coord, int32_t *lo, int32_t *hi, int64_t n) {
  (void)coord;
  for (int64_t i = 0; i < n; ++i) {
    lo[i] = 0;
    hi[i] = length(args, seg[i]);
  }
}

/* Tiles of 4 keys, by what the length leaves of them. */
void sums_classes(const attnrt_args *args, const int32_t *runs, int64_t *counts,
                  int64_t n) {
  int64_t tiles = (args->tensors[X].shape[1] + 3) / 4;
  for (int64_t i = 0; i < n; ++i) {
    int64_t seen = length(args, runs[4 * i]);
    int64_t touched = (seen + 3) / 4;
    counts[0] += tiles - touched;
    counts[1] += touched - seen / 4;
    counts[2] += seen / 4;
  }
}

void sums(const attnrt_args *args, const attnrt_item *item, void *scratch) {
  const attnrt_segment *segment = &args->segments[item->seg];
  int32_t b = args->rows[item->row_begin].sym; /* whose lengths and result */
  int32_t begin = segment->coord0 + item->kv_begin;
  volatile float *own = (float *)scratch; /* 64 bytes that nobody else has */
  own[0] = own[15] = 0;
  for (int32_t m = begin; m < begin + item->kv_count; ++m) {
    if (m < length(args, b)) {
      own[15] += *at(args, X, segment->param, m);
    }
  }
  *(item->slot < 0 ? at(args, W, b, 0) : at(args, STATE, item->slot, 0)) =
      own[0] + own[15];
}

void sums_merge(const attnrt_args *args, const attnrt_merge *merge,
                void *scratch) {
  (void)scratch;
  for (int32_t k = 0; k < merge->n; ++k) {
    float sum = 0;
    for (int32_t i = 0; i < merge->count; ++i) {
      sum += *at(args, STATE, args->merge_slots[merge->begin + i] + k, 0);
    }
    *(merge->dst < 0 ? at(args, W, args->rows[merge->first + k].sym, 0)
                     : at(args, STATE, merge->dst + k, 0)) = sum;
  }
}

void scale_stage(const attnrt_args *args, const attnrt_item *item,
                 void *scratch) {
  union {
    uint64_t cell;
    float real;
  } scale = {args->scalars[0]};
  (void)scratch;
  for (int32_t i = 0; i < item->row_count; ++i) {
    int64_t b = item->row_begin + i;
    *at(args, Y, b, 0) = FACTOR * scale.real * *at(args, W, b, 0);
  }
}
