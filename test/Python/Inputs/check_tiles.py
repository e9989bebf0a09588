"""Tile classes of traced masks, and what print() says.

The compiler counts tiles by projection of the sets, attn-opt prints them for static
sizes; brute force looks at every point with the user's own function.
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


def classes(mask, rows, keys, height, width):
    """By every point of every tile, with the user's function."""
    present = np.broadcast_to(
        mask(0, 0, np.arange(rows)[:, None], np.arange(keys)[None, :]), (rows, keys)
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


def check_classes(rng):
    rows, keys = (int(n) for n in rng.integers(40, 200, 2))
    functions = catalogue.make(rng, 1, 1, rows, keys)
    print(f"{rows} rows, {keys} keys")
    for name in AFFINE:
        mask = functions[name][0]
        attention = attn_mlir.flex(mask_mod=mask)
        for height, width in ((16, 16), (32, 8), (64, 64)):
            want = classes(mask, rows, keys, height, width)
            ours = attention.tile_classes(rows, keys, tile=(height, width))
            assert np.array_equal(ours, want), f"{name}: tile_classes"
            counts = tuple(int((want == c).sum()) for c in (0, 1, 2))
            got = compiled_counts(attention, rows, keys, height, width)
            assert got == counts, f"{name} {height}x{width}: {got}, but brute force {counts}"
    # With data, what the sets leave out is empty, and no tile is full.
    for name in ("document_causal", "cap_documents", "no_key_flags"):
        mask = functions[name][0]
        attention = attn_mlir.flex(mask_mod=mask)
        want = classes(mask, rows, keys, 16, 16)
        assert np.array_equal(attention.tile_classes(rows, keys, tile=(16, 16)), want), name
        empty, _, full = compiled_counts(attention, rows, keys, 16, 16)
        assert empty <= (want == 0).sum() and full == 0, name
    causal = (classes(catalogue.causal, rows, keys, 16, 16) == 0).sum()
    attention = attn_mlir.flex(mask_mod=functions["document_causal"][0])
    assert compiled_counts(attention, rows, keys, 16, 16)[0] == causal


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
    check_classes(rng)
    check_report(rng)


if __name__ == "__main__":
    main()
