"""Calls on paged caches against brute force over what the table names."""

import argparse

import attn_mlir
import numpy as np

import brute

PAGE = 16


def check(rng, name, mask, score, rows, first=None):
    batch, kv_heads, group, dim = 3, 2, 2, 64
    lengths = rng.integers(rows, 150, batch).astype(np.int32)
    lengths[1] = 16 if rows < 16 else 150  # a whole page, all of the table
    table = np.full((batch, 10), 10**6, np.int32)  # entries that nobody looks up
    pages = iter(rng.permutation(40))
    # Slots that no request has hold NaN: who reads them shows it.
    pools = [np.full((40, kv_heads, PAGE, dim), np.nan, np.float32) for _ in "kv"]
    keys = [[], []]
    for b, length in enumerate(lengths):
        for pool, dense in zip(pools, keys):
            dense.append(rng.standard_normal((kv_heads, length, dim)).astype(np.float32))
        for start in range(0, length, PAGE):
            table[b, start // PAGE] = page = next(pages)
            for pool, dense in zip(pools, keys):
                part = dense[b][:, start:start + PAGE]
                pool[page, :, : part.shape[1]] = part
    q = rng.standard_normal((batch, kv_heads * group, rows, dim)).astype(np.float32)
    attention = attn_mlir.flex(score, mask)
    # Heads outside of tokens: strides say so.
    k_pages, v_pages = (p.transpose(0, 2, 1, 3) for p in pools)
    out = attention.paged(q, k_pages, v_pages, table, lengths, first=first)
    worst = 0.0
    for b, length in enumerate(lengths):
        start = length - rows if first is None else first[b]

        def moved(function, scored):
            if function is None:
                return None
            if scored:
                return lambda s, _, h, i, j: function(s, b, h, i + start, j)
            return lambda _, h, i, j: function(b, h, i + start, j)

        want = brute.attention(
            q[b:b + 1], keys[0][b][None], keys[1][b][None], moved(mask, False), moved(score, True)
        )
        worst = max(worst, brute.worst_row(out[b:b + 1], want))
    assert "one pass" in str(attention) and "symbols(pg = %table" in str(attention)
    print(f"{name}, {rows} rows, lengths {lengths.tolist()}: worst row {worst:.1e}")
    assert worst <= 2e-5, name
    assert attention.last.stats["one_pass"], name
    items, stats = attention.last.schedule.items(), attention.last.stats
    assert items.shape == (stats["items"], 8) and items[:, 7].sum() == stats["keys_read"]
    assert set(items[:, 2]) == set(range(batch)) and set(items[:, 3]) == set(range(kv_heads))


def check_prefixes(rng):
    """What requests share is read once, also where each head has a mask of its own."""
    batch, page, dim = 6, 16, 64
    pool = attn_mlir.PagePool(200, page)
    sequences = [pool.create()[0]]
    pool.append(sequences[0], list(range(700)))
    sequences += [pool.fork(sequences[0]) for _ in range(batch - 1)]
    for i, sequence in enumerate(sequences):
        pool.append(sequence, [i] * (i + 1))
    pages = attn_mlir.PageTable(pool, batch, 60)
    for i, sequence in enumerate(sequences):
        pages.bind(i, sequence)
    pages.update()
    lengths = np.int32([pool.length(s) for s in sequences])
    shared = pool.prefixes(sequences, min_shared=1)
    widths = np.int32([505, 590, 570, 530])
    masks = {
        "by head": lambda b, h, q, kv: (q >= kv) & (q - kv < widths[h]),
        "ends by head": lambda b, h, q, kv: kv < widths[h],
        "heads by number": lambda b, h, q, kv: (q >= kv) & ((h != 1) | (kv < 600)),
        "flags by head": lambda b, h, q, kv: (q >= kv) & (kv % widths[h] != 1),
    }
    for heads, kv_heads in ((4, 2), (2, 2), (4, 1)):
        q = rng.standard_normal((batch, heads, 1, dim)).astype(np.float32)
        pools = [rng.standard_normal((200, page, kv_heads, dim)).astype(np.float32) for _ in "kv"]
        for name, mask in masks.items():
            attention = attn_mlir.flex(mask_mod=mask)
            want = attention.paged(q, *pools, pages.array, lengths)
            alone = attention.last.stats["keys_read"]
            got = attention.paged(q, *pools, pages.array, lengths, prefixes=shared)
            attention.last.schedule.verify()
            together = attention.last.stats["keys_read"]
            worst = np.abs(got - want).max()
            print(f"prefixes, {name}, {heads}:{kv_heads}: {worst:.1e}, {together} of {alone} keys")
            assert worst <= 1e-6 and together * 3 < alone, name
    attention = attn_mlir.flex(mask_mod=masks["by head"])
    call = (attention.paged, q[:, :2], *(np.tile(p, (1, 1, 2, 1)) for p in pools),
            pages.array, lengths)
    nodes, leaves = shared
    refused(["(nodes, leaves), but got 5"], *call, prefixes=5)
    refused(["each of 12 requests", "10"], *call, prefixes=(nodes, leaves[1:]))
    refused(["node", "-1"], *call, prefixes=(nodes, leaves + len(nodes)))
    by_request = attn_mlir.flex(mask_mod=lambda b, h, q, kv: (q >= kv) & (kv % (widths[b % 4] + kv * 0) != 1))
    for attention in (attn_mlir.flex(), attn_mlir.flex(mask_mod=masks["by head"]), by_request):
        call = (attention.paged, *call[1:])
        refused(["of integers", "float64"], *call, prefixes=(nodes.astype(float), leaves))
        moved = np.array(pages.array)
        moved[1, 0], moved[1, 1] = moved[1, 1], moved[1, 0]
        table = moved, lengths
        refused(["the same pages", "request 1", "keys from 0"], *call[:-2], *table, prefixes=shared)
        attention.paged(*call[1:-2], *table, prefixes=shared, check=False)
        parts = nodes - [0, 1]
        refused([f"whole pages of {page} keys", str(parts[0, 1])], *call, prefixes=(parts, leaves))


def check_gone():
    """Sinks and a window over a trimmed sequence, in a pool that nobody cleared."""
    page, length, heads = 16, 300, 2
    pool = attn_mlir.PagePool(64, page, null_page=False)
    k, v = np.random.default_rng(2).standard_normal((2, length, heads, 32)).astype(np.float32)
    pools = np.full((2, 64, page, heads, 32), np.nan, np.float32)
    sequence, _ = pool.create()
    slots, _ = pool.append(sequence, list(range(length)))
    for whole, part in zip(pools, (k, v)):
        whole.reshape(-1, heads, 32)[slots[0]] = part
    pool.trim(sequence, 4, 64)
    table = attn_mlir.PageTable(pool, rows=1, columns=24)
    table.bind(0, sequence)
    table.update()
    gone = np.setdiff1d(np.arange(64), table.array)
    pools[:, gone] = np.nan
    width, kept = np.int32([64, 64, 40, 50]), np.where(np.arange(length) < 16, 0, -np.inf).astype(np.float32)
    q = np.random.default_rng(3).standard_normal((1, 4, 1, 32)).astype(np.float32)
    call = *pools, table.array, np.int32([length])
    for name, mask, score in (
        ("window", lambda b, h, i, j: (i >= j) & ((i - j < 64) | (j < 4)), None),
        ("by head", lambda b, h, i, j: (i - j < width[h]) | (j < 4), None),
        ("score", None, lambda s, b, h, i, j: np.where((i - j < 64) | (j < 4), s, -np.inf)),
        ("data", None, lambda s, b, h, i, j: s + kept[j]),
    ):
        out = attn_mlir.flex(score, mask).paged(q, *call)
        dense = [x.swapaxes(0, 1)[None] for x in (k, v)]
        want = brute.attention(
            q, *dense, mask and (lambda b, h, i, j: mask(b, h, i + length - 1, j)),
            score and (lambda s, b, h, i, j: score(s, b, h, i + length - 1, j)),
        )
        assert brute.worst_row(out, want) <= 2e-5, name
    words = ["-1 for key", "request 0", "position 299"]
    refused([*words, "head 0"], attn_mlir.flex().paged, q, *call)
    refused(words, attn_mlir.flex(mask_mod=lambda b, h, i, j: i >= j).paged, q, *call)
    width[2] = 100
    refused([*words, "head 2"], attn_mlir.flex(mask_mod=lambda b, h, i, j: i - j < width[h]).paged, q, *call)


def refused(words, call, *args, **options):
    try:
        call(*args, **options)
    except attn_mlir.Error as error:
        assert all(w in str(error) for w in words), (words, str(error))
        return
    raise AssertionError(f"expects an Error with {words}, but nothing was raised")


def check_refusals():
    plain = attn_mlir.flex()
    q, pool = np.zeros((2, 4, 1, 64), np.float32), np.zeros((8, PAGE, 2, 64), np.float32)
    table, lengths = np.zeros((2, 3), np.int32), np.int32([4, 48])
    plain.paged(q, pool, pool, table, lengths)
    refused(["lengths from 0 to 48", "49"], plain.paged, q, pool, pool, table, np.int32([4, 49]))
    refused(["i32", "i64"], plain.paged, q, pool, pool, table.astype(np.int64), lengths)
    refused(["table [2, pages]"], plain.paged, q, pool, pool, table[:1], lengths)
    refused(["groups of 3"], plain.paged, q, pool[:, :, [0, 0, 0]], pool[:, :, [0, 0, 0]], table, lengths)
    refused(["first [2]", "[3]"], plain.paged, q, pool, pool, table, lengths, first=[0, 0, 0])
    for first in ([0, 1.5], [0, 2**40], ["0", "1"]):
        refused(["first of integers of 32 bits", str(first[1])], plain.paged, q, pool, pool, table, lengths, first=first)
    refused(["lengths: expects a tensor"], plain.paged, q, pool, pool, table, None)
    refused(["k_pages: expects a tensor"], plain.paged, q, 7, pool, table, lengths)
    for shape, words in (((8, PAGE, 2, 0), "with channels"), ((8, 0, 2, 64), "pages with keys")):
        empty = np.zeros(shape, np.float32)
        refused([words], plain.paged, q[..., : shape[3]], empty, empty, table, np.int32([0, 0]))
    # Page numbers in front of a length; what is behind one may be anything.
    for page in (8, -2, 10_000_000):
        wrong = np.int32([[0, page, page], [0, 1, page]])
        refused(["0 to 7", str(page), "request 1", "keys from 32"], plain.paged, q, pool, pool, wrong, lengths)
    wrong[1, 2] = 7
    plain.paged(q, pool, pool, wrong, lengths)
    plain.paged(q, pool, pool, wrong, lengths, check=False)
    bias = np.zeros(9, np.float32)
    biased = attn_mlir.flex(lambda s, b, h, i, j: s + bias[i])
    wide = np.zeros((2, 4, 6, 64), np.float32)
    refused(["-2 to 47", "more queries than keys", "first="], biased.paged, wide, pool, pool, table, lengths)
    refused(["pools"], plain.paged, q, pool, pool[:, :8], table, lengths)
    refused(["memory of its own", "q"], plain.paged, q, pool, pool, table, lengths, out=q)
    rows = pool.reshape(2, 4, -1, 64)[:, :, :1]
    refused(["memory of its own", "k_pages"], plain.paged, q, pool, pool + 1, table, lengths, out=rows)
    refused(["memory of its own", "v_pages"], plain.paged, q, pool + 1, pool, table, lengths, out=rows)
    both = np.zeros((2, 4, 1, 2, 64), np.float32)  # side by side in one buffer
    plain.paged(both[..., 0, :], pool, pool, table, lengths, out=both[..., 1, :])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    rng = np.random.default_rng(parser.parse_args().seed)
    kinds = rng.integers(0, 4, 200).astype(np.int32)
    bias = rng.standard_normal((4, 420)).astype(np.float32)
    slopes = np.float32([1.0, 0.5, 0.25, 0.125])
    prefix = np.array([5, 9, 2])

    def causal(b, h, q, kv):
        return q >= kv

    cases = {
        "full": (None, None),
        "causal": (causal, None),
        "sink_window": (lambda b, h, q, kv: (q >= kv) & ((q - kv < 20) | (kv < 4)), None),
        "blocks": (lambda b, h, q, kv: (q // 8 == kv // 8) | (kv < prefix[b]), None),
        "documents": (lambda b, h, q, kv: (q >= kv) & (kinds[q] == kinds[kv]), None),
        "alibi": (causal, lambda s, b, h, q, kv: s + slopes[h] * (kv - q)),
        "key_bias": (causal, lambda s, b, h, q, kv: s + bias[h, kv]),
        "query_bias": (causal, lambda s, b, h, q, kv: s * bias[h, q]),
        "relative": (causal, lambda s, b, h, q, kv: s + bias[h, q - kv + 200]),
        "distance": (None, lambda s, b, h, q, kv: s + bias[h, np.minimum(abs(q - kv), 20)]),
        "products": (lambda b, h, q, kv: (q * kv) % 7 != 1, None),
    }
    for name, (mask, score) in cases.items():
        check(rng, name, mask, score, 1)
        check(rng, name, mask, score, 13)
    check(rng, "first", causal, None, 9, first=[0, 3, 100])
    check_gone()
    check_refusals()
    check_prefixes(rng)


if __name__ == "__main__":
    main()
