"""Causal attention by two matrix products of NumPy's BLAS: a yardstick.

    blas.py HEADS ROWS KEYS WIDTH REPEATS

Prints JSON: {"library": .., "total": [seconds ..], "products": [seconds ..]}.
The cache is dense and f32 already, each group of four query heads shares its
keys as in the paged program, and no product skips what the mask removes.
`products` is the time inside the two matrix products alone. Without a tuned
BLAS there are no times, as they would say nothing. The number of threads is
that of the library: OPENBLAS_NUM_THREADS, MKL_NUM_THREADS.
"""

import json
import os
import sys
import time

import numpy as np

GROUP = 4
TUNED = ("openblas", "mkl", "blis", "atlas")


def blas_library():
    """The tuned BLAS that this process has loaded, or None."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        files = {os.path.realpath(line.split()[-1]) for line in maps if "/" in line}
    for name in TUNED:
        if any(name in file.lower() for file in files):
            return name
    return None


def attention(q, k, v, masked):
    """One KV head: (GROUP * rows, width) against (keys, width). Result and
    seconds in matrix products."""
    start = time.perf_counter()
    scores = q @ k.T
    products = time.perf_counter() - start
    scores[masked] = -np.inf
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    sums = scores.sum(axis=1, keepdims=True)
    start = time.perf_counter()
    out = scores @ v
    products += time.perf_counter() - start
    out /= sums
    return out, products


def main():
    heads, rows, keys, width, repeats = map(int, sys.argv[1:])
    rng = np.random.default_rng(1)

    def draw(*shape):
        return rng.standard_normal(shape, dtype=np.float32)

    q, k, v = draw(heads, GROUP * rows, width), draw(heads, keys, width), draw(heads, keys, width)
    attention(q[0, :8], k[0], v[0], np.zeros((8, keys), dtype=bool))
    library, total, products = blas_library(), [], []
    if library:
        q *= np.float32(width**-0.5)
        seen = np.arange(keys)[None, :] <= np.arange(rows)[:, None] + keys - rows
        masked = ~np.repeat(seen, GROUP, axis=0)
        for _ in range(repeats):
            start, inside = time.perf_counter(), 0.0
            for head in range(heads):
                inside += attention(q[head], k[head], v[head], masked)[1]
            total.append(time.perf_counter() - start)
            products.append(inside)
    print(json.dumps({"library": library, "total": total, "products": products}))


main()
