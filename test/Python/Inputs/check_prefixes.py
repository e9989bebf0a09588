"""Functions on paged caches whose requests share keys, with and without `prefixes`."""

import argparse

import attn_mlir
import numpy as np

import brute

PAGE, SHARED, BATCH, KEYS = 16, 256, 4, 320


def functions(rng):
    """(name, mask_mod, score_mod, whether shared keys are read once)."""
    ids = rng.integers(0, 3, (BATCH, KEYS))
    flags = rng.random((BATCH, KEYS)) < 0.5
    ends = rng.integers(100, 250, BATCH)
    bias = rng.standard_normal((BATCH, KEYS)).astype(np.float32)
    rows = rng.standard_normal((BATCH, KEYS, KEYS)).astype(np.float32)
    few = rng.random((BATCH, 4)) < 0.5
    odd, steps = np.arange(BATCH) % 2 == 1, np.array([3, 4, 5, 7])
    order = rng.permutation(KEYS)
    return [
        ("causal", lambda b, h, q, kv: q >= kv, None, True),
        ("ends", lambda b, h, q, kv: kv < ends[b], None, True),
        ("of a request", lambda b, h, q, kv: (b != 1) | (kv < 200), None, True),
        ("by request", None, lambda s, b, h, q, kv: s * (1 + b), True),
        ("by row and key", None, lambda s, b, h, q, kv: s + rows[b, q, kv], True),
        ("flags", lambda b, h, q, kv: flags[b, kv], None, False),
        ("no flags", lambda b, h, q, kv: ~flags[b, kv], None, False),
        ("equal", lambda b, h, q, kv: ids[b, q] == ids[b, kv], None, False),
        ("either", lambda b, h, q, kv: flags[b, q] | flags[b, kv], None, False),
        ("at most", lambda b, h, q, kv: ids[b, kv] <= q % 3, None, False),
        ("bias", None, lambda s, b, h, q, kv: s + bias[b, kv], False),
        ("positions", None, lambda s, b, h, q, kv: s - 0.1 * abs(q - ids[b, kv]), False),
        ("no flag of requests", lambda b, h, q, kv: ~odd[b] & (q >= kv), None, True),
        ("flag of requests", lambda b, h, q, kv: odd[b] & (q >= kv), None, True),
        ("flag of requests alone", lambda b, h, q, kv: odd[b], None, True),
        ("flags of requests and heads", lambda b, h, q, kv: ~few[b, h] & (q >= kv), None, True),
        ("kind of requests", lambda b, h, q, kv: (steps[b] % 3 != h) & (q >= kv), None, True),
        ("steps of requests", lambda b, h, q, kv: kv % steps[b] != 1, None, True),
        ("steps of rows", lambda b, h, q, kv: (q % steps[b] != 1) & (q >= kv), None, True),
        ("score of steps", None, lambda s, b, h, q, kv: s + 0.1 * (kv % steps[b]), True),
        ("request alone", None, lambda s, b, h, q, kv: 0.5 * kv + steps[b], True),
        ("reordered", None, lambda s, b, h, q, kv: s + bias[b, order[kv]], None),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    rng = np.random.default_rng(parser.parse_args().seed)
    heads, group, dim, count = 2, 2, 16, 3
    pool = attn_mlir.PagePool(100, PAGE)
    k_pages, v_pages = rng.standard_normal((2, 100, PAGE, heads, dim)).astype(np.float32)
    sequences, lengths = [], []
    for b in range(BATCH):
        tokens = list(range(SHARED)) + [1000 * (b + 1) + i for i in range(5 + 7 * b)]
        sequence, reused = pool.create(tokens)
        pool.append(sequence, tokens[reused:])
        sequences.append(sequence)
        lengths.append(len(tokens))
    table = attn_mlir.PageTable(pool, BATCH, KEYS // PAGE)
    for b, sequence in enumerate(sequences):
        table.bind(b, sequence)
    table.update()
    lengths = np.array(lengths, np.int32)
    first = lengths - count
    prefixes = pool.prefixes(sequences)
    q = rng.standard_normal((BATCH, heads * group, count, dim)).astype(np.float32)
    for name, mask, score, shares in functions(rng):
        attention = attn_mlir.flex(score, mask)
        read = []
        for given in (None, prefixes):
            out = attention.paged(q, k_pages, v_pages, table.array, lengths, prefixes=given)
            read.append(attention.last.stats["keys_read"])
        worst = 0.0
        for b in range(BATCH):
            at = np.arange(lengths[b])
            slots = table.array[b][at // PAGE], at % PAGE
            keys, values = (p[slots].transpose(1, 0, 2)[None] for p in (k_pages, v_pages))

            want = brute.attention(
                q[b:b + 1], keys, values,
                mask and (lambda _, h, i, j: mask(np.int64(b), h, i + first[b], j)),
                score and (lambda s, _, h, i, j: score(s, np.int64(b), h, i + first[b], j)),
            )
            worst = max(worst, brute.worst_row(out[b:b + 1], want))
        print(f"{name}: worst row {worst:.1e}, keys read {read[0]} and {read[1]}")
        assert worst <= 2e-5, name
        if shares is not None:
            assert (read[1] < read[0]) == shares, name


if __name__ == "__main__":
    main()
