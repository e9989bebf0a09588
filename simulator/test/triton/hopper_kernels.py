# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Triton kernels over tensor descriptors: TMA copies and mbarriers on sm_90a.

Only emit.py imports this file; hopper.py says with which arguments they run.
"""

import triton
import triton.language as tl


@triton.jit
def move(x, out, row, column, M: tl.constexpr, N: tl.constexpr):
    """One box, from a place that may lie across the edge, to the origin."""
    out.store([0, 0], x.load([row, column]))


@triton.jit
def matmul(
    a,
    b,
    c,
    M,
    N,
    K,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    TRANSPOSED: tl.constexpr,
    SPECIALIZE: tl.constexpr,
):
    """C = A B; B lies as [N][K] if TRANSPOSED."""
    tiles_n = tl.cdiv(N, BLOCK_N)
    row = tl.program_id(0) // tiles_n * BLOCK_M
    column = tl.program_id(0) % tiles_n * BLOCK_N
    sums = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for k in tl.range(0, K, BLOCK_K, warp_specialize=SPECIALIZE):
        x = a.load([row, k])
        if TRANSPOSED:
            sums = tl.dot(x, b.load([column, k]).T, sums)
        else:
            sums = tl.dot(x, b.load([k, column]), sums)
    c.store([row, column], sums.to(c.dtype))


@triton.jit
def matmul_persistent(
    a,
    b,
    c,
    M,
    N,
    K,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    FLATTEN: tl.constexpr,
):
    """Each program takes every so many tiles."""
    tiles_n = tl.cdiv(N, BLOCK_N)
    tiles = tl.cdiv(M, BLOCK_M) * tiles_n
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0), flatten=FLATTEN):
        row = tile // tiles_n * BLOCK_M
        column = tile % tiles_n * BLOCK_N
        sums = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
        for k in range(0, K, BLOCK_K):
            sums = tl.dot(a.load([row, k]), b.load([k, column]), sums)
        c.store([row, column], sums.to(c.dtype))


@triton.jit
def matmul_own(
    a,
    b,
    c,
    M,
    N,
    K,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """As `matmul`, over descriptors that the kernel makes."""
    x = tl.make_tensor_descriptor(a, [M, K], [K, 1], [BLOCK_M, BLOCK_K])
    y = tl.make_tensor_descriptor(b, [K, N], [N, 1], [BLOCK_K, BLOCK_N])
    z = tl.make_tensor_descriptor(c, [M, N], [N, 1], [BLOCK_M, BLOCK_N])
    tiles_n = tl.cdiv(N, BLOCK_N)
    row = tl.program_id(0) // tiles_n * BLOCK_M
    column = tl.program_id(0) % tiles_n * BLOCK_N
    sums = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for k in range(0, K, BLOCK_K):
        sums = tl.dot(x.load([row, k]), y.load([k, column]), sums)
    z.store([row, column], sums.to(c.dtype.element_ty))


@triton.jit
def attention(
    q,
    k,
    v,
    out,
    scale,
    length,
    D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    CAUSAL: tl.constexpr,
    SPECIALIZE: tl.constexpr,
):
    """Q, K, V, out: [batch * head * row][D], `length` a multiple of the blocks."""
    base = tl.program_id(1) * length
    first = tl.program_id(0) * BLOCK_M
    x = q.load([base + first, 0])
    rows = first + tl.arange(0, BLOCK_M)
    largest = tl.full([BLOCK_M], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    sums = tl.zeros([BLOCK_M, D], tl.float32)
    scale *= 1.4426950408889634
    end = length
    if CAUSAL:
        end = first + BLOCK_M
    for start in tl.range(0, end, BLOCK_N, warp_specialize=SPECIALIZE):
        s = tl.dot(x, k.load([base + start, 0]).T) * scale
        if CAUSAL:
            seen = rows[:, None] >= start + tl.arange(0, BLOCK_N)[None, :]
            s = tl.where(seen, s, -1.0e30)
        new = tl.maximum(largest, tl.max(s, 1))
        p = tl.math.exp2(s - new[:, None])
        correction = tl.math.exp2(largest - new)
        total = total * correction + tl.sum(p, 1)
        sums = tl.dot(p.to(v.dtype), v.load([base + start, 0]), sums * correction[:, None])
        largest = new
    out.store([base + first, 0], (sums / total[:, None]).to(out.dtype))
