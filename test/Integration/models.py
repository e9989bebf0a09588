"""What the examples mean, written once more in NumPy, in f64.

The oracle of the project is its reference interpreter; these few functions are
the oracle's own test and share nothing with it. One sequence at a time; the rows
of a result are its last axis.
"""

import numpy as np


def exact(array):
    return np.asarray(array, dtype=np.float64)


def softmax(scores, seen, sink=None):
    """Weights and LSE over the last axis among the points that are `seen`. A row
    without a point has weights 0 and LSE -inf. `sink` is a logit per row."""
    seen = np.broadcast_to(seen, scores.shape)
    scores = np.where(seen, scores, -np.inf)
    top = scores.max(axis=-1, initial=-np.inf)
    if sink is not None:
        top = np.maximum(top, sink)
    shift = np.where(np.isfinite(top), top, 0.0)
    terms = np.exp(scores - shift[..., None])
    total = terms.sum(axis=-1)
    if sink is not None:
        total = total + np.exp(sink - shift)
    weights = terms / np.where(total > 0, total, 1.0)[..., None]
    with np.errstate(divide="ignore"):
        return weights, np.log(total) + shift


def scores_of(q, k, scale):
    """q (p, h, e), k (m, h, e) -> (h, p, m)."""
    q, k = exact(q).transpose(1, 0, 2), exact(k).transpose(1, 2, 0)
    return (q @ k) * float(scale)


def weigh(weights, v):
    """weights (h, p, m), v (m, h, f) -> (p, h, f)."""
    return (weights @ exact(v).transpose(1, 0, 2)).transpose(1, 0, 2)


def attend(q, k, v, scale, seen):
    """Softmax attention; `seen` is (p, m) or (h, p, m)."""
    weights, _ = softmax(scores_of(q, k, scale), seen)
    return weigh(weights, v)


def attend_groups(q, k, v, scale, seen):
    """GQA: q (p, g, r, e), k and v (m, g, ..), seen (p, m) -> (p, g, r, f)."""
    rows, groups, heads, width = q.shape
    out = np.zeros((rows, groups, heads, v.shape[-1]))
    for g in range(groups):
        for r in range(heads):
            part = (q[:, g, r, None], k[:, g, None], v[:, g, None])
            out[:, g, r] = attend(*part, scale, seen)[:, 0]
    return out


def causal(queries, keys, off):
    """Query p at position p + off sees the keys up to its own."""
    return np.arange(keys)[None, :] <= np.arange(queries)[:, None] + off
