"""All tensors end, or begin, at a page that nobody may touch."""

import ctypes
import mmap

import attn_mlir
import numpy as np

LIBC = ctypes.CDLL(None)
PAGE = mmap.PAGESIZE
RNG = np.random.default_rng(0)


def guarded(array, at_end):
    """A copy between two pages without access, against the second or the first."""
    size = -(-array.nbytes // PAGE) * PAGE
    memory = mmap.mmap(-1, size + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (start, start + PAGE + size):
        assert LIBC.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0) == 0
    offset = PAGE + (size - array.nbytes if at_end else 0)
    out = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    out[...] = array
    return out


def check(rows, keys, at_end):
    def put(array):
        return guarded(array, at_end)

    def normal(*shape):
        return put(RNG.standard_normal(shape).astype(np.float32))

    ids, key_ids = (put(RNG.integers(0, 4, n).astype(np.int32)) for n in (rows, keys))
    table, few, flags = normal(rows + keys - 1), normal(4), put(RNG.random(keys) < 0.5)
    tree = put(RNG.random((rows, keys)) < 0.5)
    far, odd = normal(max(rows, keys)), put(RNG.random(max(rows, keys)) < 0.7)
    # Of strides, of 64 bits, and at the query's side alone.
    column, seconds = normal(max(rows, keys), 2)[:, 1], put(RNG.random(max(rows, keys)))
    backwards, stamps = far[::-1], put(RNG.integers(0, 2**60, max(rows, keys)))
    q, k, v = normal(1, 2, rows, 64), normal(1, 2, keys, 64), normal(1, 2, keys, 64)

    def score(s, b, h, i, j):
        looked_up = few[key_ids[j]] + few[ids[i]] + far[abs(i - j)]
        return s + table[i - j + keys - 1] + looked_up

    def mask(b, h, i, j):
        lookup = few[key_ids[j]] < few[ids[i]] + 1
        return (ids[i] <= key_ids[j]) & flags[j] & tree[i, j] & lookup & odd[abs(j - i)]

    assert np.isfinite(attn_mlir.flex(score, mask)(q, k, v)).all()
    strided = attn_mlir.flex(
        lambda s, b, h, i, j: s + column[abs(i - j)] * backwards[abs(i - j)],
        lambda b, h, i, j: (seconds[abs(i - j)] < seconds[j]) | (stamps[i] < stamps[j]) & ~odd[i],
    )
    assert np.isfinite(strided(q, k, v)).all()
    if rows > keys:
        return
    kinds, bias = put(RNG.integers(0, 4, keys).astype(np.int32)), normal(keys)
    pool = normal(-(-keys // 16), 16, 2, 64)
    pages = put(np.arange(len(pool), dtype=np.int32)[None])
    paged = attn_mlir.flex(
        lambda s, b, h, i, j: s * bias[i] + bias[j] + bias[abs(i - j)] + column[i],
        lambda b, h, i, j: (i >= j) & (kinds[i] == kinds[j]) & (stamps[i] != stamps[j // 2]),
    )
    assert np.isfinite(paged.paged(q, pool, pool, pages, np.int32([keys]))).all()


if __name__ == "__main__":
    for rows, keys in ((13, 29), (1, 1030), (130, 70), (257, 1030)):
        for at_end in (True, False):
            check(rows, keys, at_end)
            print(f"{rows} x {keys}: nothing {'behind' if at_end else 'in front'} is read")
