# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Triton kernels whose PTX the simulator runs; only emit.py imports this file.

They are small, and shaped so that Triton's compiler has reasons to use what it
has: masks, pipelined copies, every product, shuffles, atomics, layouts that are
exchanged through shared memory. cases.py says with which arguments they run.
"""

import triton
import triton.language as tl
from triton.language.extra import libdevice


# ---- elementwise --------------------------------------------------------------


@triton.jit
def add(x, y, out, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    a = tl.load(x + at, mask=inside)
    b = tl.load(y + at, mask=inside, other=0.0)
    tl.store(out + at, a + b, mask=inside)


@triton.jit
def convert(x, out, BLOCK: tl.constexpr):
    """Stores x in the type of the output."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at).to(out.dtype.element_ty))


@triton.jit
def functions(x, out, count, BLOCK: tl.constexpr):
    """Rows of functions of positive x."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    a = tl.load(x + at, mask=inside, other=1.0)
    tl.store(out + 0 * count + at, tl.exp(a), mask=inside)
    tl.store(out + 1 * count + at, tl.log(a), mask=inside)
    tl.store(out + 2 * count + at, tl.sqrt_rn(a), mask=inside)
    tl.store(out + 3 * count + at, tl.rsqrt(a), mask=inside)
    tl.store(out + 4 * count + at, tl.sin(a), mask=inside)
    tl.store(out + 5 * count + at, tl.cos(a), mask=inside)
    tl.store(out + 6 * count + at, tl.erf(a), mask=inside)
    tl.store(out + 7 * count + at, tl.div_rn(1.0, a), mask=inside)
    tl.store(out + 8 * count + at, tl.sigmoid(a), mask=inside)
    tl.store(out + 9 * count + at, libdevice.tanh(a), mask=inside)
    tl.store(out + 10 * count + at, libdevice.pow(a, 1.5), mask=inside)
    tl.store(out + 11 * count + at, libdevice.log1p(a), mask=inside)
    tl.store(out + 12 * count + at, tl.floor(a) + tl.ceil(a), mask=inside)
    tl.store(out + 13 * count + at, libdevice.fmod(a, 0.75), mask=inside)


@triton.jit
def integers(x, y, out, count, BLOCK: tl.constexpr):
    """Rows of functions of two integers; y is not zero."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    a = tl.load(x + at, mask=inside, other=1)
    b = tl.load(y + at, mask=inside, other=1)
    tl.store(out + 0 * count + at, a + b, mask=inside)
    tl.store(out + 1 * count + at, a * b, mask=inside)
    tl.store(out + 2 * count + at, a // b, mask=inside)
    tl.store(out + 3 * count + at, a % b, mask=inside)
    tl.store(out + 4 * count + at, a & ~b, mask=inside)
    tl.store(out + 5 * count + at, a ^ b, mask=inside)
    tl.store(out + 6 * count + at, a >> 3, mask=inside)
    tl.store(out + 7 * count + at, a << 2, mask=inside)
    tl.store(out + 8 * count + at, tl.where(a < b, a, b), mask=inside)
    tl.store(out + 9 * count + at, tl.abs(a), mask=inside)
    tl.store(out + 10 * count + at, tl.maximum(a, b) - tl.minimum(a, b), mask=inside)


@triton.jit
def dropout(x, out, keep, count, probability, seed, BLOCK: tl.constexpr):
    """What Philox keeps is scaled; `keep` gets its random numbers."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    a = tl.load(x + at, mask=inside)
    random = tl.rand(seed, at)
    tl.store(keep + at, random, mask=inside)
    kept = tl.where(random > probability, a / (1 - probability), 0.0)
    tl.store(out + at, kept, mask=inside)


# ---- rows ---------------------------------------------------------------------


@triton.jit
def softmax(
    x, out, stride, rows, columns, BLOCK: tl.constexpr, STAGES: tl.constexpr
):
    """Each program takes every so many rows, the loads pipelined."""
    for row in tl.range(
        tl.program_id(0), rows, tl.num_programs(0), num_stages=STAGES
    ):
        at = tl.arange(0, BLOCK)
        inside = at < columns
        a = tl.load(x + row * stride + at, mask=inside, other=-float("inf"))
        a = a.to(tl.float32)
        e = tl.exp(a - tl.max(a, axis=0))
        r = e / tl.sum(e, axis=0)
        tl.store(out + row * stride + at, r, mask=inside)


@triton.jit
def layer_norm(
    x, out, weight, bias, mean_out, scale_out, columns, epsilon, BLOCK: tl.constexpr
):
    row = tl.program_id(0)
    x += row * columns
    out += row * columns
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        total += tl.load(x + at, mask=at < columns, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / columns
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        a = tl.load(x + at, mask=at < columns, other=0.0).to(tl.float32)
        a = tl.where(at < columns, a - mean, 0.0)
        total += a * a
    scale = 1 / tl.sqrt(tl.sum(total, axis=0) / columns + epsilon)
    tl.store(mean_out + row, mean)
    tl.store(scale_out + row, scale)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        inside = at < columns
        w = tl.load(weight + at, mask=inside)
        b = tl.load(bias + at, mask=inside)
        a = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        tl.store(out + at, (a - mean) * scale * w + b, mask=inside)


@triton.jit
def column_sums_locked(
    x, out, locks, counts, rows, columns, GROUPS: tl.constexpr, BLOCK: tl.constexpr
):
    """Programs add their row to one of GROUPS rows of sums, under a lock each."""
    row = tl.program_id(0)
    group = row % GROUPS
    at = tl.arange(0, BLOCK)
    inside = at < columns
    part = tl.load(x + row * columns + at, mask=inside, other=0.0)
    while tl.atomic_cas(locks + group, 0, 1) == 1:
        pass
    seen = tl.load(counts + group)
    if seen == 0:
        tl.atomic_xchg(counts + group, 1)
    else:
        part += tl.load(out + group * columns + at, mask=inside)
    tl.store(out + group * columns + at, part, mask=inside)
    tl.debug_barrier()
    tl.atomic_xchg(locks + group, 0)


@triton.jit
def extremes(x, maximum, place, minimum, rows, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    a = tl.load(x + row * columns + at, mask=at < columns, other=-float("inf"))
    value, index = tl.max(a, axis=0, return_indices=True)
    tl.store(maximum + row, value)
    tl.store(place + row, index)
    a = tl.load(x + row * columns + at, mask=at < columns, other=float("inf"))
    tl.store(minimum + row, tl.argmin(a, axis=0))


# ---- sums of products ---------------------------------------------------------


@triton.jit
def matmul(
    a,
    b,
    c,
    M,
    N,
    K,
    stride_am,
    stride_ak,
    stride_bk,
    stride_bn,
    stride_cm,
    stride_cn,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
    ACCUMULATOR: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """C = A B, tiles in groups of rows; rows and columns wrap, K is masked."""
    program = tl.program_id(0)
    tiles_m = tl.cdiv(M, BLOCK_M)
    tiles_n = tl.cdiv(N, BLOCK_N)
    in_group = GROUP_M * tiles_n
    first = program // in_group * GROUP_M
    size = min(tiles_m - first, GROUP_M)
    tile_m = first + program % in_group % size
    tile_n = program % in_group // size

    row = (tile_m * BLOCK_M + tl.arange(0, BLOCK_M)) % M
    column = (tile_n * BLOCK_N + tl.arange(0, BLOCK_N)) % N
    k = tl.arange(0, BLOCK_K)
    a_at = a + row[:, None] * stride_am + k[None, :] * stride_ak
    b_at = b + k[:, None] * stride_bk + column[None, :] * stride_bn
    sums = tl.zeros((BLOCK_M, BLOCK_N), ACCUMULATOR)
    for step in range(0, tl.cdiv(K, BLOCK_K)):
        left = K - step * BLOCK_K
        x = tl.load(a_at, mask=k[None, :] < left, other=0.0)
        y = tl.load(b_at, mask=k[:, None] < left, other=0.0)
        sums = tl.dot(x, y, sums, input_precision=PRECISION, out_dtype=ACCUMULATOR)
        a_at += BLOCK_K * stride_ak
        b_at += BLOCK_K * stride_bk
    row = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    column = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    tl.store(
        c + row[:, None] * stride_cm + column[None, :] * stride_cn,
        sums.to(c.dtype.element_ty),
        mask=(row[:, None] < M) & (column[None, :] < N),
    )


@triton.jit
def matmul_split(
    a, b, c, M, N, K, BLOCK: tl.constexpr, BLOCK_K: tl.constexpr, PARTS: tl.constexpr
):
    """Programs along axis 1 each take a part of K, and add it to C."""
    tiles_n = N // BLOCK
    row = tl.program_id(0) // tiles_n * BLOCK + tl.arange(0, BLOCK)
    column = tl.program_id(0) % tiles_n * BLOCK + tl.arange(0, BLOCK)
    sums = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(tl.program_id(1) * BLOCK_K, K, BLOCK_K * PARTS):
        k = start + tl.arange(0, BLOCK_K)
        x = tl.load(a + row[:, None] * K + k[None, :])
        y = tl.load(b + k[:, None] * N + column[None, :])
        sums = tl.dot(x, y, sums)
    at = c + row[:, None] * N + column[None, :]
    tl.atomic_add(at, sums, sem="relaxed")


# ---- attention ----------------------------------------------------------------


@triton.jit
def attention_steps(
    sums,
    total,
    largest,
    q,
    k_at,
    v_at,
    rows,
    first,
    last,
    length,
    scale,
    stride,
    CAUSAL: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Key blocks first .. last of the online softmax; MASKED: looks at each."""
    for start in range(first, last, BLOCK_N):
        key = start + tl.arange(0, BLOCK_N)
        if MASKED:
            k = tl.load(k_at + start * stride, mask=key[None, :] < length, other=0.0)
        else:
            k = tl.load(k_at + start * stride)
        s = tl.dot(q, k) * scale
        if MASKED:
            seen = key[None, :] < length
            if CAUSAL:
                seen = seen & (rows[:, None] >= key[None, :])
            s = tl.where(seen, s, -1.0e30)
        new = tl.maximum(largest, tl.max(s, 1))
        p = tl.math.exp2(s - new[:, None])
        correction = tl.math.exp2(largest - new)
        total = total * correction + tl.sum(p, 1)
        sums = sums * correction[:, None]
        if MASKED:
            v = tl.load(v_at + start * stride, mask=key[:, None] < length, other=0.0)
        else:
            v = tl.load(v_at + start * stride)
        sums = tl.dot(p.to(v.dtype), v, sums)
        largest = new
    return sums, total, largest


@triton.jit
def attention(
    q,
    k,
    v,
    out,
    lse,
    scale,
    length,
    heads,
    stride_batch,
    stride_head,
    stride,
    D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    CAUSAL: tl.constexpr,
):
    """Q, K, V, out: [batch][head][row][D]; lse in base 2. Two passes over the
    keys: those that need no mask, then those that do."""
    block = tl.program_id(0)
    base = tl.program_id(1) // heads * stride_batch
    base += tl.program_id(1) % heads * stride_head
    rows = block * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.arange(0, BLOCK_N)
    d = tl.arange(0, D)
    at = base + rows[:, None] * stride + d[None, :]
    inside = rows[:, None] < length
    x = tl.load(q + at, mask=inside, other=0.0)
    k_at = k + base + n[None, :] * stride + d[:, None]
    v_at = v + base + n[:, None] * stride + d[None, :]
    largest = tl.full([BLOCK_M], -1.0e30, tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    sums = tl.zeros([BLOCK_M, D], tl.float32)
    scale *= 1.4426950408889634
    end = length
    plain = length // BLOCK_N * BLOCK_N
    if CAUSAL:
        end = min(length, (block + 1) * BLOCK_M)
        plain = min(plain, block * BLOCK_M // BLOCK_N * BLOCK_N)
    sums, total, largest = attention_steps(
        sums, total, largest, x, k_at, v_at, rows, 0, plain, length, scale, stride,
        CAUSAL, False, BLOCK_N,
    )  # fmt: skip
    sums, total, largest = attention_steps(
        sums, total, largest, x, k_at, v_at, rows, plain, end, length, scale, stride,
        CAUSAL, True, BLOCK_N,
    )  # fmt: skip
    sums = sums / total[:, None]
    tl.store(out + at, sums.to(out.dtype.element_ty), mask=inside)
    tl.store(
        lse + tl.program_id(1) * length + rows,
        largest + tl.math.log2(total),
        mask=rows < length,
    )


# ---- lanes, layouts -----------------------------------------------------------


@triton.jit
def transpose(x, out, M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    a = tl.load(
        x + m[:, None] * N + n[None, :], mask=(m[:, None] < M) & (n[None, :] < N)
    )
    tl.store(
        out + n[:, None] * M + m[None, :],
        tl.trans(a),
        mask=(n[:, None] < N) & (m[None, :] < M),
    )


@triton.jit
def sort_rows(x, out, N: tl.constexpr, M: tl.constexpr, DOWN: tl.constexpr):
    m = tl.program_id(0) * M + tl.arange(0, M)
    n = tl.arange(0, N)
    at = m[:, None] * N + n[None, :]
    tl.store(out + at, tl.sort(tl.load(x + at), 1, DOWN))


@triton.jit
def larger(a, b):
    return tl.maximum(a, b)


@triton.jit
def recurrence(a0, b0, a1, b1):
    return a0 * a1, b0 * a1 + b1


@triton.jit
def scan(x, sums, maxima, linear, M: tl.constexpr, N: tl.constexpr):
    """Along rows: sums, maxima from the end, and y = x/2 * y' + x."""
    m = tl.arange(0, M)
    n = tl.arange(0, N)
    at = m[:, None] * N + n[None, :]
    a = tl.load(x + at)
    tl.store(sums + at, tl.cumsum(a, 1))
    tl.store(maxima + at, tl.associative_scan(a, 1, larger, reverse=True))
    _, y = tl.associative_scan((a * 0.5, a), 1, recurrence)
    tl.store(linear + at, y)


@triton.jit
def gather(x, index, out, M: tl.constexpr, N: tl.constexpr):
    m = tl.arange(0, M)
    n = tl.arange(0, N)
    at = m[:, None] * N + n[None, :]
    tl.store(out + at, tl.gather(tl.load(x + at), tl.load(index + at), 1))


@triton.jit
def rearrange(x, out, flipped, M: tl.constexpr, N: tl.constexpr):
    """Pairs (a, b) of a row become (b, a + b); columns come out backwards."""
    m = tl.arange(0, M)
    n = tl.arange(0, N)
    at = m[:, None] * N + n[None, :]
    a = tl.load(x + at)
    even, odd = tl.split(tl.reshape(a, (M, N // 2, 2)))
    tl.store(out + at, tl.interleave(odd, even + odd))
    tl.store(flipped + at, tl.flip(a, 1))


@triton.jit
def histogram(x, out, count, BINS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    h = tl.histogram(tl.load(x + at, mask=at < count, other=0), BINS, at < count)
    tl.atomic_add(out + tl.arange(0, BINS), h)


# ---- atomics ------------------------------------------------------------------


@triton.jit
def atomics(x, sums, largest, smallest, wide, count, CELLS: tl.constexpr, BLOCK: tl.constexpr):
    """Cell i % CELLS gets element i; cell 0 of `wide` the sum of the blocks'."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    a = tl.load(x + at, mask=inside, other=0.0)
    cell = at % CELLS
    tl.atomic_add(sums + cell, a, mask=inside)
    tl.atomic_max(largest + cell, a, mask=inside)
    tl.atomic_min(smallest + cell, a, mask=inside)
    tl.atomic_add(wide, tl.sum((a * 64).to(tl.int64), 0))


@triton.jit
def atomics_int(x, both, either, odd, largest, count, CELLS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    a = tl.load(x + at, mask=inside, other=0)
    cell = at % CELLS
    tl.atomic_and(both + cell, a, mask=inside)
    tl.atomic_or(either + cell, a, mask=inside)
    tl.atomic_xor(odd + cell, a, mask=inside)
    tl.atomic_max(largest + cell, a.to(tl.uint32, bitcast=True), mask=inside)


@triton.jit
def tickets(out, counter, BLOCK: tl.constexpr):
    """Programs draw numbers, and say who drew which."""
    mine = tl.atomic_add(counter, 1)
    tl.store(out + mine * BLOCK + tl.arange(0, BLOCK), tl.program_id(0))
