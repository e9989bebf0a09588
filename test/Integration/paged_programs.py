"""The programs of the examples whose keys lie in pages; see programs.py."""

import numpy as np

import models
from draw import NEEDLE_CHANNEL, Pages
from programs import EIGHTH, Problem, shortened

# What the long tier must show beside a request of one token.
LONGEST = 33001


def request_lengths(draw, count, longest=(70, 180)):
    """Ragged lengths, the longest no multiple of 16; the long tier has one request
    of 33,001 tokens beside one of a single token."""
    if draw.large:
        return np.array([1, LONGEST], dtype=np.int32)
    n = draw.integer(*longest)
    return draw.lengths(count, n + (n % 16 == 0))


def cache(draw, lens, page, heads, width, scale):
    """Keys and values of all sequences: lists, their pages, the two pools."""
    k = [draw.keys(n, heads, width, scale) for n in lens]
    v = [draw.normal(n, heads, width) for n in lens]
    draw.mark_newest(v)
    pages = Pages(draw, lens, page)
    return k, v, pages, pages.pool(k), pages.pool(v)


def query_counts(draw, lens):
    """Queries per request: decode, or chunks of a prefill. A chunk may be longer
    than its request; then its first queries see no key."""
    if draw.large or draw.integer(0, 1):
        return np.ones(len(lens), dtype=np.int32)
    return draw.rng.integers(0, 6, len(lens)).astype(np.int32)


def paged_gqa(draw):
    scale = np.float32(0.0884)
    lens = request_lengths(draw, 5)
    counts = query_counts(draw, lens)
    counts[np.argmax(lens)] = max(1, counts[np.argmax(lens)])
    off = lens - counts
    k, v, pages, kp, vp = cache(draw, lens, 16, 8, 128, scale)
    q = draw.queries(len(lens), counts.max(), 8, 4, 128)
    out = np.zeros(q.shape)
    for b, n in enumerate(counts):
        seen = models.causal(n, lens[b], off[b])
        out[b, :n] = models.attend_groups(q[b, :n], k[b], v[b], scale, seen)
        q[b, n:] = np.nan
    less = shortened(lens)
    return Problem(
        [q, kp, vp, pages.table, lens, off, scale],
        [out],
        shorter=[q, kp, vp, pages.table, less, less - counts, scale],
    )


def varlen(draw):
    scale = np.float32(0.0884)
    lens = request_lengths(draw, 5)
    counts = query_counts(draw, lens)
    counts[np.argmax(lens)] = max(1, counts[np.argmax(lens)])
    k, v, pages, kp, vp = cache(draw, lens, 16, 8, 128, scale)
    # Rows in front of the first request and behind the last belong to no one.
    front, behind = draw.integer(0, 2), draw.integer(0, 2)
    qptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32) + np.int32(front)
    q = draw.queries(qptr[-1] + behind, 8, 4, 128)
    out = np.zeros(q.shape)
    for b, (low, high) in enumerate(zip(qptr, qptr[1:])):
        seen = models.causal(high - low, lens[b], lens[b] - (high - low))
        out[low:high] = models.attend_groups(q[low:high], k[b], v[b], scale, seen)
    q[:front], q[qptr[-1] :] = np.nan, np.nan
    less = shortened(lens)
    return Problem(
        [q, kp, vp, pages.table, lens, qptr, scale],
        [out],
        shorter=[q, kp, vp, pages.table, less, qptr, scale],
    )


def pages24(draw):
    lens = request_lengths(draw, 6, longest=(130, 400))
    k, v, pages, kp, vp = cache(draw, lens, 24, 8, 64, EIGHTH)
    q = draw.queries(len(lens), 8, 4, 64)
    out = [
        models.attend_groups(x[None], y, z, EIGHTH, True)[0]
        for x, y, z in zip(q, k, v)
    ]
    args = [q, kp, vp, pages.table, lens]
    return Problem(args, [np.stack(out)], shorter=args[:4] + [shortened(lens)])


def speculative_tree(draw):
    lens = request_lengths(draw, 4, longest=(70, 120))
    drafted = np.minimum(lens, draw.rng.integers(1, 7, len(lens)))
    rows = int(drafted.max())
    k, v, pages, kp, vp = cache(draw, lens, 16, 8, 64, EIGHTH)
    q = draw.queries(len(lens), rows, 8, 4, 64)
    tree = np.zeros((len(lens), rows, max(lens)), dtype=bool)
    out = np.zeros(q.shape)
    for b, n in enumerate(drafted):
        context = lens[b] - n
        for node in range(n):
            # A node sees what its parent sees, and itself.
            if node:
                tree[b, node] = tree[b, draw.integer(0, node - 1)]
            tree[b, node, :context] = True
            tree[b, node, context + node] = True
        seen = tree[b, :n, : lens[b]]
        out[b, :n] = models.attend_groups(q[b, :n], k[b], v[b], EIGHTH, seen)
        q[b, n:] = np.nan
        # Past the keys of a request the mask may say anything.
        tree[b, :n, lens[b] :] = draw.rng.integers(0, 2, tree[b, :n, lens[b] :].shape)
    return Problem([q, kp, vp, pages.table, lens, tree], [out])


def mla(draw):
    scale = np.float32(0.0722)
    lens = request_lengths(draw, 4, longest=(90, 200))
    latent = [draw.keys(n, 1, 576, scale)[:, 0] for n in lens]
    draw.mark_newest(latent)
    pages = Pages(draw, lens, 64)
    q = draw.queries(len(lens), 16, 576)
    out = []
    for x, y in zip(q, latent):
        parts = (x[None, None], y[:, None], y[:, None, :512])
        out.append(models.attend_groups(*parts, scale, True)[0, 0])
    args = [q, pages.pool(latent), pages.table, lens, scale]
    shorter = args[:3] + [shortened(lens), scale]
    return Problem(args, [np.stack(out)], shorter=shorter)


def quantise(values, axes):
    """8-bit codes and f16 steps, one step for all values along `axes`."""
    step = abs(values).max(axis=axes, keepdims=True, initial=0) / 127
    step = np.where(step > 0, step, 1).astype(np.float16)
    return np.rint(values / step).clip(-127, 127).astype(np.int8), step


def kivi(draw):
    scale = np.float32(0.0884)
    lens = request_lengths(draw, 4, longest=(70, 150))
    pages = Pages(draw, lens, 32)
    kc, ks, vc, vs, keys, values = [], [], [], [], [], []
    for n in lens:
        k = draw.keys(n, 8, 128, scale).astype(np.float32)
        v = draw.normal(n, 8, 128).astype(np.float32)
        cuts = [quantise(k[m : m + 32], 0) for m in range(0, n, 32)]
        cuts = cuts or [(k.astype(np.int8), k.astype(np.float16))]
        kc.append(np.concatenate([codes for codes, _ in cuts]))
        ks.append(np.concatenate([steps for _, steps in cuts]))
        codes, steps = quantise(v, 2)
        vc.append(codes)
        vs.append(steps[..., 0])
    draw.mark_newest(vs)
    for n, codes, steps, more, scales in zip(lens, kc, ks, vc, vs):
        keys.append(models.exact(codes) * models.exact(steps)[np.arange(n) // 32])
        values.append(models.exact(more) * models.exact(scales)[..., None])
    q = draw.queries(len(lens), 8, 4, 128)
    out = [
        models.attend_groups(x[None], y, z, scale, True)[0]
        for x, y, z in zip(q, keys, values)
    ]
    args = [q, pages.pool(kc, poison=-128), pages.pool_of_pages(ks)]
    args += [pages.pool(vc, poison=-128), pages.pool(vs), pages.table, lens, scale]
    shorter = args[:6] + [shortened(lens), scale]
    return Problem(args, [np.stack(out)], shorter=shorter)


def draw_paths(draw, lens, requests):
    """Paths of a random forest, root first. Nodes 0 and 1 are roots. One leaf is
    the longest node; the last request has an empty path."""
    parents = [None, None] + [draw.integer(0, n - 1) for n in range(2, len(lens))]
    leaves = draw.rng.integers(0, len(lens), requests - 1)
    leaves[0] = lens.argmax()
    paths = []
    for leaf in leaves:
        path, node = [], int(leaf)
        while node is not None:
            path.insert(0, node)
            node = parents[node]
        paths.append(path)
    return paths + [[]]


def prefix_tree(draw):
    count, requests = 6, 5
    lens = np.array([draw.integer(20, 90) for _ in range(count)], dtype=np.int32)
    lens[draw.integer(2, count - 1)] = 0
    paths = draw_paths(draw, lens, requests)
    # One node has the needle, on the path of the longest.
    needle = int(draw.rng.choice([n for n in paths[0] if lens[n]]))
    seen = int(lens[paths[0]].sum())
    k = [draw.keys(n, 8, 64, EIGHTH, seen=seen) for n in lens]
    v = [draw.normal(n, 8, 64) for n in lens]
    draw.mark_newest(v)
    for node in range(count):
        if draw.needle and node != needle:
            k[node][..., NEEDLE_CHANNEL] = 0
    q = draw.queries(requests, 8, 4, 64)
    depth = np.array([len(path) for path in paths], dtype=np.int32)
    table = np.full((requests, count + 1), -9, dtype=np.int32)
    out = np.zeros(q.shape)
    for b, path in enumerate(paths):
        table[b, : depth[b]] = path
        if path:
            keys = np.concatenate([k[n] for n in path])
            values = np.concatenate([v[n] for n in path])
            out[b] = models.attend_groups(q[b, None], keys, values, EIGHTH, True)[0]
    # A node on no path is read by no one.
    for node in set(range(count)) - {n for path in paths for n in path}:
        k[node][:], v[node][:] = np.nan, np.nan
    pages = Pages(draw, lens, 16)
    args = [q, pages.pool(k), pages.pool(v), pages.table, lens, table, depth]
    shorter = args[:4] + [shortened(lens)] + args[5:]
    return Problem(args, [out], shorter=shorter)
