# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What print() and plot() show of a traced attention."""

import dataclasses
import operator

from .._compiler import classify_tiles, describe
from .._errors import Error
from .call import bad
from .space import Shape

EMPTY, PARTIAL, FULL = 0, 1, 2
_BYTES = {"f32": 4, "f16": 2, "bf16": 2}


def tile_classes(attention, rows, keys, tile, b, h):
    """By the compiler, from the cascade of one head: no mask is looked at by points."""
    import numpy as np

    try:
        height, width = map(operator.index, tile)
        rows, keys, b, h = map(operator.index, (rows, keys, b, h))
    except (TypeError, ValueError):
        height = 0  # an error
    if height < 1 or width < 1 or min(rows, keys, b, h) < 0:
        raise bad(
            f"expects integers, but got {rows!r} rows, {keys!r} keys and tiles of {tile!r} "
            f"at b {b!r}, h {h!r}"
        )
    counts = (-(-rows // height), -(-keys // width))
    if 0 in counts:
        return np.empty(counts, np.uint8)
    cascade = attention.cascade(Shape())
    point = {"b": b, "h": h}
    values = point | cascade.space.symbol_values(point)
    found = classify_tiles(cascade.text, ("p", "m"), (rows, keys), (height, width), values)
    return np.frombuffer(found, np.uint8).reshape(counts)


def plot(attention, rows, keys, tile, b, h, ax):
    try:
        import matplotlib.pyplot as plt
        from matplotlib.colors import ListedColormap
    except ImportError as error:
        raise Error("unavailable", "expects matplotlib to plot, but it is not there") from error
    classes = tile_classes(attention, rows, keys, tile, b, h)
    if ax is None:
        _, ax = plt.subplots()
    ax.imshow(
        classes, cmap=ListedColormap(["#f4f4f4", "#f2b134", "#2a6f97"]), vmin=0, vmax=2,
        extent=(0, classes.shape[1] * tile[1], classes.shape[0] * tile[0], 0), aspect="auto",
    )
    counts = [int((classes == c).sum()) for c in (EMPTY, PARTIAL, FULL)]
    ax.set_title("tiles: empty {}, partial {}, full {}".format(*counts))
    ax.set_xlabel("kv_idx")
    ax.set_ylabel("q_idx")
    return ax


def report(attention):
    parts = [attention.text.rstrip()]
    program = attention.last
    if program is None or program.stats is None:
        parts += [_described(attention.text, passes=True)]
        parts += ["not called yet: tiles and bytes depend on lengths"]
    else:
        parts += _of_call(attention, program)
    return "\n\n".join(p for p in parts if p)


def _of_call(attention, program):
    sizes, stats = program.sizes, program.stats
    e, shape = sizes.extents, sizes.shape
    size = _BYTES[shape.element] * (shape.head_dim + shape.value_dim)
    run = (
        f"run in one pass: {stats['items']} work items, {stats['merges']} merges, "
        f"workspace {stats['workspace_bytes']} bytes, keys and values as planned "
        f"{stats['keys_read'] * size} bytes, each once "
        f"{sizes.tokens * sizes.kv_heads * size} bytes"
    )
    if shape.page:  # tiles and bounds would be those of each request
        return [_described(attention.cascade(shape).text, passes=True), run]
    fixed = dataclasses.replace(shape, lengths=(e["b"], sizes.kv_heads, e["q"], e["kv"]))
    text = attention.cascade(fixed).text
    classes = tile_classes(attention, e["q"], e["kv"], (128, 64), 0, 0)
    counts = [int((classes == c).sum()) for c in (EMPTY, PARTIAL, FULL)]
    return [
        _described(text, passes=True),
        "tiles of 128 x 64 (b = h = 0): empty {}, partial {}, full {}".format(*counts),
        run,
        _described(text, passes=False),
    ]


def _described(text, passes):
    """Passes over the keys, or bytes beside their bounds: the compiler's words."""
    wanted = ("rank m",) if passes else ("  pairs", "  memory", "  core")
    return "\n".join(
        line.strip() for line in describe(text).splitlines() if line.startswith(wanted)
    )
