"""Attention row by row in f64, from the user's own functions."""

import numpy as np

LEAST = float(np.finfo(np.float32).min) / 2


def attention(q, k, v, mask_mod=None, score_mod=None, scale=None):
    """q [B, Hq, N, D], k and v [B, Hkv, M, ..]; one row at a time."""
    batch, heads, rows, channels = q.shape
    group, keys = heads // k.shape[1], k.shape[2]
    scale = channels**-0.5 if scale is None else scale
    out = np.zeros((batch, heads, rows, v.shape[3]))
    kv = np.arange(keys)
    with np.errstate(all="ignore"):
        for b, h, row in np.ndindex(batch, heads, rows):
            score = k[b, h // group].astype(np.float64) @ q[b, h, row].astype(np.float64)
            score *= scale
            # Of NumPy, as ~ of Python's True is -2.
            at = np.int64(b), np.int64(h), np.int64(row)
            if score_mod is not None:
                score = np.broadcast_to(score_mod(score, *at, kv), kv.shape)
            seen = np.ones(keys, bool)
            if mask_mod is not None:
                seen &= np.broadcast_to(mask_mod(*at, kv), kv.shape)
            # What weighs nothing is not there: a row of such keys is 0, and so is one
            # that holds nothing above half of the least float (docs/python.md).
            seen &= score > -np.inf
            if seen.any() and score[seen].max() > LEAST:
                weight = np.exp(score[seen] - score[seen].max())
                out[b, h, row] = weight / weight.sum() @ v[b, h // group][seen]
    return out


def worst_row(got, want):
    """Largest error of a row, relative to the row's largest value."""
    gap = np.abs(got.astype(np.float64) - want).max(axis=-1)
    size = np.abs(want).max(axis=-1)
    with np.errstate(all="ignore"):
        error = np.where(gap == 0, 0.0, gap / size)
    return float(np.where(np.isnan(error), np.inf, error).max(initial=0.0))
