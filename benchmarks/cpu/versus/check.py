"""Results held against attention in f64, for some rows of some heads.

Inputs are exact in f64. A result may be off by the rounding of its type, of the
weights (bf16 weights are usual) and of sums: a good row is within TOLERANCE of its
largest value. A row that misses its needle (cases.Data) is far outside.
"""

import numpy as np

from .cases import places, widen

TOLERANCE = {"bf16": 1.6e-2, "f32": 2e-5}


class Mismatch(Exception):
    """A result that differs."""


def attend(case, data, number, request, head, rows):
    """[rows, D] in f64."""
    k, v = (x.astype(np.float64) for x in data.keys_of(number, request, head // case.group))
    out = []
    for row in rows:
        begin, end = case.visible(row)
        q = widen(data.q[request, row, head])
        scores = k[begin:end] @ q.astype(np.float64) * case.scale
        weights = np.exp(scores - scores.max())
        out.append(weights @ v[begin:end] / weights.sum())
    return np.array(out)


def take(case, result):
    """The rows that are looked at, of a result [B, N, Hq, D], as one f32 array."""
    return np.concatenate([np.asarray(result[b, rows, h], np.float32) for b, h, rows in places(case)])


def expected(case, data, number):
    return np.concatenate([attend(case, data, number, *place) for place in places(case)])


def check(case, got, want, element):
    """The largest error of a row by the row's largest value; Mismatch if too large."""
    size = np.maximum(np.abs(want).max(axis=1), 1e-30)
    error = float((np.abs(got - want).max(axis=1) / size).max())
    if not error <= TOLERANCE[element]:
        raise Mismatch(f"an error of {error:.3g} of the row's largest value, where at most "
                       f"{TOLERANCE[element]:.3g} is good")
    return error
