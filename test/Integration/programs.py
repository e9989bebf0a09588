"""The programs of the examples: shapes, inputs, and what they must give.

A program is a function of a Draw that returns a Problem. Sizes suit the
reference interpreter; `draw.large` asks for the sizes of the long tier.
"""

import dataclasses

import numpy as np

import models

EIGHTH = np.float32(0.125)


@dataclasses.dataclass
class Problem:
    """One call: arguments in the order of the function, f64 results."""

    args: list
    expected: list
    # Results that are logarithms: compared by absolute error.
    logs: tuple = ()
    # The arguments of the same call with the newest token of the longest
    # request left out, or None where no argument is a length.
    shorter: list = None
    # Functions of the file, if not the one of its name.
    entries: tuple = ()


def shortened(lens):
    """`lens` with the longest request one token shorter."""
    less = lens.copy()
    less[np.argmax(lens)] -= 1
    return less


def rows_and_keys(draw, rows=(5, 40), keys=(70, 200)):
    """Number of queries and keys, no multiples of 16, and the queries' offset:
    at times the first queries see no key, at times the last keys no query."""
    p, m = draw.integer(*rows), draw.integer(*keys)
    p, m = p + (p % 16 == 0), m + (m % 16 == 0)
    return p, m, draw.integer(-3, -1) if draw.integer(0, 1) else m - p


def dense_inputs(draw, rows, keys, heads=8, width=64, batch=2, off=None, slope=None):
    """q, k, v as (batch, tokens, heads, width)."""
    q = draw.queries(batch, rows, heads, width)
    seen = keys if off is None else min(max(rows + off, 1), keys)
    k = [
        draw.keys(seen, heads, width, EIGHTH, extra=slope)
        for _ in range(batch)
    ]
    # Keys that no query sees are random as well.
    k = [np.concatenate([x, draw.normal(keys - seen, heads, width)]) for x in k]
    v = [draw.normal(keys, heads, width) for _ in range(batch)]
    if draw.mark is not None:
        v[0][0, 0, 0] = draw.mark
    return q, np.stack(k), np.stack(v)


def dense(draw):
    q, k, v = dense_inputs(draw, 128, 256)
    out = [models.attend(*x, EIGHTH, True) for x in zip(q, k, v)]
    return Problem([q, k, v], [np.stack(out)])


def causal_inputs(draw, **options):
    p, m, off = rows_and_keys(draw)
    q, k, v = dense_inputs(draw, p, m, off=off, **options)
    return q, k, v, off, models.causal(p, m, off)


def window_sinks(draw):
    # A window of 1024 needs more keys than that to show its far end.
    p, m = draw.integer(3, 5), draw.integer(1090, 1150)
    off = m - p if draw.integer(0, 2) else -2
    q, k, v = dense_inputs(draw, p, m, off=off)
    sink = draw.rng.standard_normal(8).astype(np.float32)
    position, key = np.arange(p)[:, None] + off, np.arange(m)[None, :]
    seen = (key <= position) & ((key > position - 1024) | (key <= 3))
    out = []
    for x, y, z in zip(q, k, v):
        capped = 50 * np.tanh(models.scores_of(x, y, EIGHTH) / 50)
        logit = np.broadcast_to(models.exact(sink)[:, None], capped.shape[:2])
        out.append(models.weigh(models.softmax(capped, seen, sink=logit)[0], z))
    return Problem([q, k, v, sink, off], [np.stack(out)])


def alibi(draw):
    slope = np.float32(2) ** -np.arange(1, 9, dtype=np.float32)
    q, k, v, off, seen = causal_inputs(draw, slope=slope)
    p, m = seen.shape
    ahead = np.arange(m)[None, :] - (np.arange(p)[:, None] + off)
    bias = models.exact(slope)[:, None, None] * ahead
    out = []
    for x, y, z in zip(q, k, v):
        weights, _ = models.softmax(models.scores_of(x, y, EIGHTH) + bias, seen)
        out.append(models.weigh(weights, z))
    return Problem([q, k, v, slope, off], [np.stack(out)])


def relative_bias(draw):
    bias = draw.rng.uniform(-0.25, 0.25, (8, 128)).astype(np.float32)
    q, k, v, off, seen = causal_inputs(draw)
    p, m = seen.shape
    behind = np.arange(p)[:, None] + off - np.arange(m)[None, :]
    added = models.exact(bias)[:, np.clip(behind, 0, 127)]
    out = []
    for x, y, z in zip(q, k, v):
        weights, _ = models.softmax(models.scores_of(x, y, EIGHTH) + added, seen)
        out.append(models.weigh(weights, z))
    return Problem([q, k, v, bias, off], [np.stack(out)])


def softmax_lse(draw):
    q, k, v, off, seen = causal_inputs(draw)
    scale = np.float32(0.11) if not draw.needle else EIGHTH
    parts = [models.softmax(models.scores_of(x, y, scale), seen) for x, y in zip(q, k)]
    out = [models.weigh(weights, z) for (weights, _), z in zip(parts, v)]
    lse = [part[1] for part in parts]
    return Problem([q, k, v, off, scale], [np.stack(out), np.stack(lse)], logs=(1,))


def sigmoid(draw):
    q, k, v, off, seen = causal_inputs(draw)
    bias = draw.rng.normal(-2, 1, 8).astype(np.float32)
    out = []
    for x, y, z in zip(q, k, v):
        biased = models.scores_of(x, y, EIGHTH) + models.exact(bias)[:, None, None]
        out.append(models.weigh(np.where(seen, 1 / (1 + np.exp(-biased)), 0), z))
    return Problem([q, k, v, bias, off], [np.stack(out)])


def differential(draw):
    p, m, off = rows_and_keys(draw)
    q1, k1, _ = dense_inputs(draw, p, m, heads=4, off=off)
    q2, k2, _ = dense_inputs(draw, p, m, heads=4, off=off)
    _, _, v = dense_inputs(draw, p, m, heads=4, width=128, off=off)
    strength = draw.rng.uniform(0.1, 0.7, 4).astype(np.float32)
    seen, out = models.causal(p, m, off), []
    for a, b, c, d, z in zip(q1, k1, q2, k2, v):
        first, _ = models.softmax(models.scores_of(a, b, EIGHTH), seen)
        second, _ = models.softmax(models.scores_of(c, d, EIGHTH), seen)
        weights = first - models.exact(strength)[:, None, None] * second
        out.append(models.weigh(weights, z))
    return Problem([q1, k1, q2, k2, v, strength, off], [np.stack(out)])


def entropy(draw):
    q, k, _, off, seen = causal_inputs(draw)
    if draw.mark is not None:
        k[0, 0, 0, 0] = draw.mark
    out = []
    for x, y in zip(q, k):
        weights, _ = models.softmax(models.scores_of(x, y, EIGHTH), seen)
        out.append(-(weights * np.log(np.where(weights > 0, weights, 1))).sum(axis=-1))
    entries = ("entropy", "entropy_one_pass")
    return Problem([q, k, off, EIGHTH], [np.stack(out)], logs=(0,), entries=entries)


def documents(draw):
    q, k, v, off, seen = causal_inputs(draw)
    p, m = seen.shape
    kdoc = draw.rng.integers(0, 3, (2, m)).astype(np.int32)
    qdoc = draw.rng.integers(0, 4, (2, p)).astype(np.int32)
    # Document 3 has queries but no key; one query surely is of it.
    qdoc[:, draw.integer(0, p - 1)] = 3
    if off >= 0:
        qdoc[0, -1] = kdoc[0, 0]
    out = []
    for b in range(2):
        same = seen & (qdoc[b][:, None] == kdoc[b][None, :])
        out.append(models.attend(q[b], k[b], v[b], EIGHTH, same))
    return Problem([q, k, v, qdoc, kdoc, off], [np.stack(out)])


def block_lists(draw):
    p, m, off = rows_and_keys(draw, rows=(70, 150), keys=(150, 290))
    q, k, v = dense_inputs(draw, p, m, off=off)
    tiles, blocks = -(-p // 64), -(-m // 64)
    # Batch 0: a query tile without a list, one that lists all but the last
    # block, which no query sees. Batch 1: a list that holds all blocks.
    lists = np.full((2, tiles, blocks), -7, dtype=np.int32)
    count = draw.rng.integers(1, blocks, (2, tiles)).astype(np.int32)
    count[0, 0], count[0, -1], count[1, -1] = 0, blocks - 1, blocks
    for b, t in np.ndindex(2, tiles):
        order = draw.rng.permutation(blocks - 1 if b == 0 else blocks)
        lists[b, t, : count[b, t]] = order[: count[b, t]]
    seen = np.zeros((2, p, m), dtype=bool)
    for b in range(2):
        for row in range(p):
            for block in lists[b, row // 64, : count[b, row // 64]]:
                seen[b, row, block * 64 : block * 64 + 64] = True
    listed = seen.any(axis=1)
    causal = models.causal(p, m, off)
    out = [models.attend(*x, EIGHTH, s & causal) for *x, s in zip(q, k, v, seen)]
    # A block in no list is read by no one; past a list stand junk ids.
    k[~listed], v[~listed] = np.nan, np.nan
    return Problem([q, k, v, lists, count, off], [np.stack(out)])


def neighborhood(draw):
    height, width = draw.integer(5, 11), draw.integer(8, 13)
    tokens = height * width
    q, k, v = dense_inputs(draw, tokens, tokens, heads=4, width=32)
    y, x = np.divmod(np.arange(tokens), width)
    near = (abs(y[:, None] - y) <= 3) & (abs(x[:, None] - x) <= 3)
    out = [models.attend(*z, EIGHTH, near) for z in zip(q, k, v)]
    grid = (2, height, width, 4, 32)
    args = [a.reshape(grid) for a in (q, k, v)] + [EIGHTH]
    return Problem(args, [np.stack(out).reshape(grid)])
