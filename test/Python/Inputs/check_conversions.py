"""Conversions give what NumPy gives, or are errors."""

import pathlib
import tempfile

import attn_mlir
import numpy as np

import brute

RNG = np.random.default_rng(4)
KEYS = 90
MILLISECONDS = 1.7e12 + np.cumsum(RNG.integers(0, 4000, KEYS)) + 0.5
SECONDS = (MILLISECONDS / 1000).astype(np.int64)
IDS = (2**24 + np.arange(KEYS)).astype(np.int32)
COUNTS = RNG.integers(0, 400, KEYS)
BYTES = RNG.integers(0, 256, KEYS).astype(np.uint8)
REALS = (RNG.standard_normal((2, KEYS)) * 50).astype(np.float32)
TABLE = RNG.standard_normal(32).astype(np.float32)
FLAGS = RNG.random(KEYS) < 0.5


def bucket(n):
    """Of distances, as T5 has them."""
    with np.errstate(all="ignore"):
        far = 16 + (np.log(np.maximum(n, 0) * 1.0 / 16) / np.log(8) * 16).astype(np.int32)
    return np.where(n < 16, np.maximum(n, 0), np.minimum(far, 31))


MASKS = {
    "milliseconds": lambda b, h, q, k: MILLISECONDS.astype(np.int64)[k] <= MILLISECONDS.astype(np.int64)[q],
    "integers_in_f64": lambda b, h, q, k: abs(SECONDS.astype(np.float64)[q] - SECONDS.astype(np.float64)[k]) <= 3.5,
    "read_in_f64": lambda b, h, q, k: abs(SECONDS[q].astype(np.float64) - SECONDS[k].astype(np.float64)) <= 3.5,
    "halves": lambda b, h, q, k: abs(SECONDS[q] * 0.5 - SECONDS[k] * 0.5) <= 1.5,
    "ids": lambda b, h, q, k: IDS[q] * 1.0 >= IDS[k] * 1.0,
    "sums": lambda b, h, q, k: (q * 70000 + k) * 1.0 >= q * 70000 + 9.0,
    "far": lambda b, h, q, k: (q + 2**26 - k) * 1.0 <= 2.0**26,
    "wraps": lambda b, h, q, k: COUNTS.astype(np.int8)[k] > 0,
    "wraps_unsigned": lambda b, h, q, k: COUNTS.astype(np.uint8)[k] > 100,
    "text": lambda b, h, q, k: COUNTS.astype("<i2")[k] // 7 % 2 == 0,
    "twice": lambda b, h, q, k: COUNTS.astype(np.int8).astype(bool)[k] | (q == k),
    "bytes": lambda b, h, q, k: (BYTES[k] > 100) | (BYTES.astype(np.int8)[k] < -90),
    "fits": lambda b, h, q, k: np.clip(q - k, -100, 100).astype(np.int8) > 0,
    "bools": lambda b, h, q, k: (q >= k).astype(np.float16) * FLAGS.astype(np.int8)[k] > 0.5,
    "rounded": lambda b, h, q, k: REALS.astype(np.float16)[0, k] == REALS[0, k],
    "full_like": lambda b, h, q, k: np.full_like(q, 2, dtype=bool) & (q >= k),
    "f64_to_f32": lambda b, h, q, k: (SECONDS[q] * 0.25).astype(np.float32) == (SECONDS[k] * 0.25).astype(np.float32),
}
SCORES = {
    "rounds": lambda s, b, h, q, k: s + REALS.astype(np.float16)[h][k],
    "rounds_read": lambda s, b, h, q, k: s + REALS[h, k].astype(np.float16),
    "decay": lambda s, b, h, q, k: s - 0.1 * (SECONDS[q].astype(np.float64) - SECONDS[k].astype(np.float64)),
    "clamped": lambda s, b, h, q, k: s + TABLE[np.clip(bucket(q - k), 0, 31)],
    "float_clip": lambda s, b, h, q, k: s + TABLE[np.clip((s - s) + abs(q - k) * 0.37, 0, 31).astype(np.int64)],
    "scaled_index": lambda s, b, h, q, k: s + TABLE[(abs(q - k) * 0.3).astype(np.int32)],
}


def tensors():
    return [RNG.standard_normal((1, 2, n, 32)).astype(np.float32) for n in (70, KEYS, KEYS)]


def check_values():
    q, k, v = tensors()
    for name, mask in MASKS.items():
        want = brute.attention(q, k, v, mask, None)
        error = brute.worst_row(attn_mlir.flex(mask_mod=mask)(q, k, v), want)
        assert error <= 2e-5, f"{name}: worst row {error:.1e}"
    for name, score in SCORES.items():
        error = brute.worst_row(attn_mlir.flex(score)(q, k, v), brute.attention(q, k, v, None, score))
        assert error <= 2e-5, f"{name}: worst row {error:.1e}"


def check_calls():
    """Values are those of a call; the tensor is converted once in it."""
    ids = np.arange(KEYS) * 1.5
    q, k, v = tensors()

    def mask(b, h, i, j):
        return ids.astype(np.int64)[j] <= ids.astype(np.int64)[i]

    attention = attn_mlir.flex(mask_mod=mask)
    for _ in range(2):
        assert brute.worst_row(attention(q, k, v), brute.attention(q, k, v, mask, None)) <= 2e-5
        ids[:] = ids[::-1].copy()
    assert len({id(a.tensor) for a in attention.last.cascade.space.accesses}) == 1


def check_files():
    """Of an array in a file, of one element too."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        bias = np.memmap(path / "bias", np.float32, "w+", shape=(KEYS,))
        bias[:] = RNG.standard_normal(KEYS)
        end = np.memmap(path / "end", np.int64, "w+", shape=(1,)).reshape(())
        q, k, v = tensors()
        attention = attn_mlir.flex(lambda s, b, h, i, j: s + bias[j], lambda b, h, i, j: j < end)
        for end[...] in (5, 40):
            want = brute.attention(q, k, v, lambda b, h, i, j: j < end, lambda s, b, h, i, j: s + bias[j])
            assert brute.worst_row(attention(q, k, v), want) <= 2e-5


def check_refusals():
    q, k, v = tensors()
    kept = np.ma.masked_array(np.ones(KEYS), np.arange(KEYS) % 2 == 0)
    for words, mask in (
        (["-128 to 127 as int8", "0 to 6141"], lambda b, h, i, j: (i * j).astype(np.int8) > 0),
        (["0 to 255 as uint8", "-89 to 69"], lambda b, h, i, j: (i - j).astype(np.uint8) > 0),
        (["float16", "rounds"], lambda b, h, i, j: (i * j).astype(np.float16) > 9),
        (["floats that become integers", "170000"], lambda b, h, i, j: (MILLISECONDS[j] * 1.0).astype(np.int64) > 0),
        (["300", "int8"], lambda b, h, i, j: np.full_like(i, 300, dtype=np.int8) > j),
        (["complex64"], lambda b, h, i, j: (i - j).astype(np.complex64) == 0),
        (["without a mask"], lambda b, h, i, j: kept[j] > 0),
        (["complex64"], lambda b, h, i, j: COUNTS.astype(np.complex64)[j] == 0),
    ):
        try:
            attn_mlir.flex(mask_mod=mask)(q, k, v)
        except attn_mlir.Error as error:
            assert all(word in str(error) for word in [*words, f"{__file__}:"]), error
        else:
            raise AssertionError(f"took {words}")


if __name__ == "__main__":
    for check in (check_values, check_calls, check_files, check_refusals):
        check()
