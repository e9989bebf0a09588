"""The axes of the matrix, and points of it as text.

A point is a dict with a value of each axis. Its text, `head=24,mask=window`,
names the values that differ from the base point; `--point=` takes it back.
"""

AXES = {
    # Of keys and values; queries of e4m3 caches are f16, with a scale per head.
    "dtype": ["f16", "bf16", "e4m3"],
    # Channels of a key, and of a value if there are two numbers.
    "head": ["16", "24", "64", "96", "128", "192", "256", "192x128"],
    # Query heads of a KV head.
    "gqa": ["1", "4", "5", "7", "16", "64"],
    # Tokens of a page; none: the tokens of a request lie one after another.
    "page": ["none", "1", "16", "24", "64", "672"],
    # (token, head), (head, token), or a token's key and value side by side.
    "pool": ["nhd", "hnd", "mixed"],
    "mask": [
        "none",
        "causal",
        "window",
        "sinks",
        "prefix",
        "presence",
        "blocks",
        "documents",
    ],
    "score": ["plain", "softcap", "alibi", "table", "sink"],
    "out": ["o", "lse"],
    "phase": ["prefill", "chunk", "decode", "spec4"],
    "split": ["1", "3"],
    "data": ["random", "needle"],
}

# Heads beside those of the cover: the code for them is made of the same parts, and
# what it takes of a GPU is not (the gate and the counters have them).
OTHER_HEADS = ["32", "40", "72", "80", "104", "112", "240", "248"]
GATE_AXES = AXES | {"head": AXES["head"] + OTHER_HEADS}

BASE = {
    "dtype": "f16",
    "head": "64",
    "gqa": "4",
    "page": "16",
    "pool": "nhd",
    "mask": "causal",
    "score": "plain",
    "out": "o",
    "phase": "chunk",
    "split": "1",
    "data": "random",
}


def possible(some):
    """Whether a point may have these values together. `some`: of any axes."""
    # What is side by side in a page is two tensors where there are no pages.
    return not (some.get("page") == "none" and some.get("pool") == "mixed")


def text_of(point):
    differ = [f"{a}={point[a]}" for a in AXES if point[a] != BASE[a]]
    return ",".join(differ) or "base"


def parse(text):
    """A point from its text. ValueError if it is none."""
    point = dict(BASE)
    for part in text.split(",") if text != "base" else []:
        axis, _, value = part.partition("=")
        if axis not in AXES:
            raise ValueError(f"expects an axis of {', '.join(AXES)}, but got '{axis}'")
        if value not in GATE_AXES[axis]:
            values = ", ".join(GATE_AXES[axis])
            raise ValueError(f"expects {axis} of {values}, but got '{value}'")
        point[axis] = value
    if not possible(point):
        raise ValueError(f"expects a possible point, but got '{text}'")
    return point


def widths_of(point):
    """Channels of a key and of a value."""
    parts = [int(x) for x in point["head"].split("x")]
    return parts[0], parts[-1]


def kv_heads_of(point):
    """Two, so that heads can be mixed up, where the queries stay few."""
    return 1 if int(point["gqa"]) >= 16 else 2
