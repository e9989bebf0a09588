"""Tile classes of traced masks, and what print() says.

Flex.tile_classes and attn-opt have them by projection of the sets; brute force looks
at every point with the user's own function.
"""

import argparse
import os
import re
import subprocess
import sys

import attn_mlir
import numpy as np
from attn_mlir.flex.space import Shape

import catalogue

# Masks that are sets alone: with data a tile is partial for the compiler.
AFFINE = [
    "causal", "causal_transposed", "anticausal", "strict", "offset", "window", "band",
    "outside_band", "sink_window", "blocks", "block_causal", "strided", "dilated",
    "neighborhood", "rows_without_keys", "nothing", "clamped", "minimum", "deep", "xor",
    "partial", "nested", "negative_divisor",
]
# The same with symbols, and with heads and requests that differ.
SYMBOLIC = [
    "prefix_lm", "no_window", "heads_differ", "window_per_head", "some_heads",
    "batches_differ", "scalar_width",
]
HEADS, BATCH = 3, 2


def classes(mask, rows, keys, height, width, b=0, h=0):
    """By every point of every tile, with the user's function."""
    present = np.broadcast_to(
        mask(np.int64(b), np.int64(h), np.arange(rows)[:, None], np.arange(keys)[None, :]),
        (rows, keys),
    )
    out = np.zeros((-(-rows // height), -(-keys // width)), int)
    for i, j in np.ndindex(*out.shape):
        tile = present[i * height:(i + 1) * height, j * width:(j + 1) * width]
        out[i, j] = 2 if tile.all() else int(tile.any())
    return out


def compiled_counts(attention, rows, keys, height, width):
    """(empty, partial, full) as attn-opt prints them for these sizes."""
    text = attention.cascade(Shape(lengths=(1, 1, rows, keys))).text
    done = subprocess.run(
        ["attn-opt", f"--attn-classify-tiles=rows={height} cols={width}", "-o", os.devnull, "-"],
        input=text, capture_output=True, text=True, check=False,
    )
    found = re.search(r"empty (\d+), partial (\d+), full (\d+)", done.stderr)
    if not found:
        sys.exit(f"expects counts of tiles, but got {done.stderr!r} for\n{text}")
    return tuple(int(n) for n in found.groups())


def check_classes(rng, rows, keys):
    functions = catalogue.make(rng, BATCH, HEADS, rows, keys)
    print(f"{rows} rows, {keys} keys")
    for name in AFFINE:
        mask = functions[name][0]
        attention = attn_mlir.flex(mask_mod=mask)
        for height, width in ((16, 16), (32, 8), (64, 64), (1, 1)):
            want = classes(mask, rows, keys, height, width)
            ours = attention.tile_classes(rows, keys, tile=(height, width))
            assert np.array_equal(ours, want), f"{name} {height}x{width}: tile_classes"
            counts = tuple(int((want == c).sum()) for c in (0, 1, 2))
            if height > 1:
                got = compiled_counts(attention, rows, keys, height, width)
                assert got == counts, f"{name} {height}x{width}: {got}, but brute force {counts}"
    for name in SYMBOLIC:
        mask = functions[name][0]
        attention = attn_mlir.flex(mask_mod=mask)
        for b, h in np.ndindex(BATCH, HEADS):
            want = classes(mask, rows, keys, 16, 8, b, h)
            ours = attention.tile_classes(rows, keys, tile=(16, 8), b=b, h=h)
            assert np.array_equal(ours, want), f"{name} at {b}, {h}: tile_classes"
    # What data decides is partial, but where the sets leave it out; never wrong.
    left_out = 0
    for name, (mask, score) in functions.items():
        if score is not None or mask is None or name in AFFINE + SYMBOLIC:
            continue
        want = classes(mask, rows, keys, 16, 8, 1, 2)
        ours = attn_mlir.flex(mask_mod=mask).tile_classes(rows, keys, tile=(16, 8), b=1, h=2)
        assert (want[ours == 0] == 0).all() and (want[ours == 2] == 2).all(), name
        left_out += int((ours == 0).sum())
    assert left_out or keys < 16, "expects sets around some of the data"
    attention = attn_mlir.flex(mask_mod=functions["document_causal"][0])
    ours = attention.tile_classes(rows, keys, tile=(16, 16))
    causal = classes(catalogue.causal, rows, keys, 16, 16)
    assert np.array_equal(ours, np.minimum(causal, 1))
    empty, partial, full = compiled_counts(attention, rows, keys, 16, 16)
    assert (empty, partial, full) == tuple(int((ours == c).sum()) for c in (0, 1, 2))


def check_sizes():
    """Cost is that of the tiles: 2**62 points are no trouble, in no more memory."""
    attention = attn_mlir.flex(mask_mod=catalogue.causal)
    many = 2**31 - 1
    found = attention.tile_classes(many, many, tile=(2**27, 2**27))
    assert np.array_equal(found, np.tri(16, dtype=int) * 2 - np.eye(16, dtype=int))
    assert attn_mlir.flex().tile_classes(130, 65, tile=(64, 64)).tolist() == [[2, 2]] * 3
    assert attention.tile_classes(0, 65, tile=(64, 64)).shape == (0, 2)
    end = np.array([3, 40])
    attention = attn_mlir.flex(mask_mod=lambda b, h, q, kv: kv < end[b])
    assert attention.tile_classes(8, 64, tile=(8, 32), b=1).tolist() == [[2, 1]]
    end[1] = 5  # values of now
    assert attention.tile_classes(8, 64, tile=(8, 32), b=1).tolist() == [[1, 0]]
    for words, options in (
        ("expects indices inside of a captured tensor [2], but got [2]", {"b": 2}),
        ("tiles of (0, 8)", {"tile": (0, 8)}),
        ("tiles of 8", {"tile": 8}),
        ("at b 'a', h 0", {"b": "a"}),
        ("at most 268435456 tiles, but got 4611686014132420609", {"tile": (1, 1)}),
    ):
        try:
            attention.tile_classes(many, many, **options)
        except attn_mlir.Error as error:
            assert words in str(error), str(error)
        else:
            raise AssertionError(f"expects an Error with {words}")


def check_report(rng):
    attention = attn_mlir.flex(mask_mod=catalogue.causal)
    assert "not called yet" in str(attention) and "where (m <= p)" in str(attention)
    q = rng.standard_normal((1, 2, 256, 64)).astype(np.float32)
    attention(q, q, q)
    text = str(attention)
    print(text[text.index("rank m"):])
    for words in (
        "rank m: 3 passes", "one pass", "empty 2, partial 4, full 2",
        "memory: compulsory 512.00 KiB, predicted 512.00 KiB, ratio 1.000",
    ):
        assert words in text, words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    rng = np.random.default_rng(parser.parse_args().seed)
    for _ in range(2):
        check_classes(rng, *(int(n) for n in rng.integers(40, 200, 2)))
    check_sizes()
    check_report(rng)


if __name__ == "__main__":
    main()
