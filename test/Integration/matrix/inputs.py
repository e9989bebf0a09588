"""Arguments of a point's function, and what it must give.

Requests are ragged: the longest has no length of a multiple of 16, one has a
single key and one none. What must not be read is NaN or junk: rows past the
queries of a request, slots and pages that hold no token, masks and lists past
their ends.
"""

import dataclasses

import numpy as np

import models
from draw import Pages
from formats import encode, narrowed
from operands import BLOCK, CAP, FAR, SINKS, SPECULATIVE, WINDOW
from points import kv_heads_of, widths_of
from programs import Problem

# Multiply-adds that the reference interpreter is given: about a second.
BUDGET = 12e6
# Of the longest request; the first that fits the budget.
LONGEST = [(150, 190), (100, 150), (66, 90), (34, 60), (18, 33)]


def draw_lengths(draw, point):
    """Keys and queries of each request."""
    phase, r = point["phase"], int(point["gqa"])
    work = kv_heads_of(point) * r * sum(widths_of(point))
    tail = {"prefill": None, "chunk": 12, "decode": 1, "spec4": SPECULATIVE}[phase]
    ranges = LONGEST
    if point["page"] == "672" and tail:
        # Into the second page.
        ranges = [(673, 720)] + LONGEST
    for low, high in ranges:
        cost = work * low * (tail or low) * 1.5
        if cost <= BUDGET or (low, high) == LONGEST[-1]:
            break
    longest = draw.integer(low, high)
    lens = draw.lengths(4 if tail else 3, longest + (longest % 16 == 0))
    if phase == "prefill":
        return lens, lens.copy()
    if phase == "decode":
        return lens, np.ones_like(lens)
    # A chunk may be longer than its request: its first queries see no key.
    most = tail if phase == "spec4" else min(tail, 12)
    counts = draw.rng.integers(0, most + 1, len(lens)).astype(np.int32)
    counts[np.argmax(lens)] = most
    return lens, counts


class Masks:
    """Which key a query sees: arguments by name and (p, m) by request."""

    def __init__(self, draw, point, lens, counts):
        # The rows of a mask are queries; at times they are shifted, so that
        # first queries see no key or last keys no query.
        shift = draw.rng.choice([0, 0, -2, 1], len(lens))
        self.off = (lens - counts + shift).astype(np.int32)
        self.args = {}
        self.seen = []
        rows = max(SPECULATIVE if point["phase"] == "spec4" else 0, *counts, 1)
        make = getattr(self, point["mask"], None)
        extra = make(draw, lens, counts, rows) if make else [None] * len(lens)
        for n, count, off, more in zip(lens, counts, self.off, extra):
            position = np.arange(count)[:, None] + off
            key = np.arange(n)[None, :]
            past, near = key <= position, key > position - WINDOW
            sets = {
                "none": past | True,
                "presence": past | True,
                "window": past & near,
                "sinks": past & (near | (key < SINKS)),
            }
            seen = sets.get(point["mask"], past)
            if point["mask"] == "prefix":
                seen = seen | more
            elif more is not None:
                seen = seen & more
            self.seen.append(seen)
        if point["phase"] == "decode":
            single = ("tree", "qdoc", "list", "count")
            for name in single:
                if name in self.args:
                    self.args[name] = self.args[name][:, 0]

    def prefix(self, draw, lens, counts, rows):
        pre = draw.rng.integers(0, np.maximum(lens, 1) + 1).astype(np.int32)
        self.args["pre"] = pre
        return [np.arange(n)[None, :] < x for n, x in zip(lens, pre)]

    def presence(self, draw, lens, counts, rows):
        tree = draw.rng.random((len(lens), rows, max(lens))) < 0.7
        # A query that sees no key, but not the only one of the longest request.
        tree[draw.integer(0, len(lens) - 1), -1] = False
        tree[np.argmax(lens), 0, : lens.max() : 3] = True
        self.args["tree"] = tree
        return [tree[b, :c, :n] for b, (c, n) in enumerate(zip(counts, lens))]

    def documents(self, draw, lens, counts, rows):
        # Document 3 has queries but no key.
        kdoc = np.sort(draw.rng.integers(0, 3, (len(lens), max(lens))))
        qdoc = draw.rng.integers(0, 4, (len(lens), rows))
        longest = np.argmax(lens)
        qdoc[longest, counts[longest] - 1] = kdoc[longest, 0]
        self.args["qdoc"] = qdoc.astype(np.int32)
        self.args["kdoc"] = kdoc.astype(np.int32)
        return [
            qdoc[b, :c, None] == kdoc[b, None, :n]
            for b, (c, n) in enumerate(zip(counts, lens))
        ]

    def blocks(self, draw, lens, counts, rows):
        tiles, most = -(-rows // BLOCK), -(-max(lens) // BLOCK)
        lists = np.full((len(lens), tiles, most + 1), -7, dtype=np.int32)
        count = np.zeros((len(lens), tiles), dtype=np.int32)
        seen = np.zeros((len(lens), tiles * BLOCK, (most + 1) * BLOCK), dtype=bool)
        for b, t in np.ndindex(count.shape):
            own = -(-int(lens[b]) // BLOCK)
            count[b, t] = draw.integer(min(own, 1), own)
            lists[b, t, : count[b, t]] = draw.rng.permutation(own)[: count[b, t]]
            for block in lists[b, t, : count[b, t]]:
                low = block * BLOCK
                seen[b, t * BLOCK : (t + 1) * BLOCK, low : low + BLOCK] = True
        self.args["list"], self.args["count"] = lists, count
        return [seen[b, :c, :n] for b, (c, n) in enumerate(zip(counts, lens))]


class Cache:
    """Keys and values of all requests; codes in pools and exact values."""

    def __init__(self, draw, point, lens, scale, slope):
        self.point, self.lens, self.draw = point, lens, draw
        g, dtype = kv_heads_of(point), point["dtype"]
        e, f = widths_of(point)
        self.kscale = self.vscale = np.ones(g, dtype=np.float32)
        if dtype == "e4m3":
            scales = draw.rng.uniform(0.5, 2, (2, g)).astype(np.float32)
            self.kscale, self.vscale = scales
        self.codes = [
            (
                narrowed(self.keys(draw, n, g, e, scale, slope), dtype),
                narrowed(draw.normal(n, g, f), dtype),
            )
            for n in lens
        ]

    def keys(self, draw, n, g, e, scale, slope):
        # The needle of a head must win over the fall of its steepest slope.
        extra = None if slope is None else slope.max(axis=-1).astype(np.float64)
        return draw.keys(n, g, e, scale, extra=extra) / self.kscale[:, None]

    def exact(self, b):
        """Keys and values of request b."""
        scales = self.kscale, self.vscale
        return [x * models.exact(s)[:, None] for x, s in zip(self.codes[b], scales)]

    def arguments(self):
        """By name."""
        point, page = self.point, self.point["page"]
        parts = {"kp": [k for k, _ in self.codes], "vp": [v for _, v in self.codes]}
        if point["pool"] == "mixed":
            parts = {"kvp": [np.concatenate(x, axis=-1) for x in self.codes]}
        args = {}
        pages = None
        if page != "none":
            pages = Pages(self.draw, self.lens, int(page))
            args["table"] = pages.table
        for name, sequences in parts.items():
            if pages:
                pool = pages.pool(sequences)
            else:
                first = sequences[0]
                sizes = (len(self.lens), max(self.lens) + 3, *first.shape[1:])
                pool = np.full(sizes, np.nan)
                for row, tokens in zip(pool, sequences):
                    row[: len(tokens)] = tokens
            if point["pool"] == "hnd":
                pool = pool.swapaxes(1, 2)
            args[name] = encode(pool, point["dtype"])
        if point["dtype"] == "e4m3":
            args["kscale"], args["vscale"] = self.kscale, self.vscale
        return args


@dataclasses.dataclass
class PointProblem(Problem):
    """`args` by name; what counters are held against: keys of each request, and
    which query sees which key, (p, m) by request."""

    lens: np.ndarray = None
    seen: list = None


def draw_point(draw, point, sizes=None):
    """Arguments and results of a point's function; `sizes`: keys and queries of
    each request, if not drawn."""
    g, r = kv_heads_of(point), int(point["gqa"])
    e, f = widths_of(point)
    lens, counts = sizes or draw_lengths(draw, point)
    rows = SPECULATIVE if point["phase"] == "spec4" else max(1, *counts)
    masks = Masks(draw, point, lens, counts)
    scale = np.float32(e**-0.5)
    slope = sink = table = None
    if point["score"] == "alibi":
        slope = (np.float32(2) ** -draw.rng.integers(1, 9, (g, r))).astype(np.float32)
    if point["score"] == "table":
        table = draw.rng.uniform(-0.25, 0.25, (g, r, FAR + 1)).astype(np.float32)
    if point["score"] == "sink":
        sink = draw.rng.standard_normal((g, r)).astype(np.float32)
    cache = Cache(draw, point, lens, scale, slope)
    query = "f16" if point["dtype"] == "e4m3" else point["dtype"]
    q = narrowed(draw.queries(len(lens), rows, g, r, e), query)
    out = np.zeros((len(lens), rows, g, r, f))
    lse = np.zeros((len(lens), g, r, rows))
    for b, n in enumerate(counts):
        k, v = cache.exact(b)
        for h in range(g):
            keys, values = (np.repeat(x[:, h, None], r, 1) for x in (k, v))
            scores = models.scores_of(q[b, :n, h], keys, scale)
            if point["score"] == "softcap":
                scores = CAP * np.tanh(scores / CAP)
            elif point["score"] == "alibi":
                position = np.arange(n)[:, None] + int(masks.off[b])
                ahead = np.arange(lens[b])[None, :] - position
                scores += models.exact(slope[h])[:, None, None] * ahead
            elif point["score"] == "table":
                position = np.arange(n)[:, None] + int(masks.off[b])
                behind = np.clip(position - np.arange(lens[b])[None, :], 0, FAR)
                scores += models.exact(table[h])[:, behind]
            logit = None
            if sink is not None:
                logit = np.broadcast_to(models.exact(sink[h])[:, None], (r, n))
            weights, sums = models.softmax(scores, masks.seen[b], sink=logit)
            out[b, :n, h] = models.weigh(weights, values)
            lse[b, h, :, :n] = sums
        q[b, n:] = np.nan
    args = {"q": encode(q, query), "len": lens, "off": masks.off, "scale": scale}
    args |= {"nq": counts} | cache.arguments() | masks.args
    args |= {"slope": slope, "sink": sink, "biases": table}
    expected = [out, lse]
    if point["phase"] == "decode":
        args["q"], expected = args["q"][:, 0], [out[:, 0], lse[..., 0]]
    if point["out"] == "o":
        expected = expected[:1]
    return PointProblem(args, expected, logs=(1,), lens=lens, seen=masks.seen)
